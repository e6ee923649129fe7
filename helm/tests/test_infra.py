"""k8s/infra: every variant builds, is what Kubernetes takes, and follows cluster.env."""

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import kubernetes_validate
import pytest
import yaml
from kubernetes_rules import hold_to_restricted, hold_to_schemas
from rendered_charts import Manifest, Manifests

TOP = Path(__file__).parents[2]
INFRA = TOP / "k8s" / "infra"
CLAIMS = {"riva-workdir-pvc", "llm-nim-cache", "asr-nim-cache", "tts-nim-cache"}
OWN_KINDS = {"NIMCache", "NIMService"}

Built = list[Manifest]


@pytest.fixture(scope="module")
def build(helm_folder: Path) -> Callable[[Path], Built]:
    def built(folder: Path) -> Built:
        done = subprocess.run(
            [helm_folder / "kubectl", "kustomize", folder],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert "deprecated" not in done.stderr.lower()
        return [one for one in yaml.safe_load_all(done.stdout) if one]

    return built


def of(built: Built, kind: str) -> dict[str, dict[str, Any]]:
    return {one["metadata"]["name"]: one for one in built if one["kind"] == kind}


@pytest.mark.parametrize("variant", ["base", "volumes", "plain", "operator", "paths"])
def test_is_what_kubernetes_takes(variant: str, build: Callable[[Path], Built]) -> None:
    built = build(INFRA / variant)
    assert "ConfigMap" not in {one["kind"] for one in built}  # the settings stay here
    hold_to_schemas([one for one in built if one["kind"] not in OWN_KINDS])


@pytest.mark.parametrize("variant", ["volumes", "plain", "operator"])
def test_volumes_are_pinned_and_reserved(variant: str, build: Callable[[Path], Built]) -> None:
    built = build(INFRA / variant)
    volumes, claims = of(built, "PersistentVolume"), of(built, "PersistentVolumeClaim")
    assert set(claims) == CLAIMS
    reserved = {volume["spec"]["claimRef"]["name"]: volume["spec"] for volume in volumes.values()}
    assert set(reserved) == CLAIMS
    for name, claim in claims.items():
        volume = reserved[name]
        assert volume["claimRef"]["namespace"] == claim["metadata"]["namespace"]
        assert volume["capacity"] == claim["spec"]["resources"]["requests"]
        assert volume["storageClassName"] == claim["spec"]["storageClassName"] == "local-storage"
        assert volume["persistentVolumeReclaimPolicy"] == "Retain"
        terms = volume["nodeAffinity"]["required"]["nodeSelectorTerms"]
        assert terms[0]["matchExpressions"][0]["values"] == ["node001"]
    paths = [volume["local"]["path"] for volume in reserved.values()]
    assert len(set(paths)) == len(paths)
    storage = of(built, "StorageClass")["local-storage"]
    assert storage["volumeBindingMode"] == "WaitForFirstConsumer"


def test_plain_chat_model(build: Callable[[Path], Built]) -> None:
    built = build(INFRA / "plain")
    deployment = of(built, "Deployment")["llm-nim"]
    spec = deployment["spec"]["template"]["spec"]
    nim = spec["containers"][0]
    assert nim["image"] == "nvcr.io/nim/meta/llama-3.1-8b-instruct:2.0.8"
    assert nim["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert nim["env"][0]["valueFrom"]["secretKeyRef"] == {"name": "ngc-api", "key": "NGC_API_KEY"}
    assert nim["startupProbe"]["failureThreshold"] * nim["startupProbe"]["periodSeconds"] == 3600
    assert spec["volumes"][0]["persistentVolumeClaim"]["claimName"] in CLAIMS
    service = of(built, "Service")["llm-nim"]["spec"]
    assert service["ports"][0]["port"] == 8000
    assert service["selector"] == deployment["spec"]["template"]["metadata"]["labels"]
    # NIMs write beside their programs; the rest of `restricted` holds.
    nim["securityContext"]["readOnlyRootFilesystem"] = True
    hold_to_restricted(Manifests([deployment]))


def test_chat_model_answers_on_its_port_alone(build: Callable[[Path], Built]) -> None:
    built = build(INFRA / "plain")
    policy = of(built, "NetworkPolicy")["llm-nim"]["spec"]
    labels = of(built, "Deployment")["llm-nim"]["spec"]["template"]["metadata"]["labels"]
    assert policy["podSelector"]["matchLabels"] == labels
    assert policy["ingress"] == [{"ports": [{"port": "http", "protocol": "TCP"}]}]


def test_one_gpu_is_offered_to_as_many_pods_as_there_are() -> None:
    config = yaml.safe_load((TOP / "k8s" / "one-gpu" / "time-slicing.yaml").read_text())
    hold_to_schemas([config])
    shared = yaml.safe_load(config["data"]["any"])["sharing"]["timeSlicing"]["resources"]
    assert shared == [{"name": "nvidia.com/gpu", "replicas": 4}]  # three in mode nim


# What the operator's API (apps.nvidia.com/v1alpha1, 3.1) knows of what is used here; any other key,
# and any other type, is a mistake of ours.
_CACHE = {
    "source": {
        "ngc": {"modelPuller": str, "pullSecret": str, "authSecret": str, "model": dict},
    },
    "storage": {"pvc": {"create": bool, "name": str, "storageClass": str, "size": str}},
    "tolerations": list,
    "nodeSelector": dict,
}
_SERVICE = {
    "image": {"repository": str, "tag": str, "pullPolicy": str, "pullSecrets": [str]},
    "authSecret": str,
    "storage": {"nimCache": {"name": str, "profile": str}, "sharedMemorySizeLimit": str},
    "replicas": int,
    "env": list,
    "resources": {"requests": dict, "limits": dict},
    "tolerations": list,
    "nodeSelector": dict,
    "expose": {"service": {"type": str, "port": int, "grpcPort": int}},
    "startupProbe": {"enabled": bool, "probe": dict},
}


def _misfits(value: Any, shape: Any, path: str) -> list[str]:
    if isinstance(shape, dict):
        return _misfit_keys(value, cast("dict[str, Any]", shape), path)
    if isinstance(shape, list):
        (item,) = cast("list[Any]", shape)
        return [found for one in value for found in _misfits(one, item, path)]
    return [] if isinstance(value, shape) else [f"{path}: {value!r} is no {shape.__name__}"]


def _misfit_keys(value: Any, shape: dict[str, Any], path: str) -> list[str]:
    if not isinstance(value, dict):
        return [f"{path}: {value!r} is no mapping"]
    found: list[str] = []
    for key, one in cast("dict[str, Any]", value).items():
        where = f"{path}.{key}"
        found += _misfits(one, shape[key], where) if key in shape else [f"{where}: unknown"]
    return found


def test_operators_objects(build: Callable[[Path], Built]) -> None:
    built = build(INFRA / "operator")
    cache, service = of(built, "NIMCache")["llm-nim"], of(built, "NIMService")["llm-nim"]
    assert cache["apiVersion"] == service["apiVersion"] == "apps.nvidia.com/v1alpha1"
    assert _misfits(cache["spec"], _CACHE, "NIMCache") == []
    assert _misfits(service["spec"], _SERVICE, "NIMService") == []
    assert cache["spec"]["storage"]["pvc"]["name"] in CLAIMS
    assert service["spec"]["storage"]["nimCache"]["name"] == cache["metadata"]["name"]
    image = service["spec"]["image"]
    assert cache["spec"]["source"]["ngc"]["modelPuller"] == f"{image['repository']}:{image['tag']}"
    # The parts that are Kubernetes' own are held to its schemas, as a pod's.
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "x"},
        "spec": {
            "tolerations": service["spec"]["tolerations"],
            "containers": [
                {
                    "name": "x",
                    "env": service["spec"]["env"],
                    "resources": service["spec"]["resources"],
                    "startupProbe": service["spec"]["startupProbe"]["probe"],
                }
            ],
        },
    }
    kubernetes_validate.validate(pod, "1.36", strict=True)


