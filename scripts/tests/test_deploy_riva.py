"""Riva's deployment against a stand-in cluster: what is installed and awaited, and each failure."""

import pytest
from stand_in_cluster import KEY, NOT_YET, ROLLED_OUT, Answer, Cluster, kubectl, only_line, pod


def test_riva_is_installed_and_awaited(cluster: Cluster) -> None:
    cluster.answers = [
        kubectl("rollout status", [NOT_YET, NOT_YET, ROLLED_OUT]),
        kubectl("logs", "building the engine 3 of 7\n"),
        kubectl("get pods -l", "riva-api-0|Pending|False|2026-01-01T00:00:00Z| |||\n"),
    ]
    done = cluster.run("deploy_riva", "--test", "--values", "/dev/null", env={"NGC_API_KEY": KEY})
    assert done.returncode == 0, done.stderr
    helm = [one for one in cluster.said() if one.startswith("helm")]
    assert [one for one in helm if "upgrade --install riva-api helm/riva-api" in one]
    assert [one for one in helm if "--values /dev/null" in one]
    assert [one for one in helm if one.startswith("helm test riva-api")]
    assert "fetching and building models" in done.stdout
    assert "building the engine 3 of 7" in done.stdout
    assert "/v2/health/ready answers 200" in done.stdout
    assert "model parakeet-0.6b-en-US-asr-streaming-throughput" in done.stdout
    assert "model fastpitch_hifigan_ensemble-English-US" in done.stdout
    assert "punctuation" not in done.stdout  # is not loaded
    cluster.hold_key_hidden(done)


def test_speech_nims_are_each_awaited(cluster: Cluster) -> None:
    cluster.answers = [kubectl("get deployment riva-api-(asr|tts|router) ", "deployment")]
    done = cluster.run("deploy_riva", "--mode", "nim", env={"NGC_API_KEY": KEY})
    assert done.returncode == 0, done.stderr
    assert [one for one in cluster.said() if "upgrade" in one and "mode=nim" in one]
    for half in ("asr", "tts", "router"):
        assert f"Riva's {half} is ready" in done.stdout


def test_no_wait(cluster: Cluster) -> None:
    done = cluster.run("deploy_riva", "--no-wait", env={"NGC_API_KEY": KEY})
    assert done.returncode == 0, done.stderr
    assert not [one for one in cluster.said() if "rollout" in one]


