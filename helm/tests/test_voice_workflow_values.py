"""The gateway chart's values: every setting, no other, and what is refused in which words."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from pydantic import SecretStr
from rendered_charts import Helm, Manifests
from voice_gateway.settings import Settings, read_settings

TOP = Path(__file__).parents[2]
CHART = TOP / "helm" / "voice-workflow"
NAME = "voice-gateway-gateway"

VALUES: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())
SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text())
FIELDS: dict[str, dict[str, Any]] = {
    name.upper(): schema for name, schema in Settings.model_json_schema()["properties"].items()
}
PLAIN = {name for name, schema in FIELDS.items() if not schema.get("writeOnly")}

# One value beside the default, where the type alone does not say which are allowed.
OTHERS: dict[str, Any] = {
    "TRUSTED_PROXIES": "10.0.0.0/8 192.0.2.7",
    "GRPC_HOST": "::",
    "HTTP_HOST": "::",
    "RIVA_URI": "riva.speech:50051, riva.elsewhere:50051",
    "RIVA_ASR_URI": "dns:///asr:9000",
    "RIVA_TTS_URI": "[::1]:9001",
    "LLM_BASE_URL": "https://model.example.org/v1 http://nim:8000/v1",
    "ASR_LANGUAGE": "hi-IN",
    "LANGUAGES": {"hi-IN": {"tts_voice": "Asha", "tts_normalise": False}, "de-DE": {}},
    "INTERNAL_PORT": 9000,
    "CALLER_MAY": "voice, language",
    "SYSTEM_PROMPT": 'Say "yes" & <no>,\nthen: {{ nothing }} #else',
}


class TestSettings:
    def test_values_and_schema_are_in_step_with_the_settings(self) -> None:
        done = subprocess.run(
            [sys.executable, TOP / "scripts" / "gen_chart_settings.py", "--check"],
            text=True,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    def test_are_the_documented_ones(self) -> None:
        page = (TOP / "docs" / "settings.md").read_text()
        documented = {line.split("`")[1] for line in page.splitlines() if line.startswith("| `")}
        assert documented == {*VALUES["settings"], *VALUES["secrets"]}

    def test_defaults_are_settings_the_gateway_takes(
        self, helm: Helm, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings = self.read(helm.template(CHART), monkeypatch)
        assert settings.riva_uri == "riva-api:50051"
        # Everything else is as on a laptop.
        assert (settings.grpc_host, settings.http_host) == ("0.0.0.0", "0.0.0.0")
        assert settings.allow_anyone
        differing = {"riva_uri", "llm_base_url", "max_calls"}
        differing |= {"grpc_host", "http_host", "allow_anyone", "internal_port"}
        for name, field in Settings.model_fields.items():
            if name not in differing:
                assert getattr(settings, name) == field.default, name

    def test_every_one_arrives_at_the_gateway(
        self, helm: Helm, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        (tmp_path / "file").touch()
        files = ("RIVA_TLS_CA", "API_KEYS_FILE", "JWT_JWKS", "TLS_CERT", "TLS_KEY")
        files = (*files, "TLS_CLIENT_CA", "TLS_CLIENT_CRL")
        special: dict[str, str] = dict.fromkeys(files, str(tmp_path / "file"))
        special["RECORD_EVENTS_DIR"] = str(tmp_path)
        wanted = {name: {**OTHERS, **special}.get(name, other(name)) for name in PLAIN}
        mounts = [{"name": "x", "mountPath": str(tmp_path)}]
        made = helm.template(CHART, {"settings": wanted, "extraVolumeMounts": mounts})
        read = self.read(made, monkeypatch)
        for name, value in wanted.items():
            arrived = getattr(read, name.lower())
            arrived = json.loads(arrived) if isinstance(value, dict) else arrived
            assert (str(arrived) if isinstance(arrived, Path) else arrived) == value, name
            assert value != FIELDS[name].get("default"), name

    def test_every_secret_one_arrives_from_a_secret(self, helm: Helm) -> None:
        wanted = {name: f"value of {name}" for name in VALUES["secrets"]}
        secret = helm.template(CHART, {"secrets": wanted}).one("Secret")
        assert set(secret["data"]) == set(wanted)
        assert set(wanted) == {
            name.upper()
            for name, field in Settings.model_fields.items()
            if field.annotation is SecretStr
        }

    def test_great_numbers_stay_digits(self, helm: Helm) -> None:
        values = {"settings": {"MAX_CALLS": 100000, "CALL_MAX_S": 86400}}
        data = helm.template(CHART, values).one("ConfigMap", NAME)["data"]
        assert (data["MAX_CALLS"], data["CALL_MAX_S"]) == ("100000", "86400")

    def test_a_changed_one_restarts_the_pods(self, helm: Helm) -> None:
        def checksum(calls: int) -> str:
            pods = helm.template(CHART, {"settings": {"MAX_CALLS": calls}}).one("Deployment")
            return pods["spec"]["template"]["metadata"]["annotations"]["checksum/settings"]

        assert checksum(10) == checksum(10) != checksum(11)

    @pytest.mark.parametrize(
        "overlay",
        [
            ("gpu-cluster",),
            ("laptop-cluster",),
            ("hindi",),
            ("english-and-hindi",),
            ("openshift",),
        ],
    )
    def test_overlays_are_settings_the_gateway_takes(
        self, helm: Helm, monkeypatch: pytest.MonkeyPatch, overlay: tuple[str, ...]
    ) -> None:
        more = [part for one in overlay for part in ("-f", str(CHART / f"overlays/{one}.yaml"))]
        self.read(helm.template(CHART, {}, *more), monkeypatch)

    def read(self, made: Manifests, monkeypatch: pytest.MonkeyPatch) -> Settings:
        """What the gateway reads in a pod with this ConfigMap."""
        for name in FIELDS:
            monkeypatch.delenv(name, raising=False)
        for name, text in made.one("ConfigMap", NAME)["data"].items():
            monkeypatch.setenv(name, text)
        return read_settings()


def other(name: str) -> Any:
    schema = FIELDS[name]
    default = schema.get("default")
    if "enum" in schema:
        return next(value for value in schema["enum"] if value != default)
    if isinstance(default, bool):
        return not default
    if schema.get("type") == "number" and default:
        return default * 0.75
    if isinstance(default, int | float):
        step = schema.get("multipleOf", 1)
        most = schema.get("maximum", default + step)
        return default + step if default + step <= most else default - step
    return "something else"


# Values, and words that must be in what is said about them.
REFUSED: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "unknown key": ({"replica": 2}, ("replica", "value must be one of", "'replicas'")),
    "the first version's config": (
        {"config": {"llm": {"model": "m"}}},
        ("/config", "settings.ASR_LANGUAGE", "LLM_MODEL"),
    ),
    "the first version's gateway": (
        {"gateway": {"replicas": 2}},
        ("/gateway", "its parts are image, replicas, service, settings"),
    ),
    "the first version's upstreams": (
        {"riva": {"uri": "riva:50051"}, "nim": {"url": "http://nim:8000"}},
        ("settings.RIVA_URI", "settings.LLM_BASE_URL"),
    ),
    "unknown key below": (
        {"service": {"prot": 1}},
        ("/service", "prot", "'port'", "'httpPort'"),
    ),
    "unknown setting": ({"settings": {"MAX_CALL": 5}}, ("MAX_CALL", "'MAX_CALLS'")),
    "secret among settings": ({"settings": {"LLM_API_KEY": "x"}}, ("LLM_API_KEY",)),
    "wrong type": ({"replicas": "two"}, ("/replicas", "got string, want integer")),
    "wrong type of a setting": (
        {"settings": {"ASR_PUNCTUATION": "yes"}},
        ("/settings/ASR_PUNCTUATION", "want boolean"),
    ),
    "nothing for a value": ({"replicas": None}, ("missing property 'replicas'",)),
    "nothing for a setting": (
        {"settings": {"GRPC_PORT": None}},
        ("/settings", "missing property 'GRPC_PORT'"),
    ),
    "nothing for a part": ({"exposure": None}, ("missing property 'exposure'",)),
    "amount in words": (
        {"resources": {"limits": {"memory": "lots"}}},
        ("/resources/limits/memory", "Gi"),
    ),
    "resource there is none of": ({"resources": {"requests": {"cpus": 1}}}, ("'cpus'", "cpu|")),
    "number as a variable": (
        {"localStack": {"extraEnv": [{"name": "X", "value": 1}]}},
        ("/localStack/extraEnv/0/value", "want string"),
    ),
    "variable without a name": ({"extraEnv": [{"value": "x"}]}, ("missing property 'name'",)),
    "pull secret by name alone": (
        {"imagePullSecrets": ["regcred"]},
        ("/imagePullSecrets/0", "want object"),
    ),
    "misspelt peer": (
        {"networkPolicy": {"upstreams": [{"ipBlok": {"cidr": "10.0.0.0/8"}}]}},
        ("/networkPolicy/upstreams/0", "'ipBlok' not allowed"),
    ),
    "effect there is none of": (
        {"tolerations": [{"key": "gpu", "effect": "Never"}]},
        ("/tolerations/0/effect", "'NoSchedule'"),
    ),
    "spread over nothing": (
        {"topologySpreadConstraints": [{"maxSkew": 1}]},
        ("missing properties 'topologyKey', 'whenUnsatisfiable'",),
    ),
    "negative replicas": ({"replicas": -1}, ("/replicas", "got -1, want 0")),
    "setting out of range": (
        {"settings": {"SAMPLE_RATE": 4000}},
        ("/settings/SAMPLE_RATE", "got 4,000, want 8,000"),
    ),
    "setting of few words": (
        {"settings": {"TURN_DETECTION": "vad"}},
        ("TURN_DETECTION", "'voice', 'asr'"),
    ),
    "port any": ({"settings": {"GRPC_PORT": 0}}, ("GRPC_PORT", "got 0, want 1")),
    "number as tag": ({"image": {"tag": 1.2}}, ("/image/tag", "want string")),
    "no disruption": (
        {"podDisruptionBudget": {"maxUnavailable": 0}},
        ("podDisruptionBudget.maxUnavailable is 0", "no node could ever be emptied", "write 1"),
    ),
    "no disruption, as a share": (
        {"podDisruptionBudget": {"maxUnavailable": "0%"}},
        ("no node could ever be emptied",),
    ),
    "callers nobody reaches": (
        {"settings": {"GRPC_HOST": "127.0.0.1"}},
        ('settings.GRPC_HOST is "127.0.0.1"', "outside the pod", "write 0.0.0.0"),
    ),
    "a page nobody reaches": (
        {"settings": {"HTTP_HOST": "localhost"}},
        ("settings.HTTP_HOST", "write 0.0.0.0"),
    ),
    "port of no protocol": (
        {"networkPolicy": {"extraPorts": [{"port": 3478, "protocol": "QUIC"}]}},
        ("/networkPolicy/extraPorts/0/protocol", "'UDP'"),
    ),
    "name of a page that is not let out": (
        {
            "exposure": {
                "host": "v.example.org",
                "webHost": "talk.example.org",
                "tls": {"secretName": "t"},
                "traefik": {"enabled": True},
            }
        },
        ("exposure.webHost", "set exposure.web=true"),
    ),
    "two kinds of route on one name": (
        {
            "exposure": {
                "host": "v.example.org",
                "web": True,
                "gatewayApi": {
                    "enabled": True,
                    "gateway": {"name": "g"},
                    "implementation": "nginx",
                },
            }
        },
        ("may not share a name", "set exposure.webHost"),
    ),
    "riva with a scheme": (
        {"settings": {"RIVA_URI": "http://riva:50051"}},
        ("settings.RIVA_URI", "write HOST:PORT", "riva-api:50051"),
    ),
    "riva without a port": ({"settings": {"RIVA_TTS_URI": "riva"}}, ("write HOST:PORT",)),
    "one riva of several with a scheme": (
        {"settings": {"RIVA_ASR_URI": "a:1, http://b:2"}},
        ("settings.RIVA_ASR_URI", "write HOST:PORT", '"http://b:2" is neither'),
    ),
    "one model of several without a scheme": (
        {"settings": {"LLM_BASE_URL": "http://a/v1 b:80"}},
        ("settings.LLM_BASE_URL", '"b:80" is none'),
    ),
    "no model": ({"settings": {"LLM_BASE_URL": ""}}, ("settings.LLM_BASE_URL",)),
    "model without a scheme": (
        {"settings": {"LLM_BASE_URL": "llm:8000"}},
        ("settings.LLM_BASE_URL", "http://llm-nim:8000/v1"),
    ),
    "language in words": (
        {"settings": {"ASR_LANGUAGE": "Hindi!"}},
        ("settings.ASR_LANGUAGE", "hi-IN"),
    ),
    "voice of a language misspelt": (
        {"settings": {"LANGUAGES": {"hi-IN": {"voice": "Asha"}}}},
        ("/settings/LANGUAGES/hi-IN", "'voice'"),
    ),
    "languages in a line": (
        {"settings": {"LANGUAGES": "hi-IN"}},
        ("/settings/LANGUAGES", "want object"),
    ),
    "one port for two": (
        {"settings": {"HTTP_PORT": 50051}},
        ("settings.GRPC_PORT", "settings.HTTP_PORT", "two ports"),
    ),
    "one port for the cluster and callers": (
        {"settings": {"INTERNAL_PORT": 8080}},
        ("settings.HTTP_PORT", "settings.INTERNAL_PORT", "two ports"),
    ),
    "nobody may call": (
        {"settings": {"ALLOW_ANYONE": False}},
        ("settings.ALLOW_ANYONE", "set apiKeys.secretName", "settings.JWT_JWKS"),
    ),
    "two files of keys": (
        {"apiKeys": {"secretName": "keys"}, "settings": {"API_KEYS_FILE": "/keys.toml"}},
        ("apiKeys.secretName", "leave settings.API_KEYS_FILE empty"),
    ),
    "two certificates of the pods": (
        {"gatewayTls": {"secretName": "t"}, "settings": {"TLS_CERT": "/tls.crt"}},
        ("gatewayTls.secretName", "leave the settings empty"),
    ),
    "client authority without a certificate": (
        {"gatewayTls": {"clientCa": True}},
        ("gatewayTls.clientCa", "set gatewayTls.secretName"),
    ),
    "a list of revoked certificates that nobody shows": (
        {"gatewayTls": {"secretName": "t", "clientCrl": True}},
        ("gatewayTls.clientCrl", "set gatewayTls.clientCa=true"),
    ),
    "TLS of the pods behind a route": (
        {
            "gatewayTls": {"secretName": "t"},
            "exposure": {
                "host": "v.example.org",
                "tls": {"secretName": "t"},
                "nginx": {"enabled": True},
            },
        },
        ("gatewayTls.secretName", "exposure.host", "keep one of them"),
    ),
    "setting among variables": (
        {"extraEnv": [{"name": "MAX_CALLS", "value": "1"}]},
        ("extraEnv", "write it under settings"),
    ),
    "setting by its first name": (
        {"extraEnv": [{"name": "LLM_SYSTEM_PROMPT", "value": "x"}]},
        ("extraEnv", "settings.SYSTEM_PROMPT", "write it there"),
    ),
    "two sources of a secret": (
        {"existingSecret": "s", "secrets": {"LLM_API_KEY": "k"}},
        ("existingSecret", "secrets.LLM_API_KEY", "leave existingSecret empty"),
    ),
    "two sources of one key": (
        {
            "secrets": {"LLM_API_KEY": "k"},
            "secretKeys": {"LLM_API_KEY": {"name": "a", "key": "b"}},
        },
        ("keep one of them",),
    ),
    "secret key of no setting": (
        {"secretKeys": {"OPENAI_KEY": {"name": "a", "key": "b"}}},
        ("OPENAI_KEY", "LLM_API_KEY"),
    ),
    "recordings nowhere": (
        {"settings": {"RECORD_EVENTS_DIR": "/calls"}},
        ("settings.RECORD_EVENTS_DIR", "cannot write", "set recordings.enabled=true"),
    ),
    "recordings beside a volume": (
        {
            "settings": {"RECORD_EVENTS_DIR": "/calls-of-today"},
            "extraVolumeMounts": [
                {"name": "x", "mountPath": "/calls"},
                {"name": "y", "mountPath": "/calls-of-today", "readOnly": True},
            ],
        },
        ("cannot write", "extraVolumeMounts"),
    ),
    "two folders for recordings": (
        {"settings": {"RECORD_EVENTS_DIR": "/calls"}, "recordings": {"enabled": True}},
        ("recordings.enabled", "both set", "leave settings.RECORD_EVENTS_DIR empty"),
    ),
    "claim without recordings": (
        {"recordings": {"existingClaim": "calls"}},
        ("nothing is recorded", "set recordings.enabled=true"),
    ),
    "recordings without a unit": ({"recordings": {"size": "1G"}}, ("/recordings/size",)),
    "authority without TLS": (
        {"rivaCa": {"secretName": "ca"}},
        ("rivaCa.secretName", "settings.RIVA_TLS=true"),
    ),
    "TLS without secret": (
        {"exposure": {"host": "v.example.org", "traefik": {"enabled": True}}},
        ("no certificate", "exposure.tls.secretName", "certManager.issuer"),
    ),
    "two sources of a certificate": (
        {
            "exposure": {
                "host": "v.example.org",
                "nginx": {"enabled": True},
                "tls": {"secretName": "t", "certManager": {"issuer": "i"}},
            }
        },
        ("overwrite", "leave either"),
    ),
    "two routes": (
        {
            "exposure": {
                "host": "v.example.org",
                "nginx": {"enabled": True},
                "traefik": {"enabled": True},
            }
        },
        ("exposure.traefik and exposure.nginx", "at once", "enable one route"),
    ),
    "route without a name": (
        {"exposure": {"nginx": {"enabled": True}}},
        ("set exposure.host", "voice.example.org"),
    ),
    "name with a scheme": (
        {"exposure": {"host": "https://v.example.org", "nginx": {"enabled": True}}},
        ("exposure.host", "DNS name alone"),
    ),
    "name without a route": (
        {"exposure": {"host": "v.example.org"}},
        ("no route leads there", "exposure.gatewayApi"),
    ),
    "no Gateway": (
        {"exposure": {"host": "v.example.org", "gatewayApi": {"enabled": True}}},
        ("exposure.gatewayApi.gateway.name", "className"),
    ),
    "two Gateways": (
        {
            "exposure": {
                "host": "v.example.org",
                "tls": {"secretName": "t"},
                "gatewayApi": {"enabled": True, "className": "eg", "gateway": {"name": "g"}},
            }
        },
        ("both a className and a gateway.name",),
    ),
    "page by nginx": (
        {
            "exposure": {
                "host": "v.example.org",
                "web": True,
                "tls": {"secretName": "t"},
                "nginx": {"enabled": True},
            }
        },
        ("exposure.web=false",),
    ),
    "autoscaling without metrics": (
        {"autoscaling": {"enabled": True}},
        ("needs metrics", "monitoring.serviceMonitor.enabled=true", "metricsCollected=true"),
    ),
    "keda without Prometheus": (
        {"autoscaling": {"enabled": True, "metricsCollected": True, "engine": "keda"}},
        ("autoscaling.keda.prometheusUrl",),
    ),
    "more at least than at most": (
        {
            "autoscaling": {
                "enabled": True,
                "metricsCollected": True,
                "minReplicas": 5,
                "maxReplicas": 2,
            }
        },
        ("minReplicas <= maxReplicas",),
    ),
    "no headroom": (
        {"autoscaling": {"enabled": True, "metricsCollected": True, "callsPerPod": 100}},
        ("callsPerPod", "settings.MAX_CALLS", "write less"),
    ),
    "window longer than Kubernetes allows": (
        {"autoscaling": {"scaleDown": {"stabilizationSeconds": 7200}}},
        ("stabilizationSeconds", "3,600"),
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_wrong_values_are_refused_in_words_that_help(helm: Helm, case: str) -> None:
    values, words = REFUSED[case]
    said = helm.refusal(CHART, values)
    for word in words:
        assert word in said, said


def test_every_pattern_of_a_setting_is_said_in_words() -> None:
    """A schema would only show the expression; templates/_requirements.tpl says what to write."""
    words = (CHART / "templates" / "_requirements.tpl").read_text()
    for name, schema in FIELDS.items():
        if "pattern" in json.dumps(schema):
            assert f'"{name}"' in words or f"$settings.{name}" in words, name


def test_schema_knows_every_value_and_no_other() -> None:
    compare(VALUES, SCHEMA, "")


def compare(values: dict[str, Any], schema: dict[str, Any], where: str) -> None:
    described = schema["properties"]
    refused = {name for name, one in described.items() if "const" in one}
    assert set(described) - refused - {"global"} == set(values), where
    assert set(schema["propertyNames"]["enum"]) == set(described), where
    assert set(schema["required"]) == set(values), where  # none can be taken away by a null
    for name, value in values.items():
        if isinstance(value, dict) and "properties" in described[name]:
            compare(cast("dict[str, Any]", value), described[name], f"{where}/{name}")
