"""Writes the gateway's settings into its chart: values with their help, schema with their limits.

`uv run python scripts/gen_chart_settings.py` rewrites both; `--check` only says whether they are in
step. The settings class is the source: a setting added there is a value here after one run.
"""

import argparse
import json
import re
import sys
import textwrap
from pathlib import Path
from typing import Any, cast

from voice_gateway.settings import Settings

CHART = Path(__file__).parents[1] / "helm" / "voice-workflow"
VALUES, SCHEMA = CHART / "values.yaml", CHART / "values.schema.json"

Json = dict[str, Any]

# Where a cluster's default differs from a laptop's, and why.
CLUSTER: Json = {
    "RIVA_URI": "riva-api:50051",  # the service of helm/riva-api in the same namespace
    "LLM_BASE_URL": "http://llm-nim:8000/v1",  # the service of k8s/infra in the same namespace
    # A pod is called from elsewhere; the operator's answer to that stands in plain sight.
    "GRPC_HOST": "0.0.0.0",
    "HTTP_HOST": "0.0.0.0",
    "ALLOW_ANYONE": True,
    "INTERNAL_PORT": 8081,  # for metrics, and for what waits until calls are over
    "MAX_CALLS": 60,  # what one core holds (docs/guides/sizing.md); more callers, more pods
    "LANGUAGES": {},  # a table, of which each overlay may add a language
}
# Templates say these in words ("write HOST:PORT"), which a schema cannot.
SAID_IN_WORDS = ("pattern", "format", "title", "default", "writeOnly")
# A service needs a port that is known beforehand.
KNOWN_PORTS = ("GRPC_PORT", "HTTP_PORT", "INTERNAL_PORT")


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--check", action="store_true", help="change nothing, exit 1 where stale")
    check: bool = options.parse_args().check
    stale = [path for path, text in _written().items() if path.read_text() != text]
    for path in stale:
        if check:
            sys.stderr.write(f"{path} is stale: uv run python scripts/gen_chart_settings.py\n")
        else:
            path.write_text(_written()[path])
    return 1 if check and stale else 0


def _written() -> dict[Path, str]:
    """Both files as they should be."""
    plain, secret = _settings()
    values = VALUES.read_text()
    values = _replaced(values, "settings", _lines(plain))
    values = _replaced(values, "secrets", _lines(secret))
    schema: Json = json.loads(SCHEMA.read_text())
    schema["properties"]["settings"] = _object("The gateway's settings.", plain)
    schema["properties"]["secrets"] = _object("The gateway's settings that are secret.", secret)
    schema["properties"]["secretKeys"]["propertyNames"] = {"enum": list(secret)}
    return {VALUES: values, SCHEMA: json.dumps(schema, indent=2, ensure_ascii=False) + "\n"}


def _settings() -> tuple[Json, Json]:
    """Name → schema with a default, of the plain settings and of the secret ones."""
    plain: Json = {}
    secret: Json = {}
    for name, schema in cast("Json", Settings.model_json_schema()["properties"]).items():
        one = _one(name.upper(), schema)
        (secret if schema.get("writeOnly") else plain)[name.upper()] = one
    return plain, secret


def _one(name: str, schema: Json) -> Json:
    typed: Json = {**schema, **schema.get("anyOf", [{}])[0]}
    kept = {key: value for key, value in typed.items() if key not in (*SAID_IN_WORDS, "anyOf")}
    if name in KNOWN_PORTS:
        kept["minimum"] = 1
    default = CLUSTER.get(name, schema.get("default"))
    return {**kept, "default": "" if default is None else default}


def _object(description: str, settings: Json) -> Json:
    return {
        "description": description,
        "type": "object",
        # The one says where a key is wrong, the other what may be written.
        "additionalProperties": False,
        "required": list(settings),  # a null takes a value away
        "propertyNames": {"enum": list(settings)},
        "properties": settings,
    }


def _lines(settings: Json) -> str:
    return "".join(_line(name, schema) for name, schema in settings.items())


def _line(name: str, schema: Json) -> str:
    words = textwrap.wrap(schema["description"], 94, break_on_hyphens=False)
    said = "".join(f"  # {line}\n" for line in words)
    return f"{said}  {name}: {json.dumps(schema['default'], ensure_ascii=False)}\n"


def _replaced(text: str, part: str, lines: str) -> str:
    block = re.compile(rf"(  # <{part}: [^\n]*>\n).*?(  # </{part}>\n)", re.DOTALL)
    said, count = block.subn(lambda found: found[1] + lines + found[2], text)
    if count != 1:
        raise SystemExit(f"{VALUES}: no block of {part}")
    return said


if __name__ == "__main__":
    sys.exit(main())
