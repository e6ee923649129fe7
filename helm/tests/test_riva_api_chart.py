"""Riva's chart in both modes: what it renders, what it refuses, and that its two programs work."""

import copy
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
import yaml
from aiohttp import ClientSession, UnixConnector, web

CHART = Path(__file__).parents[1] / "riva-api"
INFRA_VALUES = CHART.parents[1] / "k8s" / "infra" / "riva-values.yaml"
RIVA: dict[str, Any] = {}
NIM: dict[str, Any] = {"mode": "nim"}
KEY = "bnZhcGktdGVzdA=="  # nvapi-test

HINDI = yaml.safe_load((CHART / "overlays" / "hindi.yaml").read_text())
PROFILES: dict[str, dict[str, Any]] = {
    "hindi": HINDI,
    "riva": RIVA,
    "nim": NIM,
    "riva, everything": {
        "commonLabels": {"team": "speech"},
        "podAnnotations": {"note": "x"},
        "nodeSelector": {"disk": "fast"},
        "priorityClassName": "calls",
        "runtimeClassName": "nvidia",
        "service": {"type": "NodePort", "enableHeadlessService": True, "annotations": {"a": "b"}},
        "riva": {"visibleGpus": "0,1", "speechServices": {"nmt": True}},
        "modelRepoGenerator": {
            "overwriteRMIRS": True,
            "overwriteModels": True,
            "modelDeployKey": KEY,
        },
        "ngcCredentials": {"password": KEY, "email": "ops@example.org"},
        "secrets": {"create": True},
    },
    "riva, a host's folder": {"persistentVolumeClaim": {"usePVC": False}},
    "nim, everything": {
        **NIM,
        "service": {"type": "LoadBalancer", "enableHeadlessService": True},
        "ngcCredentials": {"password": KEY},
        "secrets": {"create": True},
        "speechNim": {
            "asr": {"envVars": {"NIM_LOG_LEVEL": "INFO"}, "replicaCount": 2},
            "tts": {"persistence": {"enabled": False}},
        },
    },
    "nim, recognition alone": {**NIM, "speechNim": {"tts": {"enabled": False}}},
    "nim, no router": {**NIM, "speechNim": {"router": {"enabled": False}}},
}


@pytest.fixture(scope="module")
def riva(helm: Any) -> Callable[..., Any]:
    def rendered(values: Mapping[str, Any] | None = None, *more: str, release: str = "riva-api"):
        return helm.template(CHART, values, *more, release=release)

    return rendered


@pytest.fixture(scope="module")
def refused(helm: Any) -> Callable[..., str]:
    def said(values: Mapping[str, Any], *more: str) -> str:
        return helm.refusal(CHART, values, *more, release="riva-api")

    return said


def container(manifests: Any, deployment: str, init: bool = False) -> dict[str, Any]:
    spec = manifests.one("Deployment", deployment)["spec"]["template"]["spec"]
    return spec["initContainers" if init else "containers"][0]


def ports(manifests: Any, service: str) -> dict[str, int]:
    return {one["name"]: one["port"] for one in manifests.one("Service", service)["spec"]["ports"]}


@pytest.mark.parametrize("values", PROFILES.values(), ids=PROFILES)
def test_lint_and_schemas_of_three_versions(
    values: dict[str, Any],
    helm: Any,
    riva: Callable[..., Any],
    hold_to_schemas: Callable[..., None],
    tmp_path: Path,
) -> None:
    given = tmp_path / "values.yaml"
    given.write_text(yaml.safe_dump(values))
    linted = helm.run("lint", "--strict", str(CHART), "--values", str(given))
    assert linted.returncode == 0, linted.stdout + linted.stderr
    hold_to_schemas(riva(values))


@pytest.mark.parametrize("mode", ["riva", "nim"])
def test_every_pod_holds_to_restricted(
    mode: str, riva: Callable[..., Any], hold_to_restricted: Callable[..., None]
) -> None:
    manifests = copy.deepcopy(riva({"mode": mode}))
    for _, spec in manifests.pods():
        for one in [*spec.get("initContainers", []), *spec["containers"]]:
            # NVIDIA's own images write beside their programs; the standard lets them.
            if "nvcr.io" in one["image"]:
                one["securityContext"]["readOnlyRootFilesystem"] = True
    hold_to_restricted(manifests)