GPU = "0/2 nodes are available: 1 Insufficient nvidia.com/gpu, 1 node(s) had untolerated taint."
UNBOUND = "0/2 nodes are available: pod has unbound immediate PersistentVolumeClaims."
NO_VOLUME = "0/2 nodes are available: 2 node(s) didn't find available persistent volumes to bind."
REFUSED = 'failed to pull image "nvcr.io/nvidia/riva:1": failed to authorize: 401 Unauthorized'
RIVA_FAILURES: dict[str, tuple[list[Answer], tuple[str, ...], str]] = {
    "no namespace": (
        [kubectl("get namespace", status=1)],
        (),
        "there is no namespace voice-workflow: run scripts/deploy_infra.sh first",
    ),
    "no GPU": (
        [kubectl("get nodes -o jsonpath={range", "head|\n")],
        (),
        "no node offers nvidia.com/gpu: install NVIDIA's GPU operator",
    ),
    "the first version's": (
        [kubectl("get deployment riva-api -o go-template", "app=riva-api,release=riva-api,")],
        (),
        "riva-api is of the first version, whose pods no upgrade takes over: helm uninstall riva",
    ),
    "one GPU for two NIMs": (
        [kubectl("get nodes -o jsonpath={range", "n|1||\n")],
        ("--mode", "nim"),
        "2 GPUs are needed (Riva, mode nim), and 1 of the cluster's 1 are free",
    ),
    "a GPU that the chat model has": (
        [
            kubectl("get nodes -o jsonpath={range", "n|1||\n"),
            kubectl("get pods --all-namespaces", "voice-workflow|llm-nim-x|n|1\n"),
        ],
        (),
        "1 GPUs are needed (Riva, mode riva), and 0 of the cluster's 1 are free",
    ),
    "no GPU by that name": (
        [kubectl(r"get nodes -o jsonpath={range.*gpu\\.shared", "n|||\n")],
        ("--values", "SHARED"),
        "no node offers nvidia.com/gpu.shared",
    ),
    "no storage class": (
        [kubectl("get storageclass", status=1)],
        ("--values", "CLAIMS"),
        "there is no storage class local-storage: run scripts/deploy_infra.sh",
    ),
    "no claim": (
        [kubectl("get pvc riva-workdir-pvc", status=1)],
        (),
        "there is no volume claim riva-workdir-pvc: run scripts/deploy_infra.sh first",
    ),
    "values refused": ([], ("--values", "WRONG"), "the chart refuses these values"),
    "Helm fails": (
        [{"program": "helm", "says": "upgrade", "err": "Error: timed out\n", "status": 1}],
        (),
        "Helm could not install riva-api (see above)",
    ),
    "no free GPU": (
        pod("riva-api-0", scheduler=GPU),
        (),
        "Riva: no GPU is free for riva-api-0: free one, or add a node",
    ),
    "claim not bound": (
        [kubectl("get pvc -o", "riva-workdir-pvc|Pending|slow\n"), *pod("r", scheduler=UNBOUND)],
        (),
        "a volume claim is not bound for r: riva-workdir-pvc (slow)",
    ),
    "no volume": (pod("r", scheduler=NO_VOLUME), (), "a volume claim is not bound for r"),
    "wrong node": (
        pod("r", scheduler="0/1 nodes are available: 1 didn't match Pod's node affinity/selector"),
        (),
        "no node fits r: check NODE",
    ),
    "image refused": (
        pod("r", waiting="ImagePullBackOff", kubelet=REFUSED),
        (),
        "the registry refuses the image of r: is the key right",
    ),
    "image of another registry refused": (
        pod("r", waiting="ErrImagePull", kubelet='"reg.example.org/x:1": 403 Forbidden'),
        (),
        "the registry refuses the image of r: check its name and imagePullSecrets",
    ),
    "no room": (
        pod("r", scheduler="0/1 nodes are available: 1 Insufficient memory."),
        (),
        "no node has room for r: lower resources.requests, free some, or add a node",
    ),
    "no image": (
        pod("r", waiting=" ErrImagePull", kubelet="nvcr.io/x:1: not found"),
        (),
        "there is no such image for r: check its name and tag",
    ),
    "no secret": (
        pod("r", waiting="CreateContainerConfigError", kubelet='secret "ngc-api" not found'),
        (),
        'r lacks a secret or a setting: secret "ngc-api" not found',
    ),
    "crash": (
        [kubectl("logs r", "CUDA driver too old\n"), *pod("r", waiting="CrashLoopBackOff")],
        (),
        "r keeps failing; its last words: CUDA driver too old",
    ),
    "no folder": (
        [
            kubectl("get events", 'FailedMount path "/data/riva" does not exist\n'),
            *pod("r", waiting="PodInitializing"),
        ],
        (),
        "a folder of its volume is missing on the node: scripts/deploy_infra.sh --make-paths",
    ),
    "pod security": (
        [
            kubectl("rollout status", NOT_YET),
            kubectl("get events", 'FailedCreate pods "r" violates PodSecurity "baseline": host\n'),
        ],
        (),
        "the namespace's pod security refuses it: PodSecurity",
    ),
    "still downloading": (
        [kubectl("logs", "12 of 19 GB\n"), *pod("r", building="2026-01-01T00:00:00Z")],
        ("--timeout", "0"),
        "not ready after 0 s, and goes on by itself: fetching and building models (20 to 40 min "
        "the first time): 12 of 19 GB",
    ),
    "not healthy": (
        [kubectl("get --raw .*/v2/health/ready", status=1)],
        (),
        "/v2/health/ready does not answer 200",
    ),
}


@pytest.mark.parametrize(
    ("answers", "arguments", "said"), RIVA_FAILURES.values(), ids=RIVA_FAILURES
)
def test_riva_that_fails(
    answers: list[Answer], arguments: tuple[str, ...], said: str, cluster: Cluster
) -> None:
    files = {
        "CLAIMS": "persistentVolumeClaim: {create: true}",
        "WRONG": "replicaCount: -1",
        "SHARED": "gpuResource: nvidia.com/gpu.shared",
    }
    for name, text in files.items():
        (cluster.folder / name).write_text(text)
    given = [str(cluster.folder / one) if one in files else one for one in arguments]
    cluster.answers = answers
    done = cluster.run("deploy_riva", *given, env={"NGC_API_KEY": KEY})
    assert done.returncode == 1
    assert said in only_line(done)
    assert only_line(done).startswith("deploy_riva: ")
    cluster.hold_key_hidden(done)


def test_riva_whose_test_fails(cluster: Cluster) -> None:
    cluster.answers = [
        {"program": "helm", "says": "^test", "out": "heard: nothing\n", "status": 1},
        kubectl("get pods -l .*exitCode", "1\n"),
    ]
    done = cluster.run("deploy_riva", "--test", env={"NGC_API_KEY": KEY})
    assert done.returncode == 1
    assert "heard: nothing" in done.stdout
    assert "the test failed with status 1: kubectl -n voice-workflow logs riva" in only_line(done)


def test_what_mends_itself_in_time_is_no_failure(cluster: Cluster) -> None:
    cluster.answers = [
        kubectl("rollout status", [NOT_YET, NOT_YET, ROLLED_OUT]),
        kubectl("get pods -l", f"r|Pending|False|||{GPU}|\n"),
    ]
    patient = {"NGC_API_KEY": KEY, "DEPLOY_GRACE_S": "30"}
    done = cluster.run("deploy_riva", env=patient)
    assert done.returncode == 0, done.stderr
    assert "no GPU is free" in done.stdout
