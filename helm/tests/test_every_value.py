"""Every value of both charts does something: changed, it changes what is rendered."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from rendered_charts import Helm
from riva_chart import CHART as RIVA_CHART
from voice_chart import CHART, EVERYTHING

Values = dict[str, Any]
Where = tuple[str, ...]

HOST: Values = {"host": "v.example.org", "tls": {"secretName": "t"}}
ISSUED = {"host": "v.example.org", "tls": {"certManager": {"issuer": "i"}}}
ON = {"enabled": True}
KEDA = {"engine": "keda", "keda": {"prometheusUrl": "http://p:9090"}}
# Sets of values under which one or another value matters; the first that fits is taken.
SCENES: dict[Path, list[Values]] = {
    CHART: [
        EVERYTHING,
        {"localStack": {"enabled": True}},
        {"gatewayTls": {"secretName": "tls"}},
        {"gatewayTls": {"secretName": "tls", "clientCa": True}},
        {"exposure": {**HOST, "gatewayApi": {"enabled": True, "className": "eg"}}},
        {"exposure": {**HOST, "gatewayApi": {"enabled": True, "gateway": {"name": "g"}}}},
        {"exposure": {**ISSUED, "traefik": {"enabled": True}}},
        {"autoscaling": {"enabled": True, "metricsCollected": True, **KEDA}},
    ],
    RIVA_CHART: [
        {"service": {"type": "NodePort"}},
        {"mode": "nim"},
        {"persistentVolumeClaim": {"usePVC": False}, "metrics": {"serviceMonitor": ON}},
        {"ngcCredentials": {"password": "bnY="}, "secrets": {"create": True}},
        {"mode": "nim", "speechNim": {"openFiles": 2048, "asr": {"persistence": {"create": True}}}},
    ],
}
# A value beside the default, where neither the schema nor the type gives one.
OTHERS: dict[str, Any] = {
    "secretKeys": {"LLM_API_KEY": {"name": "a", "key": "b"}},
    "digest": "sha256:" + "a" * 64,
    "image": "registry.example.org/other:7",
    "rawServerImage": "registry.example.org/other:7",
    "rawServicemakerImage": "registry.example.org/other:7",
    "imagePullSecrets": [{"name": "other"}],
    "tolerations": [{"key": "other"}],
    "topologySpreadConstraints": [],
    "load": 0.5,
    "callersFrom": [{"podSelector": {}}],
    "httpFrom": [{"podSelector": {}}],
    "upstreams": [{"podSelector": {}}],
    "peers": [{"podSelector": {}}],
    "extraPorts": [4443],
    "dnsPorts": [5353],
    "gpuResource": "nvidia.com/gpu.shared",
    "startCommand": ["/opt/other"],
    "extraEnv": [{"name": "OTHER", "value": "x"}],
    "extraVolumes": [{"name": "other", "emptyDir": {}}],
    "extraVolumeMounts": [{"name": "logs", "mountPath": "/other"}],
    "extraObjects": [],
    "resources": {"limits": {"memory": "7Gi"}},
    "memory": "7Gi",
    "cpu": "7",
    "affinity": {"podAffinity": {}},
    "interval": "7s",
    "size": "7Gi",
    "storageSize": "7Gi",
    "sharedMemorySize": "7Gi",
    "sizeLimit": "7Gi",
    "prometheusUrl": "http://other:9090",
    "host": "other.example.org",
    "maxUnavailable": 2,
    "languageCode": "hi-IN",
    "riva_ngc_image_version": "2.18.0",
    "riva_ngc_model_version": "2.18.0",
    "maxWordErrorRate": 0.7,
    "models": ["nvidia/riva/other"],
    "ngcModelConfigs": {"asr": {"models": ["nvidia/riva/other"]}},
    "password": "b3RoZXI=",
    "modelDeployKey": "b3RoZXI=",
}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("chart", SCENES, ids=lambda chart: cast("Path", chart).name)
def test_every_value_does_something(helm: Helm, chart: Path) -> None:
    defaults: Values = yaml.safe_load((chart / "values.yaml").read_text())
    schema: Values = json.loads((chart / "values.schema.json").read_text())
    scenes = [(scene, _rendered(helm, chart, scene)) for scene in SCENES[chart]]
    idle: list[tuple[str, Any]] = []
    for where, value in _leaves(defaults):
        if chart == CHART and where[0] in ("settings", "secrets"):
            continue  # held to the gateway itself by test_voice_workflow_values.py
        other = _other(where, value, schema)
        if not any(_matters(helm, chart, scene, made, where, other) for scene, made in scenes):
            idle.append((".".join(where), other))
    assert not idle, "\n".join(map(str, idle))


def _leaves(values: Values, before: Where = ()) -> Iterator[tuple[Where, Any]]:
    for name, value in values.items():
        where = (*before, name)
        if isinstance(value, dict) and value:
            yield from _leaves(cast("Values", value), where)
        else:
            yield where, value


def _other(where: Where, value: Any, schema: Values) -> Any:
    if where[-1] in OTHERS and not isinstance(value, bool):
        return OTHERS[where[-1]]
    described = _described(where, schema)
    if "enum" in described:
        return next(one for one in described["enum"] if one != value)
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1 if value + 1 <= described.get("maximum", value + 1) else value - 1
    return {"other": "other"} if isinstance(value, dict) else "other"


def _described(where: Where, schema: Values) -> Values:
    for name in where:
        if "$ref" in schema:
            return {}
        schema = schema.get("properties", {}).get(name) or schema.get("additionalProperties", {})
    return schema


def _matters(helm: Helm, chart: Path, scene: Values, made: str, where: Where, other: Any) -> bool:
    """Rendered differently, or refused by a template, which has read it."""
    nested: Any = other
    for name in reversed(where):
        nested = {name: nested}
    now = _rendered(helm, chart, _merged(scene, nested))
    return now != made and "values don't meet the specifications" not in now


def _rendered(helm: Helm, chart: Path, values: Values) -> str:
    """As text, which is compared faster than manifests are; or what is said against the values."""
    options = ("--namespace", "x", "--api-versions", "monitoring.coreos.com/v1", "--values", "-")
    done = helm.run("template", "voice-gateway", str(chart), *options, given=json.dumps(values))
    return done.stdout or done.stderr


def _merged(below: Values, above: Values) -> Values:
    merged = {**below}
    for name, value in above.items():
        under = below.get(name)
        both = isinstance(value, dict) and isinstance(under, dict)
        merged[name] = _merged(cast("Values", under), cast("Values", value)) if both else value
    return merged