class TestClassicRiva:
    def test_models_are_built_before_the_server_starts(self, riva: Callable[..., Any]) -> None:
        init = container(riva(), "riva-api", init=True)
        assert init["image"] == "nvcr.io/nvidia/riva/riva-speech:2.19.0"
        assert init["command"] == ["download_and_deploy_ngc_models"]
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

    def test_probes_ask_triton_and_the_speech_api(self, riva: Callable[..., Any]) -> None:
        server = container(riva(), "riva-api")
        assert server["startupProbe"]["httpGet"] == {"path": "/v2/health/ready", "port": "http"}
        assert server["startupProbe"]["failureThreshold"] == 180
        assert server["readinessProbe"]["grpc"] == {"port": 50051}
        assert server["livenessProbe"]["httpGet"]["path"] == "/v2/health/live"

    def test_services_carry_nvidias_names_and_ports(self, riva: Callable[..., Any]) -> None:
        manifests = riva()
        assert ports(manifests, "riva-api") == {
            "riva-speech": 50051,
            "triton-http": 8000,
            "triton-grpc": 8001,
            "triton-metrics": 8002,
        }
        assert ports(manifests, "riva-api-asr") == ports(manifests, "riva-api-tts")

    def test_claim_is_on_local_storage_and_outlives_the_release(
        self, riva: Callable[..., Any]
    ) -> None:
        claim = riva().one("PersistentVolumeClaim", "riva-workdir-pvc")
        assert claim["spec"]["storageClassName"] == "local-storage"
        assert claim["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}

    def test_infrastructures_values_use_the_claim_that_is_there(
        self, riva: Callable[..., Any]
    ) -> None:
        for mode in ("riva", "nim"):
            manifests = riva({"mode": mode}, "--values", str(INFRA_VALUES))
            assert "PersistentVolumeClaim" not in manifests.kinds()

    def test_services_switch_the_servers_flags(self, riva: Callable[..., Any]) -> None:
        server = container(riva({"riva": {"speechServices": {"nlp": False}}}), "riva-api")
        assert server["args"] == [
            "--asr_service=true",
            "--nlp_service=false",
            "--nmt_service=false",
            "--tts_service=true",
        ]

    def test_visible_gpus_stand_in_for_a_gpu_limit(self, riva: Callable[..., Any]) -> None:
        server = container(riva({"riva": {"visibleGpus": "all"}}), "riva-api")
        assert "nvidia.com/gpu" not in server["resources"]["limits"]
        assert server["env"] == [{"name": "NVIDIA_VISIBLE_DEVICES", "value": "all"}]
        assert container(riva(), "riva-api")["resources"]["limits"]["nvidia.com/gpu"] == 1

    def test_models_at_the_top_as_in_older_values_files(self, riva: Callable[..., Any]) -> None:
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

    def test_flags_that_fetch_and_build_again(self, riva: Callable[..., Any]) -> None:
        init = container(riva(PROFILES["riva, everything"]), "riva-api", init=True)
        assert init["args"][:2] == ["-d", "-x"]

    def test_builder_had_an_image_of_its_own_until_2_16(self, riva: Callable[..., Any]) -> None:
        old = {"riva_ngc_image_version": "2.16.0"}
        assert container(riva(old), "riva-api", init=True)["image"].endswith("2.16.0-servicemaker")
        own = {"rawServerImage": "reg.example.org/riva@sha256:" + "0" * 64}
        for init in (True, False):
            assert container(riva(own), "riva-api", init)["image"] == own["rawServerImage"]

    def test_name_follows_the_release_as_nvidias_does(self, riva: Callable[..., Any]) -> None:
        manifests = riva(release="speech")
        assert manifests.one("Deployment")["metadata"]["name"] == "speech-riva-api"

    def test_an_upgrade_of_the_chart_alone_starts_no_pod_again(
        self, riva: Callable[..., Any]
    ) -> None:
        for values in (RIVA, NIM):
            for deployment in riva(values).of("Deployment"):
                labels = deployment["spec"]["template"]["metadata"]["labels"]
                assert labels == deployment["spec"]["selector"]["matchLabels"]


class TestSpeechNims:
    def test_a_nim_each_behind_the_same_names(self, riva: Callable[..., Any]) -> None:
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
    def test_each_nim(self, half: str, image: str, claim: str, riva: Callable[..., Any]) -> None:
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

    def test_one_half_alone(self, riva: Callable[..., Any]) -> None:
        manifests = riva(PROFILES["nim, recognition alone"])
        names = {one["metadata"]["name"] for one in manifests.of("Deployment")}
        assert names == {"riva-api-asr", "riva-api-router"}
        conf = manifests.one("ConfigMap", "riva-api-router")["data"]["nginx.conf"]
        assert "riva-api-tts" not in conf
        assert "Pod" not in manifests.kinds()  # nothing to test a round trip with

    def test_without_the_router_each_half_has_its_own_address(
        self, riva: Callable[..., Any]
    ) -> None:
        manifests = riva(PROFILES["nim, no router"])
        names = {one["metadata"]["name"] for one in manifests.of("Service")}
        assert names == {"riva-api-asr", "riva-api-tts"}

    def test_a_changed_route_starts_the_router_again(self, riva: Callable[..., Any]) -> None:
        def checksum(values: dict[str, Any]) -> str:
            template = riva(values).one("Deployment", "riva-api-router")["spec"]["template"]
            return template["metadata"]["annotations"]["checksum/config"]

        slower = {**NIM, "speechNim": {"router": {"idleTimeoutSeconds": 7200}}}
        assert checksum(NIM) != checksum(slower)

    def test_hindi(self, riva: Callable[..., Any]) -> None:
        manifests = riva(HINDI)
        asr = container(manifests, "riva-api-asr")
        assert asr["image"] == "nvcr.io/nim/nvidia/parakeet-1-1b-rnnt-multilingual:1.5.0"
        arguments = manifests.one("Pod", "riva-api-test")["spec"]["containers"][0]["args"]
        assert "--language=hi-IN" in arguments
        assert "--sentence=आज मौसम बहुत अच्छा है" in arguments


class TestSecretsAndMonitoring:
    def test_no_secret_is_made_unless_asked_for(self, riva: Callable[..., Any]) -> None:
        assert "Secret" not in riva().kinds() | riva(NIM).kinds()

    def test_secrets_made_of_ngc_credentials(self, riva: Callable[..., Any]) -> None:
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
    def test_service_monitor(
        self, mode: str, port: str, path: str, riva: Callable[..., Any]
    ) -> None:
        monitor = riva(
            {"mode": mode, "metrics": {"serviceMonitor": {"enabled": True}}},
            *("--api-versions", "monitoring.coreos.com/v1"),
        ).one("ServiceMonitor")
        endpoint = monitor["spec"]["endpoints"][0]
        assert (endpoint["port"], endpoint["path"]) == (port, path)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "unknown key": ({"rivaServer": 1}, "additional properties 'rivaServer' not allowed"),
    "unknown key within": ({"riva": {"gpus": 1}}, "'gpus' not allowed"),
    "mode": ({"mode": "operator"}, "/mode"),
    "replicas": ({"replicaCount": -1}, "/replicaCount"),
    "wrong type": ({"replicaCount": "two"}, "/replicaCount"),
    "size": ({"persistentVolumeClaim": {"storageSize": "50 GB"}}, "/storageSize"),
    "model": ({"ngcModelConfigs": {"a": {"models": ["no slash"]}}}, "/ngcModelConfigs/a/models/0"),
    "image without a tag": ({"speechNim": {"router": {"image": "nginx"}}}, "/router/image"),
    "a port among the variables": (
        {"speechNim": {"asr": {"envVars": {"NIM_GRPC_API_PORT": 1}}}},
        "invalid propertyName 'NIM_GRPC_API_PORT'",
    ),
    "no models": (
        {"modelRepoGenerator": {"ngcModelConfigs": {"tritonGroup0": {"enabled": False}}}},
        "no group with models is enabled; name at least one RMIR",
    ),
    "no services": (
        {"riva": {"speechServices": {"asr": False, "tts": False}}},
        "the gateway needs one of them",
    ),
    "no NIM": (
        {**NIM, "speechNim": {"asr": {"enabled": False}, "tts": {"enabled": False}}},
        "set speechNim.asr.enabled or speechNim.tts.enabled",
    ),
    "no GPU": ({"riva": {"numGpus": 0}}, "set 1, or riva.visibleGpus"),
    "key in values": ({"ngcCredentials": {"password": KEY}}, "scripts/deploy_riva.sh"),
    "secrets without a key": ({"secrets": {"create": True}}, "password is empty"),
    "a monitor without its operator": (
        {"metrics": {"serviceMonitor": {"enabled": True}}},
        "install the Prometheus Operator",
    ),
    "ingress": ({"ingress": {"useIngress": True}}, "helm/voice-workflow"),
    "MetalLB": ({"loadbalancer": {"useMetalLB": True}}, "service.type=LoadBalancer"),
    "enterprise": ({"rivaEnterprise": {"enabled": True}}, "Set it to false"),
    "clearing at every start": (
        {"modelRepoGenerator": {"clearAllRMIRSAndModels": True}},
        "delete the claim",
    ),
    "Triton apart": ({"modelRepoGenerator": {"useSeparateTriton": True}}, "mode=nim"),
}


