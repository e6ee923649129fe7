"""Riva's chart in both modes: what it renders, and that Kubernetes would take it."""

import copy
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes_rules import hold_to_restricted, hold_to_schemas
from rendered_charts import Helm
from riva_chart import (
    CHART,
    FIRST_VERSION,
    HINDI,
    INFRA_VALUES,
    NIM,
    NVIDIA_2_17,
    PROFILES,
    RIVA,
    Rendered,
)


def container(manifests: Any, deployment: str, init: bool = False) -> dict[str, Any]:
    spec = manifests.one("Deployment", deployment)["spec"]["template"]["spec"]
    return spec["initContainers" if init else "containers"][0]


def ports(manifests: Any, service: str) -> dict[str, int]:
    return {one["name"]: one["port"] for one in manifests.one("Service", service)["spec"]["ports"]}


@pytest.mark.parametrize("values", PROFILES.values(), ids=PROFILES)
def test_lint_and_schemas_of_three_versions(
    values: dict[str, Any],
    helm: Helm,
    riva: Rendered,
    tmp_path: Path,
) -> None:
    given = tmp_path / "values.yaml"
    given.write_text(yaml.safe_dump(values))
    linted = helm.run("lint", "--strict", str(CHART), "--values", str(given))
    assert linted.returncode == 0, linted.stdout + linted.stderr
    hold_to_schemas(riva(values))


@pytest.mark.parametrize("mode", ["riva", "nim"])
def test_every_pod_holds_to_restricted(mode: str, riva: Rendered) -> None:
    manifests = copy.deepcopy(riva({"mode": mode}))
    for _, spec in manifests.pods():
        for one in [*spec.get("initContainers", []), *spec["containers"]]:
            # NVIDIA's own images write beside their programs; the standard lets them.
            if "nvcr.io" in one["image"]:
                one["securityContext"]["readOnlyRootFilesystem"] = True
    hold_to_restricted(manifests)