def test_both_ways_offer_the_same_model_under_the_same_name(
    build: Callable[[Path], Built],
) -> None:
    plain = of(build(INFRA / "plain"), "Deployment")["llm-nim"]
    service = of(build(INFRA / "operator"), "NIMService")["llm-nim"]["spec"]
    nim = plain["spec"]["template"]["spec"]["containers"][0]
    assert nim["image"] == f"{service['image']['repository']}:{service['image']['tag']}"
    assert nim["resources"]["limits"] == service["resources"]["limits"]
    assert service["env"][0] in nim["env"]


def test_settings_go_where_they_belong(build: Callable[[Path], Built], tmp_path: Path) -> None:
    infra = tmp_path / "infra"
    shutil.copytree(INFRA, infra)
    settings = infra / "settings" / "cluster.env"
    changed = {
        "NAMESPACE": "speech",
        "NODE": "gpu-7",
        "LLM_IMAGE": "registry.example.org:5000/llama",
        "LLM_TAG": "9.9",
        "VOLUMES": "lab",
        "STORAGE_CLASS": "disks-of-the-lab",
        "PATHS_IMAGE": "registry.example.org/busybox:1",
        # Written into the pod by scripts/deploy_infra.sh.
        "GPU_RESOURCE": "nvidia.com/gpu.shared",
        "RUNTIME_CLASS": "nvidia",
        "LLM_GPU_MEMORY": "0.6",
    }
    for name in ("RIVA", "LLM", "ASR", "TTS"):
        changed |= {f"{name}_PATH": f"/mnt/{name.lower()}", f"{name}_SIZE": f"{len(name)}00Gi"}
    text = settings.read_text()
    assert set(re.findall(r"^([A-Z_]+)=", text, re.MULTILINE)) == set(changed)
    settings.write_text("".join(f"{name}={value}\n" for name, value in changed.items()))

    for variant in ("plain", "operator"):
        built = build(infra / variant)
        told = yaml.safe_dump_all(built)
        for old in ("node001", "/data/", "nvcr.io", "2.0.8", "local-storage"):
            assert old not in told, f"{variant}: {old} is still there"
        assert told.count("gpu-7") == 4
        assert "registry.example.org:5000/llama" in told
        for one in built:
            if one["kind"] not in ("Namespace", "PersistentVolume", "StorageClass"):
                assert one["metadata"]["namespace"] == "speech"
        volumes = of(built, "PersistentVolume")
        assert set(volumes) == {"lab-riva", "lab-llm", "lab-asr", "lab-tts"}
        for volume in volumes.values():
            assert volume["spec"]["claimRef"]["namespace"] == "speech"
        for claim in of(built, "PersistentVolumeClaim").values():
            assert claim["spec"]["storageClassName"] == "disks-of-the-lab"
    job = of(build(infra / "paths"), "Job")["voice-paths"]["spec"]["template"]["spec"]
    assert job["containers"][0]["image"] == "registry.example.org/busybox:1"
    assert job["nodeSelector"] == {"kubernetes.io/hostname": "gpu-7"}
    folders = {one["name"]: one["hostPath"]["path"] for one in job["volumes"]}
    assert folders == {name: f"/mnt/{name}" for name in ("riva", "llm", "asr", "tts")}