@pytest.mark.parametrize(("values", "said"), REFUSED.values(), ids=REFUSED)
def test_wrong_values_are_refused_in_words(
    values: dict[str, Any], said: str, refused: Callable[..., str]
) -> None:
    refusal = refused(values)
    assert said in refusal
    assert "nvapi" not in refusal
    assert KEY not in refusal


# --- what the chart carries, run for real ---


def _local_nginx_conf(conf: str, folder: Path, upstreams: Mapping[str, str]) -> str:
    for name, address in upstreams.items():
        conf = conf.replace(name, address)
    conf = conf.replace("/tmp/", f"{folder}/").replace("/dev/stderr", f"{folder}/error.log")
    conf = conf.replace("listen 50051;", f"listen unix:{folder}/grpc http2;")
    return conf.replace("http2 on;", "").replace("listen 8000;", f"listen unix:{folder}/http;")


@contextmanager
def _nginx(conf: str, folder: Path) -> Iterator[None]:
    program = shutil.which("nginx")
    if program is None:
        pytest.skip("nginx is not installed")
    (folder / "nginx.conf").write_text(conf)
    command = [program, "-p", str(folder), "-c", str(folder / "nginx.conf")]
    subprocess.run(command, check=True, timeout=10, capture_output=True)  # returns once it listens
    try:
        yield
    finally:
        subprocess.run([*command, "-s", "stop"], check=True, timeout=10, capture_output=True)