class TestClassicRiva:
    def test_models_are_built_before_the_server_starts(self, riva: Rendered) -> None:
        init = container(riva(), "riva-api", init=True)
        assert init["image"] == "nvcr.io/nvidia/riva/riva-speech:2.19.0"
        assert init["command"][:2] == ["/bin/bash", "-c"]
        assert init["command"][-1] == "download_and_deploy_ngc_models"
        assert init["args"] == [
            "nvidia/riva/rmir_asr_parakeet_0-6b_en_us_str_thr:2.19.0",
            "nvidia/riva/rmir_nlp_punctuation_bert_base_en_us:2.19.0",
            "nvidia/riva/rmir_tts_fastpitch_hifigan_en_us_ipa:2.19.0",
        ]
        secrets = {
            one["name"]: one["valueFrom"]["secretKeyRef"]
            for one in init["env"]
            if "valueFrom" in one
        }
        assert secrets == {
            "NGC_CLI_API_KEY": {"name": "modelpullsecret", "key": "apikey"},
            "MODEL_DEPLOY_KEY": {"name": "riva-model-deploy-key", "key": "key"},
        }

    def test_probes_ask_triton_and_the_speech_api(self, riva: Rendered) -> None:
        server = container(riva(), "riva-api")
        assert server["startupProbe"]["httpGet"] == {"path": "/v2/health/ready", "port": "http"}
        assert server["startupProbe"]["failureThreshold"] == 180
        assert server["readinessProbe"]["grpc"] == {"port": 50051}
        assert server["livenessProbe"]["httpGet"]["path"] == "/v2/health/live"

    def test_services_carry_nvidias_names_and_ports(self, riva: Rendered) -> None:
        manifests = riva()
        assert ports(manifests, "riva-api") == {
            "riva-speech": 50051,
            "triton-http": 8000,
            "triton-grpc": 8001,
            "triton-metrics": 8002,
        }
        assert ports(manifests, "riva-api-asr") == ports(manifests, "riva-api-tts")

    def test_claim_is_on_local_storage_and_outlives_the_release(self, riva: Rendered) -> None:
        claim = riva().one("PersistentVolumeClaim", "riva-workdir-pvc")
        assert claim["spec"]["storageClassName"] == "local-storage"
        assert claim["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}

    def test_infrastructures_values_use_the_claim_that_is_there(self, riva: Rendered) -> None:
        for mode in ("riva", "nim"):
            manifests = riva({"mode": mode}, "--values", str(INFRA_VALUES))
            assert "PersistentVolumeClaim" not in manifests.kinds()

    def test_services_switch_the_servers_flags(self, riva: Rendered) -> None:
        server = container(riva({"riva": {"speechServices": {"nlp": False}}}), "riva-api")
        assert server["args"] == [
            "--asr_service=true",
            "--nlp_service=false",
            "--nmt_service=false",
            "--tts_service=true",
        ]

    def test_visible_gpus_stand_in_for_a_gpu_limit(self, riva: Rendered) -> None:
        server = container(riva({"riva": {"visibleGpus": "all"}}), "riva-api")
        assert "nvidia.com/gpu" not in server["resources"]["limits"]
        assert server["env"] == [{"name": "NVIDIA_VISIBLE_DEVICES", "value": "all"}]
        assert container(riva(), "riva-api")["resources"]["limits"]["nvidia.com/gpu"] == 1

    def test_models_at_the_top_as_in_older_values_files(self, riva: Rendered) -> None:
        groups = {
            "asr": {"enabled": True, "models": ["nvidia/riva/a#0,1", "nvidia/riva/b:2.18.0"]},
            "nlp": {"enabled": False, "models": ["nvidia/riva/c"]},
            "tts": {"models": ["org/d"]},
        }
        init = container(riva({"ngcModelConfigs": groups}), "riva-api", init=True)
        assert init["args"] == [
            "nvidia/riva/a:2.19.0#0,1",
            "nvidia/riva/b:2.18.0",
            "org/d:2.19.0",
        ]

    def test_flags_that_fetch_and_build_again(self, riva: Rendered) -> None:
        init = container(riva(PROFILES["riva, everything"]), "riva-api", init=True)
        assert init["args"][:2] == ["-d", "-x"]

    def test_builder_had_an_image_of_its_own_until_2_16(self, riva: Rendered) -> None:
        old = {"riva_ngc_image_version": "2.16.0"}
        assert container(riva(old), "riva-api", init=True)["image"].endswith("2.16.0-servicemaker")
        own = {"rawServerImage": "reg.example.org/riva@sha256:" + "0" * 64}
        for init in (True, False):
            assert container(riva(own), "riva-api", init)["image"] == own["rawServerImage"]

    def test_name_follows_the_release_as_nvidias_does(self, riva: Rendered) -> None:
        manifests = riva(release="speech")
        assert manifests.one("Deployment")["metadata"]["name"] == "speech-riva-api"

    def test_an_upgrade_of_the_chart_alone_starts_no_pod_again(self, riva: Rendered) -> None:
        for values in (RIVA, NIM):
            for deployment in riva(values).of("Deployment"):
                labels = deployment["spec"]["template"]["metadata"]["labels"]
                assert labels == deployment["spec"]["selector"]["matchLabels"]


BUILT_2_17 = [
    "nvidia/riva/rmir_asr_parakeet_0-6b_en_us_str_thr:2.17.0",
    "nvidia/riva/rmir_nlp_punctuation_bert_base_en_us:2.17.0",
    "nvidia/riva/rmir_tts_fastpitch_hifigan_en_us_ipa:2.17.0",
]


class TestValuesOfOthers:
    def test_nvidias_own(self, riva: Rendered) -> None:
        made = riva(NVIDIA_2_17)
        init = container(made, "riva-api", init=True)
        assert init["image"] == "nvcr.io/nvidia/riva/riva-speech:2.17.0"
        assert init["args"] == BUILT_2_17
        server = container(made, "riva-api")
        assert server["startupProbe"]["failureThreshold"] == 360  # tritonTimeoutSeconds
        volumes = made.one("Deployment")["spec"]["template"]["spec"]["volumes"]
        assert volumes[0]["hostPath"]["path"] == "/data/riva"

    def test_the_first_versions(self, riva: Rendered) -> None:
        made = riva(FIRST_VERSION)
        assert container(made, "riva-api", init=True)["args"] == [BUILT_2_17[0], BUILT_2_17[2]]
        assert container(made, "riva-api")["resources"]["limits"]["nvidia.com/gpu"] == 1
        claim = made.one("PersistentVolumeClaim")["spec"]
        assert claim["resources"]["requests"]["storage"] == "50Gi"

    def test_their_claim_by_their_class(self, riva: Rendered) -> None:
        pvc = {**NVIDIA_2_17["persistentVolumeClaim"], "usePVC": True}
        claim = riva({**NVIDIA_2_17, "persistentVolumeClaim": pvc}).one("PersistentVolumeClaim")
        assert "storageClassName" not in claim["spec"]  # the cluster's own
        assert claim["spec"]["accessModes"] == ["ReadWriteOnce"]

    def test_images_by_another_registry(self, riva: Rendered) -> None:
        init = container(riva({"imageurl": "reg.example.org/nv"}), "riva-api", init=True)
        assert init["image"].startswith("reg.example.org/nv/nvidia/riva/riva-speech:")

    def test_our_own_models_are_those_that_theirs_replace(self, riva: Rendered) -> None:
        values = yaml.safe_load((CHART / "values.yaml").read_text())["modelRepoGenerator"]
        own = values["ngcModelConfigs"]["tritonGroup0"]["models"]
        assert (
            json.dumps(own, separators=(",", ":"))
            in (CHART / "templates" / "_helpers.tpl").read_text()
        )


class TestSpeechNims:
    def test_a_nim_each_behind_the_same_names(self, riva: Rendered) -> None:
        classic, nims = riva(), riva(NIM)
        names = {one["metadata"]["name"] for one in classic.of("Service")}
        assert names == {one["metadata"]["name"] for one in nims.of("Service")}
        for name in names:
            assert ports(nims, name)["riva-speech"] == ports(classic, name)["riva-speech"] == 50051
        assert ports(nims, "riva-api")["triton-http"] == 8000

    @pytest.mark.parametrize(
        ("half", "image", "claim"),
        [
            ("asr", "nvcr.io/nim/nvidia/parakeet-1-1b-ctc-en-us:1.5.0", "asr-nim-cache"),
            ("tts", "nvcr.io/nim/nvidia/magpie-tts-multilingual:1.9.0", "tts-nim-cache"),
        ],
    )
    def test_each_nim(self, half: str, image: str, claim: str, riva: Rendered) -> None:
        manifests = riva(NIM)
        nim = container(manifests, f"riva-api-{half}")
        assert nim["image"] == image
        assert nim["resources"]["limits"]["nvidia.com/gpu"] == 1
        env = {one["name"]: one.get("value") for one in nim["env"]}
        assert env["NIM_HTTP_API_PORT"] == "9000"
        assert env["NIM_GRPC_API_PORT"] == "50051"
        assert nim["env"][0]["valueFrom"]["secretKeyRef"] == {
            "name": "ngc-api",
            "key": "NGC_API_KEY",
        }
        assert nim["readinessProbe"]["httpGet"] == {"path": "/v1/health/ready", "port": "http"}
        assert nim["livenessProbe"]["httpGet"]["path"] == "/v1/health/live"
        assert nim["startupProbe"]["failureThreshold"] == 360
        assert nim["volumeMounts"][0]["mountPath"] == "/opt/nim/.cache"
        spec = manifests.one("Deployment", f"riva-api-{half}")["spec"]["template"]["spec"]
        assert spec["volumes"][0]["persistentVolumeClaim"] == {"claimName": claim}
        assert spec["imagePullSecrets"] == [{"name": "imagepullsecret"}]

    def test_one_half_alone(self, riva: Rendered) -> None:
        manifests = riva(PROFILES["nim, recognition alone"])
        names = {one["metadata"]["name"] for one in manifests.of("Deployment")}
        assert names == {"riva-api-asr", "riva-api-router"}
        conf = manifests.one("ConfigMap", "riva-api-router")["data"]["nginx.conf"]
        assert "riva-api-tts" not in conf
        assert "Pod" not in manifests.kinds()  # nothing to test a round trip with

    def test_without_the_router_each_half_has_its_own_address(self, riva: Rendered) -> None:
        manifests = riva(PROFILES["nim, no router"])
        names = {one["metadata"]["name"] for one in manifests.of("Service")}
        assert names == {"riva-api-asr", "riva-api-tts"}

    def test_a_changed_route_starts_the_router_again(self, riva: Rendered) -> None:
        def checksum(values: dict[str, Any]) -> str:
            template = riva(values).one("Deployment", "riva-api-router")["spec"]["template"]
            return template["metadata"]["annotations"]["checksum/config"]

        slower = {**NIM, "speechNim": {"router": {"idleTimeoutSeconds": 7200}}}
        assert checksum(NIM) != checksum(slower)

    def test_hindi(self, riva: Rendered) -> None:
        manifests = riva(HINDI)
        asr = container(manifests, "riva-api-asr")
        assert asr["image"] == "nvcr.io/nim/nvidia/parakeet-1-1b-rnnt-multilingual:1.5.0"
        arguments = manifests.one("Pod", "riva-api-test")["spec"]["containers"][0]["args"]
        assert "--language=hi-IN" in arguments
        assert "--sentence=आज मौसम बहुत अच्छा है" in arguments


class TestRouter:
    def spec(self, riva: Rendered, **router: Any) -> dict[str, Any]:
        values = {**NIM, "speechNim": {"router": router}}
        return riva(values).one("Deployment", "riva-api-router")["spec"]

    def test_streams_are_given_as_long_as_calls_take(self, riva: Rendered) -> None:
        longest = yaml.safe_load((CHART.parent / "voice-workflow" / "values.yaml").read_text())
        pod = self.spec(riva)["template"]["spec"]
        assert pod["terminationGracePeriodSeconds"] >= longest["settings"]["CALL_MAX_S"] + 10
        assert pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"] == ["sleep", "10"]
        shorter = self.spec(riva, drainSeconds=60)["template"]["spec"]
        assert shorter["terminationGracePeriodSeconds"] == 80

    def test_one_leaves_at_a_time(self, riva: Rendered) -> None:
        assert self.spec(riva)["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
        manifests = riva(NIM)
        budget = manifests.one("PodDisruptionBudget", "riva-api-router")["spec"]
        assert budget["maxUnavailable"] == 1
        labels = self.spec(riva)["template"]["metadata"]["labels"]
        assert budget["selector"]["matchLabels"] == labels

    def test_nginx_is_of_the_line_that_gets_fixes(self, riva: Rendered) -> None:
        image = self.spec(riva)["template"]["spec"]["containers"][0]["image"]
        assert image == "docker.io/nginxinc/nginx-unprivileged:1.30-alpine"


GPUS = {"resources": {"limits": {"nvidia.com/mig-3g.40gb": 1}}, "riva": {"numGpus": 0}}


class TestPlacement:
    @pytest.mark.parametrize("mode", ["riva", "nim"])
    def test_every_pod_may_pull_its_image(self, mode: str, riva: Rendered) -> None:
        manifests = riva({"mode": mode, "imagePullSecrets": [{"name": "mirror"}]})
        for name, spec in manifests.pods():
            secrets = [one["name"] for one in spec["imagePullSecrets"]]
            assert secrets == ["imagepullsecret", "mirror"], name

    def test_a_gpu_by_another_name(self, riva: Rendered) -> None:
        for values, deployments in ((RIVA, ["riva-api"]), (NIM, ["riva-api-asr", "riva-api-tts"])):
            manifests = riva({**values, "gpuResource": "nvidia.com/gpu.shared"})
            for name in deployments:
                limits = container(manifests, name)["resources"]["limits"]
                assert limits["nvidia.com/gpu.shared"] == 1
                assert "nvidia.com/gpu" not in limits

    def test_a_gpu_that_the_limits_name_stands_alone(self, riva: Rendered) -> None:
        limits = container(riva(GPUS), "riva-api")["resources"]["limits"]
        assert [name for name in limits if "/" in name] == ["nvidia.com/mig-3g.40gb"]

    def test_openshift_chooses_the_user(self, riva: Rendered) -> None:
        overlay = str(CHART / "overlays" / "openshift.yaml")
        for values in (RIVA, NIM):
            for name, spec in riva(values, "--values", overlay).pods():
                security = spec["securityContext"]
                assert not {"runAsUser", "runAsGroup", "fsGroup"} & set(security), name
                assert security["runAsNonRoot"] is True, name


class TestOpenFiles:
    def test_are_the_nodes_own_unless_asked_for(self, riva: Rendered) -> None:
        assert "command" not in container(riva(NIM), "riva-api-asr")

    def test_are_raised_before_the_image_starts_as_ever(self, riva: Rendered) -> None:
        start = ["python3", "-c", "import resource as r; print(r.getrlimit(r.RLIMIT_NOFILE)[0])"]
        for half in ("asr", "tts"):
            nims = {"openFiles": 512, "startCommand": start}
            nim = container(riva({**NIM, "speechNim": nims}), f"riva-api-{half}")
            command = [*nim["command"], *nim["args"]]
            done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
            assert done.stdout == "512\n"


class TestNetwork:
    def policies(self, riva: Rendered, values: dict[str, Any]) -> dict[str, Any]:
        made = riva(values)
        found = {one["metadata"]["name"]: one["spec"] for one in made.of("NetworkPolicy")}
        for name, spec in found.items():
            wanted = spec["podSelector"]["matchLabels"]
            pod = made.one("Deployment", name)["spec"]["template"]
            assert wanted.items() <= pod["metadata"]["labels"].items()
            listens = {port["name"] for one in pod["spec"]["containers"] for port in one["ports"]}
            let_in = {port["port"] for rule in spec["ingress"] for port in rule["ports"]}
            assert let_in == listens
        return found

    def test_each_pod_answers_on_its_ports_alone(self, riva: Rendered) -> None:
        assert set(self.policies(riva, RIVA)) == {"riva-api"}
        nims = self.policies(riva, NIM)
        assert set(nims) == {"riva-api-asr", "riva-api-tts", "riva-api-router"}
        for spec in nims.values():
            assert spec["policyTypes"] == ["Ingress"]
            assert not [rule for rule in spec["ingress"] if "from" in rule]

    def test_who_may_call_the_router_may_and_the_test_may(self, riva: Rendered) -> None:
        peer = {"namespaceSelector": {"matchLabels": {"role": "voice"}}}
        made = riva({**NIM, "networkPolicy": {"callersFrom": [peer]}})
        speech, http = made.one("NetworkPolicy", "riva-api-asr")["spec"]["ingress"]
        assert speech["from"][0] == peer
        own = speech["from"][1]["podSelector"]["matchLabels"]
        router = made.one("Deployment", "riva-api-router")["spec"]["template"]["metadata"]
        for labels in (router["labels"], made.one("Pod", "riva-api-test")["metadata"]["labels"]):
            assert own.items() <= labels.items()
        assert "from" not in http

    def test_can_be_left_out(self, riva: Rendered) -> None:
        off = {"networkPolicy": {"enabled": False}}
        assert "NetworkPolicy" not in riva(off).kinds()


class TestSecretsAndMonitoring:
    def test_no_secret_is_made_unless_asked_for(self, riva: Rendered) -> None:
        assert "Secret" not in riva().kinds() | riva(NIM).kinds()

    def test_secrets_made_of_ngc_credentials(self, riva: Rendered) -> None:
        secrets = {
            one["metadata"]["name"]: list(one["data"])
            for one in riva(PROFILES["riva, everything"]).of("Secret")
        }
        assert secrets == {
            "modelpullsecret": ["apikey"],
            "imagepullsecret": [".dockerconfigjson"],
            "ngc-api": ["NGC_API_KEY"],
            "riva-model-deploy-key": ["key"],
        }

    @pytest.mark.parametrize(
        ("mode", "port", "path"),
        [("riva", "triton-metrics", "/metrics"), ("nim", "nim-http", "/v1/metrics")],
    )
    def test_service_monitor(self, mode: str, port: str, path: str, riva: Rendered) -> None:
        monitor = riva(
            {"mode": mode, "metrics": {"serviceMonitor": {"enabled": True}}},
            *("--api-versions", "monitoring.coreos.com/v1"),
        ).one("ServiceMonitor")
        endpoint = monitor["spec"]["endpoints"][0]
        assert (endpoint["port"], endpoint["path"]) == (port, path)
