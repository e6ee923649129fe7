"""The gateway's chart, switch by switch: what it renders, and that Kubernetes would take it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

CHART = Path(__file__).parents[1] / "voice-workflow"
OVERLAYS = CHART / "overlays"
NAME = "voice-gateway-gateway"
LOCAL = "voice-gateway-local-stack"

# Everything that can be on at once, beside each of the three routes.
EVERYTHING: dict[str, Any] = {
    "commonLabels": {"team": "speech"},
    "podAnnotations": {"note": "x"},
    "podLabels": {"tier": "front"},
    "imagePullSecrets": [{"name": "regcred"}],
    "priorityClassName": "calls",
    "nodeSelector": {"disk": "fast"},
    "tolerations": [{"key": "voice", "operator": "Exists"}],
    "secrets": {"LLM_API_KEY": "k"},
    "secretKeys": {"RIVA_API_KEY": {"name": "ngc-api", "key": "NGC_API_KEY"}},
    "settings": {"RIVA_TLS": True, "MAX_CALLS": 100},
    "rivaCa": {"secretName": "riva-ca"},
    "extraEnv": [{"name": "TZ", "value": "UTC"}],
    "extraVolumes": [{"name": "logs", "emptyDir": {}}],
    "extraVolumeMounts": [{"name": "logs", "mountPath": "/logs"}],
    "extraObjects": [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "{{ .Release.Name }}-x"}}
    ],
    "autoscaling": {"enabled": True},
    "monitoring": {
        "serviceMonitor": {"enabled": True},
        "rules": {"enabled": True},
        "dashboard": {"enabled": True},
    },
    "networkPolicy": {
        "callersFrom": [{"namespaceSelector": {"matchLabels": {"role": "ingress"}}}],
        "httpFrom": [{"namespaceSelector": {"matchLabels": {"role": "monitoring"}}}],
        "upstreams": [{"namespaceSelector": {"matchLabels": {"role": "riva"}}}],
        "extraPorts": [9443],
    },
    "localStack": {
        "enabled": True,
        "extraEnv": [{"name": "PIP_INDEX_URL", "value": "https://mirror.example.org/simple"}],
        "cache": {"persistent": True, "storageClassName": "fast"},
    },
    "exposure": {
        "host": "voice.example.org",
        "tls": {"secretName": "voice-tls"},
        "nginx": {"enabled": True},
    },
}

PROFILES: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "defaults": ({}, ()),
    "gpu": ({}, ("gpu-cluster",)),
    "laptop": ({}, ("laptop-cluster",)),
    "hindi": ({}, ("gpu-cluster", "hindi")),
    "everything": (EVERYTHING, ()),
    "laptop, everything": (EVERYTHING, ("laptop-cluster",)),
}


def files(*overlays: str) -> tuple[str, ...]:
    return tuple(part for one in overlays for part in ("--values", str(OVERLAYS / f"{one}.yaml")))


@pytest.fixture(params=PROFILES)
def profile(request: pytest.FixtureRequest) -> tuple[dict[str, Any], tuple[str, ...]]:
    values, overlays = PROFILES[request.param]
    return values, files(*overlays)


def containers(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    return manifest["spec"]["template"]["spec"]["containers"]


class TestEveryProfile:
    def test_is_linted(self, helm, profile, tmp_path: Path):
        values, more = profile
        given = tmp_path / "values.yaml"
        given.write_text(yaml.safe_dump(values))
        done = helm.run("lint", "--strict", str(CHART), *more, "--values", str(given))
        assert done.returncode == 0, done.stdout + done.stderr

    def test_is_taken_by_three_versions_of_kubernetes(self, helm, profile, hold_to_schemas):
        values, more = profile
        own = [
            one
            for one in helm.template(CHART, values, *more)
            if "." not in one["apiVersion"].partition("/")[0]
            or one["apiVersion"].partition("/")[0].endswith(".k8s.io")
        ]
        hold_to_schemas(own)

    def test_is_restricted(self, helm, profile, hold_to_restricted: Callable[..., None]):
        values, more = profile
        hold_to_restricted(helm.template(CHART, values, *more))

    def test_stays_in_its_namespace_and_says_whose_it_is(self, helm, profile):
        values, more = profile
        for one in helm.template(CHART, values, *more):
            if one["metadata"]["name"].endswith("-x"):
                continue  # written by the user
            assert one["metadata"]["namespace"] == "voice-workflow", one
            labels = one["metadata"]["labels"]
            assert labels["app.kubernetes.io/instance"] == "voice-gateway"

    def test_names_every_port_and_its_protocol(self, helm, profile):
        values, more = profile
        for service in helm.template(CHART, values, *more).of("Service"):
            for port in service["spec"]["ports"]:
                assert {"name", "protocol"} <= set(port), service


def test_defaults_make_what_calls_need_and_nothing_else(helm):
    made = helm.template(CHART)
    assert made.kinds() == {
        "ConfigMap",
        "Deployment",
        "NetworkPolicy",
        "Pod",
        "PodDisruptionBudget",
        "Service",
        "ServiceAccount",
    }


def test_the_service_is_where_clients_look_for_it(helm):
    made = helm.template(CHART)
    ports = {port["name"]: port for port in made.one("Service", NAME)["spec"]["ports"]}
    assert ports["grpc"]["port"] == 50051
    assert ports["grpc"]["appProtocol"] == "kubernetes.io/h2c"
    assert ports["http"]["port"] == 8080
    headless = made.one("Service", f"{NAME}-headless")["spec"]
    assert headless["clusterIP"] == "None"
    assert [port["name"] for port in headless["ports"]] == ["grpc"]


def test_headless_service_can_be_left_out(helm):
    made = helm.template(CHART, {"service": {"headless": False}})
    assert [one["metadata"]["name"] for one in made.of("Service")] == [NAME]


def test_ports_follow_the_settings(helm):
    made = helm.template(CHART, {"settings": {"GRPC_PORT": 6000, "HTTP_PORT": 6001}})
    gateway = containers(made.one("Deployment", NAME))[0]
    assert [port["containerPort"] for port in gateway["ports"]] == [6000, 6001]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert gateway[probe]["grpc"]["port"] == 6000
    assert made.one("Service", NAME)["spec"]["ports"][0]["port"] == 50051


def test_readiness_asks_for_the_upstreams_and_liveness_does_not(helm):
    gateway = containers(helm.template(CHART).one("Deployment", NAME))[0]
    assert gateway["readinessProbe"]["grpc"]["service"] == "voice_workflow.VoiceGateway"
    assert "service" not in gateway["livenessProbe"]["grpc"]
    assert "service" not in gateway["startupProbe"]["grpc"]


def test_a_rollout_never_takes_a_pod_before_its_successor_is_ready(helm):
    rolling = helm.template(CHART).one("Deployment")["spec"]["strategy"]["rollingUpdate"]
    assert rolling == {"maxUnavailable": 0, "maxSurge": 1}


def test_a_pod_is_given_the_time_its_calls_may_take(helm):
    values = {
        "drain": {"endpointsSeconds": 7, "callsSeconds": 120},
        "settings": {"DRAIN_S": 4.5},
    }
    pod = helm.template(CHART, values).one("Deployment")["spec"]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] == 7 + 120 + 5 + 10
    command = pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"]
    assert "--first=7" in command
    assert "--most=120" in command
    assert "--metrics=http://127.0.0.1:8080/metrics" in command


def test_the_waiting_script_is_mounted_where_it_is_run(helm):
    made = helm.template(CHART)
    pod = made.one("Deployment")["spec"]["template"]["spec"]
    mounts = {one["name"]: one["mountPath"] for one in pod["containers"][0]["volumeMounts"]}
    volumes = {one["name"]: one for one in pod["volumes"]}
    config = made.one("ConfigMap", volumes["drain"]["configMap"]["name"])
    path = pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][1]
    assert path == f"{mounts['drain']}/wait_for_calls.py"
    written = config["data"]["wait_for_calls.py"]
    assert written.strip() == (CHART / "files" / "wait_for_calls.py").read_text().strip()


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ({}, "voice-gateway:0.1.0"),
        ({"tag": "1.2"}, "voice-gateway:1.2"),
        ({"registry": "r.example.org/a", "tag": "1"}, "r.example.org/a/voice-gateway:1"),
        ({"digest": "sha256:" + "a" * 64, "tag": "1"}, "voice-gateway@sha256:" + "a" * 64),
    ],
)
def test_image(helm, image, name):
    made = helm.template(CHART, {"image": image})
    assert containers(made.one("Deployment"))[0]["image"] == name
    assert made.one("Pod")["spec"]["containers"][0]["image"] == name


class TestSecrets:
    def test_none_without_one(self, helm):
        made = helm.template(CHART)
        assert not made.of("Secret")
        assert len(containers(made.one("Deployment"))[0]["envFrom"]) == 1

    def test_from_values(self, helm):
        made = helm.template(CHART, {"secrets": {"LLM_API_KEY": "abc"}})
        assert made.one("Secret")["data"] == {"LLM_API_KEY": "YWJj"}
        sources = containers(made.one("Deployment"))[0]["envFrom"]
        assert sources[1] == {"secretRef": {"name": NAME}}
        others = [one for one in made if one["kind"] != "Secret"]
        assert "abc" not in yaml.safe_dump_all(others).replace("sha256", "")

    def test_a_new_one_restarts_the_pods(self, helm):
        def checksum(key: str) -> str:
            made = helm.template(CHART, {"secrets": {"LLM_API_KEY": key}})
            return made.one("Deployment")["spec"]["template"]["metadata"]["annotations"][
                "checksum/secrets"
            ]

        assert checksum("a") != checksum("b")

    def test_of_the_users_own(self, helm):
        made = helm.template(CHART, {"existingSecret": "mine"})
        assert not made.of("Secret")
        sources = containers(made.one("Deployment"))[0]["envFrom"]
        assert sources[1] == {"secretRef": {"name": "mine"}}

    def test_one_key_of_another(self, helm):
        values = {"secretKeys": {"LLM_API_KEY": {"name": "ngc-api", "key": "NGC_API_KEY"}}}
        made = helm.template(CHART, values)
        (variable,) = containers(made.one("Deployment"))[0]["env"]
        assert variable == {
            "name": "LLM_API_KEY",
            "valueFrom": {"secretKeyRef": {"name": "ngc-api", "key": "NGC_API_KEY"}},
        }

    def test_authority_of_riva(self, helm):
        values = {"settings": {"RIVA_TLS": True}, "rivaCa": {"secretName": "ca", "key": "root.pem"}}
        made = helm.template(CHART, values)
        assert made.one("ConfigMap", NAME)["data"]["RIVA_TLS_CA"] == "/etc/voice/riva-ca/ca.crt"
        pod = made.one("Deployment")["spec"]["template"]["spec"]
        (volume,) = [one for one in pod["volumes"] if one["name"] == "riva-ca"]
        assert volume["secret"]["items"] == [{"key": "root.pem", "path": "ca.crt"}]
        assert "/etc/voice/riva-ca" in {
            one["mountPath"] for one in pod["containers"][0]["volumeMounts"]
        }


class TestLocalStack:
    def test_takes_the_place_of_riva_and_the_model(self, helm):
        made = helm.template(CHART, {"localStack": {"enabled": True, "llm": "smollm2"}})
        settings = made.one("ConfigMap", NAME)["data"]
        assert settings["RIVA_URI"] == f"{LOCAL}:50052"
        assert settings["LLM_BASE_URL"] == f"http://{LOCAL}:8000/v1"
        assert settings["LLM_MODEL"] == "smollm2"
        ports = {one["port"] for one in made.one("Service", LOCAL)["spec"]["ports"]}
        assert ports == {50052, 8000}

    def test_its_options_are_options_of_the_program(self, helm):
        from voice_local.__main__ import parse

        made = helm.template(CHART, {"localStack": {"enabled": True, "asr": "moonshine-base"}})
        options = parse(containers(made.one("Deployment", LOCAL))[0]["args"])
        assert (options.host, options.asr, options.llm) == (
            "0.0.0.0",
            "moonshine-base",
            "qwen-0.5b",
        )
        assert (options.riva_port, options.llm_port) == (50052, 8000)

    @pytest.mark.parametrize("field", ["llm", "asr"])
    def test_its_models_are_those_there_are(self, helm, field):
        from voice_local.catalogue import LANGUAGE_MODELS, RECOGNISERS

        known = LANGUAGE_MODELS if field == "llm" else RECOGNISERS
        for model in known:
            helm.template(CHART, {"localStack": {"enabled": True, field: model}})
        said = helm.refusal(CHART, {"localStack": {"enabled": True, field: "gpt"}})
        for model in known:
            assert model in said

    def test_offline_needs_no_network(self, helm):
        made = helm.template(CHART, {"localStack": {"enabled": True, "offline": True}})
        assert made.one("NetworkPolicy", LOCAL)["spec"]["egress"] == []
        assert "--offline" in containers(made.one("Deployment", LOCAL))[0]["args"]

    @pytest.mark.parametrize(
        ("cache", "volume", "claims"),
        [
            ({}, {"emptyDir": {"sizeLimit": "3Gi"}}, 0),
            ({"persistent": True}, {"persistentVolumeClaim": {"claimName": LOCAL}}, 1),
            ({"existingClaim": "mine"}, {"persistentVolumeClaim": {"claimName": "mine"}}, 0),
        ],
    )
    def test_cache(self, helm, cache, volume, claims):
        made = helm.template(CHART, {"localStack": {"enabled": True, "cache": cache}})
        pod = made.one("Deployment", LOCAL)["spec"]["template"]["spec"]
        assert {"name": "cache", **volume} in pod["volumes"]
        assert len(made.of("PersistentVolumeClaim")) == claims


class TestScaling:
    def test_leaves_the_number_of_pods_to_its_owner(self, helm):
        values = {"autoscaling": {"enabled": True, "metricsCollected": True}}
        made = helm.template(CHART, values)
        assert "replicas" not in made.one("Deployment")["spec"]
        assert helm.template(CHART).one("Deployment")["spec"]["replicas"] == 2

    def test_by_calls_and_slowly_down(self, helm):
        values = {"autoscaling": {"enabled": True, "metricsCollected": True, "callsPerPod": 30}}
        spec = helm.template(CHART, values).one("HorizontalPodAutoscaler")["spec"]
        assert spec["scaleTargetRef"]["name"] == NAME
        (metric,) = spec["metrics"]
        assert metric["pods"]["metric"]["name"] == "voice_calls_active"
        assert metric["pods"]["target"] == {"type": "AverageValue", "averageValue": "30"}
        down = spec["behavior"]["scaleDown"]
        assert down["stabilizationWindowSeconds"] == 900
        assert down["policies"] == [{"type": "Pods", "value": 1, "periodSeconds": 300}]

    def test_by_keda(self, helm):
        values = {
            "autoscaling": {
                "enabled": True,
                "metricsCollected": True,
                "engine": "keda",
                "keda": {"prometheusUrl": "http://prometheus:9090"},
            }
        }
        made = helm.template(CHART, values)
        assert not made.of("HorizontalPodAutoscaler")
        spec = made.one("ScaledObject")["spec"]
        (trigger,) = spec["triggers"]
        assert f'service="{NAME}"' in trigger["metadata"]["query"]
        assert trigger["metadata"]["threshold"] == "40"
        behaviour = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
        assert behaviour["scaleDown"]["stabilizationWindowSeconds"] == 900


class TestNetwork:
    def test_only_callers_come_in_and_only_upstreams_are_reached(self, helm):
        spec = helm.template(CHART).one("NetworkPolicy", NAME)["spec"]
        assert spec["policyTypes"] == ["Ingress", "Egress"]
        assert [rule["ports"][0]["port"] for rule in spec["ingress"]] == ["grpc"]
        assert out_ports(spec) == {53, 50051, 8000}

    @pytest.mark.parametrize(
        ("settings", "ports"),
        [
            ({"LLM_BASE_URL": "https://model.example.org/v1"}, {53, 50051, 443}),
            ({"LLM_BASE_URL": "http://model.example.org/v1"}, {53, 50051, 80}),
            ({"RIVA_ASR_URI": "asr:9001", "RIVA_TTS_URI": "[::1]:9002"}, None),
        ],
    )
    def test_ports_are_those_of_the_settings(self, helm, settings, ports):
        spec = helm.template(CHART, {"settings": settings}).one("NetworkPolicy", NAME)["spec"]
        assert out_ports(spec) == (ports or {53, 50051, 8000, 9001, 9002})

    def test_metrics_are_open_where_they_are_read(self, helm):
        made = helm.template(CHART, {"monitoring": {"serviceMonitor": {"enabled": True}}})
        rules = made.one("NetworkPolicy", NAME)["spec"]["ingress"]
        assert [rule["ports"][0]["port"] for rule in rules] == ["grpc", "http"]

    def test_the_test_may_call_where_callers_are_named(self, helm):
        callers = [{"namespaceSelector": {"matchLabels": {"role": "ingress"}}}]
        made = helm.template(CHART, {"networkPolicy": {"callersFrom": callers}})
        peers = made.one("NetworkPolicy", NAME)["spec"]["ingress"][0]["from"]
        labels = made.one("Pod")["metadata"]["labels"]
        assert peers[0] == callers[0]
        wanted = peers[1]["podSelector"]["matchLabels"]
        assert wanted.items() <= labels.items()

    def test_the_local_stack_answers_the_gateway_alone(self, helm):
        made = helm.template(CHART, {"localStack": {"enabled": True}})
        (rule,) = made.one("NetworkPolicy", LOCAL)["spec"]["ingress"]
        wanted = rule["from"][0]["podSelector"]["matchLabels"]
        gateway = made.one("Deployment", NAME)["spec"]["template"]["metadata"]["labels"]
        assert wanted.items() <= gateway.items()

    def test_the_test_reaches_the_gateway_alone(self, helm):
        made = helm.template(CHART, {"settings": {"GRPC_PORT": 6000}})
        spec = made.one("NetworkPolicy", f"{NAME}-conversation")["spec"]
        labels = made.one("Pod")["metadata"]["labels"]
        assert spec["podSelector"]["matchLabels"].items() <= labels.items()
        assert spec["ingress"] == []
        assert out_ports(spec) == {53, 6000}

    def test_can_be_left_out(self, helm):
        assert not helm.template(CHART, {"networkPolicy": {"enabled": False}}).of("NetworkPolicy")


def out_ports(spec: dict[str, Any]) -> set[int]:
    return {port["port"] for rule in spec["egress"] for port in rule["ports"]}


def test_selectors_find_the_pods_and_no_others(helm):
    made = helm.template(CHART, {"localStack": {"enabled": True}})
    for one in made.of("Service"):
        found = [
            pods["metadata"]["name"]
            for pods in made.of("Deployment")
            if one["spec"]["selector"].items()
            <= pods["spec"]["template"]["metadata"]["labels"].items()
        ]
        wanted = LOCAL if one["metadata"]["name"] == LOCAL else NAME
        assert found == [wanted]


def test_disruption_budget_lets_nodes_be_emptied(helm):
    spec = helm.template(CHART).one("PodDisruptionBudget")["spec"]
    assert spec["maxUnavailable"] == 1
    assert spec["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
    values = {"podDisruptionBudget": {"enabled": False}}
    assert not helm.template(CHART, values).of("PodDisruptionBudget")


class TestConversation:
    def test_is_a_spoken_turn(self, helm):
        pod = helm.template(CHART).one("Pod")
        caller = pod["spec"]["containers"][0]
        assert pod["metadata"]["annotations"]["helm.sh/hook"] == "test"
        assert caller["command"] == ["voice"]
        assert self.options(caller["args"]).files == ("@en_nlp_question",)
        assert self.options(caller["args"]).server == f"{NAME}:50051"

    def test_is_typed_where_there_is_no_recording(self, helm):
        caller = helm.template(CHART, {}, *files("hindi")).one("Pod")["spec"]["containers"][0]
        assert self.options(caller["args"]).texts[0].startswith("नमस्ते")

    def options(self, arguments: list[str]) -> Any:
        from voice_client.options import read_options

        return read_options(arguments)


def test_notes_say_how_to_call(helm):
    done = helm.run(
        *("install", "voice-gateway", str(CHART), "--namespace", "voice-workflow"),
        *("--dry-run=client", "--set", "exposure.host=v.example.org"),
        *("--set", "exposure.traefik.enabled=true,exposure.tls.secretName=t"),
    )
    assert done.returncode == 0, done.stderr
    notes = done.stdout.partition("NOTES:")[2]
    assert f"kubectl -n voice-workflow port-forward svc/{NAME} 50051:50051" in notes
    assert "ssh -L 50051:localhost:50051 USER@HOST" in notes
    assert "readTimeout=0" in notes