@asynccontextmanager
async def _nim(half: str, ready: Mapping[str, int]) -> AsyncIterator[dict[str, str]]:
    """A NIM's two ports; calls are answered with its half's name and what was sent."""

    async def echo(request: bytes, _: Any) -> bytes:
        return half.encode() + b" " + request

    async def health(_: web.Request) -> web.Response:
        return web.Response(status=ready[half])

    class AnyMethod(grpc.GenericRpcHandler):
        def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
            return grpc.unary_unary_rpc_method_handler(echo)

    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers([AnyMethod()])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    app = web.Application()
    app.router.add_get("/v1/health/ready", health)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield {
            f"riva-api-{half}:50051": f"127.0.0.1:{port}",
            f"riva-api-{half}:9000": f"127.0.0.1:{runner.addresses[0][1]}",
        }
    finally:
        await runner.cleanup()
        await server.stop(None)


@pytest.fixture
def short_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:  # a socket's path must be short
        yield Path(folder)


async def test_router_sends_each_half_to_its_nim(
    riva: Callable[..., Any], short_folder: Path
) -> None:
    ready = {"asr": 200, "tts": 503}
    conf = riva(NIM).one("ConfigMap", "riva-api-router")["data"]["nginx.conf"]
    async with _nim("asr", ready) as asr, _nim("tts", ready) as tts:
        local = _local_nginx_conf(conf, short_folder, {**asr, **tts})
        with _nginx(local, short_folder):
            await _check_routes(f"unix:{short_folder}/grpc")
            async with ClientSession(connector=UnixConnector(f"{short_folder}/http")) as http:
                for states, wanted in (((200, 503), 500), ((200, 200), 200), ((503, 200), 503)):
                    ready["asr"], ready["tts"] = states
                    async with http.get("http://riva-api:8000/v2/health/ready") as reply:
                        assert reply.status == wanted


async def _check_routes(address: str) -> None:
    asked = b"x" * 2_000_000  # more than the 1 MiB that nginx takes by itself
    async with grpc.aio.insecure_channel(address) as channel:
        for method, half in (
            ("/nvidia.riva.asr.RivaSpeechRecognition/StreamingRecognize", b"asr"),
            ("/nvidia.riva.tts.RivaSpeechSynthesis/SynthesizeOnline", b"tts"),
            ("/grpc.health.v1.Health/Check", b"asr"),
        ):
            assert await channel.unary_unary(method)(asked, timeout=10) == half + b" " + asked
        with pytest.raises(grpc.aio.AioRpcError) as unknown:
            await channel.unary_unary("/nvidia.riva.nlp.X/Y")(b"", timeout=10)
        assert unknown.value.code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.models
@pytest.mark.timeout(240)
def test_round_trip_program_hears_what_was_said(riva: Callable[..., Any]) -> None:
    manifests = riva()
    pod = manifests.one("Pod", "riva-api-test")["spec"]["containers"][0]
    script = manifests.one("ConfigMap", "riva-api-test")["data"]["round_trip.py"]
    with _local_riva() as address:
        arguments = [re.sub(r"=riva-api-.*:50051$", f"={address}", one) for one in pod["args"]]
        done = subprocess.run(
            [sys.executable, "-c", script, *arguments],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        wrong = subprocess.run(
            [sys.executable, "-c", script, *arguments, "--max-word-error-rate=-1"],
            capture_output=True,
            timeout=120,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert "heard: the weather is nice today" in done.stdout
    assert wrong.returncode == 1


@contextmanager
def _local_riva() -> Iterator[str]:
    program = str(Path(sys.executable).with_name("voice-local"))
    with subprocess.Popen(
        [program, "--riva-port", "0", "--llm", "none"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as server:
        assert server.stdout is not None
        try:
            line = server.stdout.readline()
            yield re.findall(r"riva=(\S+)", line)[0]
        finally:
            server.terminate()
            server.wait(20)
