"""The gateway's chart, switch by switch: what it renders, and that Kubernetes would take it."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes_rules import hold_to_restricted, hold_to_schemas
from rendered_charts import Helm, Manifest, Manifests
from voice_chart import CHART, LOCAL, NAME, PROFILES, Profile, containers, files


@pytest.fixture(params=PROFILES)
def profile(request: pytest.FixtureRequest) -> Profile:
    values, overlays = PROFILES[request.param]
    return values, files(*overlays)


class TestEveryProfile:
    def test_is_linted(self, helm: Helm, profile: Profile, tmp_path: Path) -> None:
        values, more = profile
        given = tmp_path / "values.yaml"
        given.write_text(yaml.safe_dump(values))
        done = helm.run("lint", "--strict", str(CHART), *more, "--values", str(given))
        assert done.returncode == 0, done.stdout + done.stderr

    def test_is_taken_by_three_versions_of_kubernetes(self, helm: Helm, profile: Profile) -> None:
        values, more = profile
        own = [
            one
            for one in helm.template(CHART, values, *more)
            if "." not in one["apiVersion"].partition("/")[0]
            or one["apiVersion"].partition("/")[0].endswith(".k8s.io")
        ]
        hold_to_schemas(own)

    def test_is_restricted(self, helm: Helm, profile: Profile) -> None:
        values, more = profile
        hold_to_restricted(helm.template(CHART, values, *more))

    def test_stays_in_its_namespace_and_says_whose_it_is(
        self, helm: Helm, profile: Profile
    ) -> None:
        values, more = profile
        for one in helm.template(CHART, values, *more):
            if one["metadata"]["name"].endswith("-x"):
                continue  # written by the user
            assert one["metadata"]["namespace"] == "voice-workflow", one
            labels = one["metadata"]["labels"]
            assert labels["app.kubernetes.io/instance"] == "voice-gateway"

    def test_names_every_port_and_its_protocol(self, helm: Helm, profile: Profile) -> None:
        values, more = profile
        for service in helm.template(CHART, values, *more).of("Service"):
            for port in service["spec"]["ports"]:
                assert {"name", "protocol"} <= set(port), service


def test_defaults_make_what_calls_need_and_nothing_else(helm: Helm) -> None:
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


def test_the_service_is_where_clients_look_for_it(helm: Helm) -> None:
    made = helm.template(CHART)
    ports = {port["name"]: port for port in made.one("Service", NAME)["spec"]["ports"]}
    assert ports["grpc"]["port"] == 50051
    assert ports["grpc"]["appProtocol"] == "kubernetes.io/h2c"
    assert ports["http"]["port"] == 8080
    headless = made.one("Service", f"{NAME}-headless")["spec"]
    assert headless["clusterIP"] == "None"
    assert [port["name"] for port in headless["ports"]] == ["grpc"]


def test_headless_service_can_be_left_out(helm: Helm) -> None:
    made = helm.template(CHART, {"service": {"headless": False}})
    assert [one["metadata"]["name"] for one in made.of("Service")] == [NAME]


PORTS = {"GRPC_PORT": 6000, "HTTP_PORT": 6001, "INTERNAL_PORT": 6002}


def test_ports_follow_the_settings(helm: Helm) -> None:
    made = helm.template(CHART, {"settings": PORTS})
    gateway = containers(made.one("Deployment", NAME))[0]
    assert [port["containerPort"] for port in gateway["ports"]] == [6000, 6001, 6002]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert gateway[probe]["grpc"]["port"] == 6000
    assert made.one("Service", NAME)["spec"]["ports"][0]["port"] == 50051


def test_readiness_asks_for_the_upstreams_and_liveness_does_not(helm: Helm) -> None:
    gateway = containers(helm.template(CHART).one("Deployment", NAME))[0]
    assert gateway["readinessProbe"]["grpc"]["service"] == "voice_workflow.VoiceGateway"
    assert "service" not in gateway["livenessProbe"]["grpc"]
    assert "service" not in gateway["startupProbe"]["grpc"]


def test_where_the_pods_speak_tls_the_cluster_asks_the_internal_port(helm: Helm) -> None:
    tls = {"secretName": "t", "clientCa": True, "clientCrl": True}
    values = {"settings": PORTS, "gatewayTls": tls}
    made = helm.template(CHART, values)
    gateway = containers(made.one("Deployment", NAME))[0]
    asked = [gateway[f"{each}Probe"]["httpGet"] for each in ("startup", "readiness", "liveness")]
    assert [each["path"] for each in asked] == ["/healthz", "/readyz", "/healthz"]
    assert {each["port"] for each in asked} == {"internal"}
    data = made.one("ConfigMap", NAME)["data"]
    named = [data[name] for name in ("TLS_CERT", "TLS_KEY", "TLS_CLIENT_CA", "TLS_CLIENT_CRL")]
    files = ("tls.crt", "tls.key", "ca.crt", "ca.crl")
    assert named == [f"/etc/voice/tls/{name}" for name in files]


def test_openshift_chooses_the_user(helm: Helm) -> None:
    made = helm.template(CHART, {"localStack": {"enabled": True}}, *files("openshift"))
    for name, spec in made.pods():
        security = spec["securityContext"]
        assert not {"runAsUser", "runAsGroup", "fsGroup"} & set(security), name
        assert security["runAsNonRoot"] is True, name


def test_a_page_that_is_let_out_is_known_by_its_name(helm: Helm) -> None:
    route = {"host": "v.example.org", "tls": {"secretName": "t"}, "traefik": {"enabled": True}}
    for web, wanted in ((True, "v.example.org"), (False, None)):
        made = helm.template(CHART, {"exposure": {**route, "web": web}})
        assert made.one("ConfigMap", NAME)["data"].get("HTTP_HOSTS") == wanted


def test_a_rollout_never_takes_a_pod_before_its_successor_is_ready(helm: Helm) -> None:
    rolling = helm.template(CHART).one("Deployment")["spec"]["strategy"]["rollingUpdate"]
    assert rolling == {"maxUnavailable": 0, "maxSurge": 1}


def test_a_pod_is_given_the_time_its_calls_may_take(helm: Helm) -> None:
    values = {
        "drain": {"endpointsSeconds": 7, "callsSeconds": 120},
        "settings": {"DRAIN_S": 4.5},
    }
    pod = helm.template(CHART, values).one("Deployment")["spec"]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] == 7 + 120 + 5 + 10
    command = pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"]
    assert "--first=7" in command
    assert "--most=120" in command
    assert "--metrics=http://127.0.0.1:8081/metrics" in command


def test_the_waiting_script_is_mounted_where_it_is_run(helm: Helm) -> None:
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
def test_image(helm: Helm, image: dict[str, str], name: str) -> None:
    made = helm.template(CHART, {"image": image})
    assert containers(made.one("Deployment"))[0]["image"] == name
    assert made.one("Pod")["spec"]["containers"][0]["image"] == name


def test_selectors_find_the_pods_and_no_others(helm: Helm) -> None:
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


class TestRecordings:
    def test_none_unless_asked_for(self, helm: Helm) -> None:
        made = helm.template(CHART)
        assert "RECORD_EVENTS_DIR" not in made.one("ConfigMap", NAME)["data"]
        assert self.volumes(made) == []

    @pytest.mark.parametrize(
        ("values", "volume"),
        [
            ({}, {"emptyDir": {"sizeLimit": "1Gi"}}),
            ({"size": "5Gi"}, {"emptyDir": {"sizeLimit": "5Gi"}}),
            ({"existingClaim": "calls"}, {"persistentVolumeClaim": {"claimName": "calls"}}),
        ],
    )
    def test_go_to_a_volume(
        self, helm: Helm, values: dict[str, str], volume: dict[str, Any]
    ) -> None:
        made = helm.template(CHART, {"recordings": {"enabled": True, **values}})
        assert self.volumes(made) == [{"name": "recordings", **volume}]
        mounts = containers(made.one("Deployment"))[0]["volumeMounts"]
        folder = made.one("ConfigMap", NAME)["data"]["RECORD_EVENTS_DIR"]
        assert {"name": "recordings", "mountPath": folder} in mounts

    def test_or_to_a_volume_of_the_users(self, helm: Helm) -> None:
        values: dict[str, Any] = {
            "settings": {"RECORD_EVENTS_DIR": "/calls/today"},
            "extraVolumes": [{"name": "x", "emptyDir": {}}],
            "extraVolumeMounts": [{"name": "x", "mountPath": "/calls"}],
        }
        made = helm.template(CHART, values)
        assert made.one("ConfigMap", NAME)["data"]["RECORD_EVENTS_DIR"] == "/calls/today"
        assert self.volumes(made) == []

    def volumes(self, made: Manifests) -> list[Manifest]:
        pod = made.one("Deployment")["spec"]["template"]["spec"]
        return [one for one in pod["volumes"] if one["name"] == "recordings"]


class TestConversation:
    def test_is_a_spoken_turn(self, helm: Helm) -> None:
        pod = helm.template(CHART).one("Pod")
        caller = pod["spec"]["containers"][0]
        assert pod["metadata"]["annotations"]["helm.sh/hook"] == "test"
        assert caller["command"] == ["voice"]
        assert self.options(caller["args"]).files == ("@en_nlp_question",)
        assert self.options(caller["args"]).server == f"{NAME}:50051"

    def test_is_typed_where_there_is_no_recording(self, helm: Helm) -> None:
        caller = helm.template(CHART, {}, *files("hindi")).one("Pod")["spec"]["containers"][0]
        assert self.options(caller["args"]).texts[0].startswith("नमस्ते")

    def options(self, arguments: list[str]) -> Any:
        from voice_client.options import read_options

        return read_options(arguments)


def test_notes_say_how_to_call(helm: Helm) -> None:
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
