"""The deployment scripts against a recording stand-in of kubectl, helm and docker.

What they do, in which order; what they say when something is wrong; and that no key is ever
printed, an argument of a program, or inherited by one.
"""

import base64
import json
import re
from pathlib import Path

import pytest
from stand_in_cluster import KEY, NOT_YET, ROLLED_OUT, Answer, Cluster, kubectl, only_line, pod

SCRIPTS = (
    "deploy_infra",
    "deploy_riva",
    "deploy_gateway",
    "build_gateway",
    "status",
    "teardown",
)


# --- every script ---


@pytest.mark.parametrize("script", SCRIPTS)
def test_help_and_wrong_options(script: str, cluster: Cluster) -> None:
    shown = cluster.run(script, "--help")
    assert shown.returncode == 0
    assert shown.stdout.startswith(f"usage: scripts/{script}.sh")
    wrong = cluster.run(script, "--nonsense")
    assert wrong.returncode == 2
    assert only_line(wrong) == f"{script}: unknown option --nonsense (see --help)"
    assert cluster.calls() == []


@pytest.mark.parametrize(
    ("script", "arguments", "said"),
    [
        ("deploy_infra", ("--node",), "--node needs a value"),
        ("deploy_infra", ("--llm", "big"), "--llm big: must be plain, operator or none"),
        ("deploy_infra", ("--timeout", "1h"), "--timeout 1h: must be seconds"),
        ("deploy_riva", ("--mode", "jarvis"), "--mode jarvis: must be riva or nim"),
        ("deploy_gateway", ("--overlay", "moon"), "--overlay moon: must be one of gpu-cluster"),
        ("build_gateway", ("--engine", "kaniko"), "must be docker, podman or buildah"),
        ("build_gateway", ("--tag", "a b"), "is no tag for an image"),
        ("teardown", ("--only", "all"), "--only all: must be gateway, riva or llm"),
        ("teardown", (), "say --yes where nobody can be asked"),
    ],
)
def test_misuse_is_said_in_one_line(
    script: str, arguments: tuple[str, ...], said: str, cluster: Cluster
) -> None:
    done = cluster.run(script, *arguments)
    assert done.returncode == 2
    assert said in only_line(done)
    assert cluster.changes() == []


@pytest.mark.parametrize(
    ("script", "arguments"),
    [
        ("deploy_infra", ("--make-paths",)),
        ("deploy_infra", ("--llm", "operator")),
        ("deploy_riva", ("--test",)),
        ("deploy_riva", ("--mode", "nim")),
        ("deploy_gateway", ("--test", "--image", "reg.example.org:5000/voice/gateway:1.2")),
        ("teardown", ("--all",)),
        ("build_gateway", ("--push",)),
    ],
)
def test_dry_run_changes_nothing_and_asks_no_cluster(
    script: str, arguments: tuple[str, ...], cluster: Cluster
) -> None:
    cluster.answers = [kubectl("readyz", status=1)]
    keys = {"NGC_API_KEY": KEY, "LLM_API_KEY": KEY}
    done = cluster.run(script, "--dry-run", *arguments, env=keys)
    assert done.returncode == 0, done.stderr
    assert cluster.changes() == []
    assert not [one for one in cluster.said() if "get " in one]
    assert re.search(r"would (run|apply)", done.stdout)
    cluster.hold_key_hidden(done)


@pytest.mark.parametrize("script", ["deploy_infra", "deploy_riva", "deploy_gateway", "status"])
def test_no_cluster(script: str, cluster: Cluster) -> None:
    cluster.answers = [kubectl("readyz", status=1)]
    done = cluster.run(script, env={"NGC_API_KEY": KEY})
    assert done.returncode == 1
    assert "no cluster answers (context 'lab')" in only_line(done)
    assert cluster.changes() == []


def test_missing_programs(cluster: Cluster) -> None:
    bare = {"PATH": f"{cluster.folder}:{_coreutils(cluster.folder / 'core')}"}
    done = cluster.run("status", env=bare, programs=())
    assert "kubectl is missing: install it" in only_line(done)
    done = cluster.run("deploy_riva", env=bare, programs=("kubectl",))
    assert "helm is missing: install Helm 4" in only_line(done)


def _coreutils(folder: Path) -> Path:
    folder.mkdir()
    for name in ("basename", "dirname", "bash", "python3", "env", "head", "sed", "cat"):
        (folder / name).symlink_to(Path("/usr/bin") / name)
    return folder


def test_old_helm(cluster: Cluster) -> None:
    cluster.answers = [{"program": "helm", "says": "version", "out": "v3.9.0+g7ceeda6"}]
    done = cluster.run("deploy_riva", env={"NGC_API_KEY": KEY})
    assert "Helm 4 (or 3.14 and newer) is needed, found: v3.9.0" in only_line(done)


# --- infrastructure ---


def test_infrastructure_from_nothing(cluster: Cluster) -> None:
    done = cluster.run("deploy_infra", "--node", "gpu-7", env={"NGC_API_KEY": KEY})
    assert done.returncode == 0, done.stderr
    kinds = [one["kind"] for one in cluster.applied()]
    assert kinds.index("Namespace") < kinds.index("Secret") < kinds.index("Deployment")
    assert cluster.secrets() == {
        "ngc-api": {"NGC_API_KEY": KEY},
        "modelpullsecret": {"apikey": KEY},
        "imagepullsecret": {
            ".dockerconfigjson": json.dumps(
                {
                    "auths": {
                        "nvcr.io": {
                            "username": "$oauthtoken",
                            "password": KEY,
                            "auth": base64.b64encode(f"$oauthtoken:{KEY}".encode()).decode(),
                        }
                    }
                },
                separators=(",", ":"),
            )
        },
        "riva-model-deploy-key": {"key": "tlt_encode"},
    }
    volumes = [one for one in cluster.applied() if one["kind"] == "PersistentVolume"]
    assert "gpu-7" in json.dumps(volumes)
    assert "node001" not in json.dumps(volumes)
    assert "the chat model is ready" in done.stdout
    assert "models: meta/llama-3.1-8b-instruct" in done.stdout
    cluster.hold_key_hidden(done)


def test_a_second_run_does_the_same(cluster: Cluster) -> None:
    for script in ("deploy_infra", "deploy_riva", "deploy_gateway"):
        cluster.run(script, env={"NGC_API_KEY": KEY})
        first = cluster.changes()
        (cluster.folder / "calls.jsonl").unlink()
        assert cluster.run(script, env={"NGC_API_KEY": KEY}).returncode == 0
        assert cluster.changes() == first
        (cluster.folder / "calls.jsonl").unlink()


def test_settings_from_a_file_with_options_on_top(cluster: Cluster, tmp_path: Path) -> None:
    settings = tmp_path / "lab.env"
    settings.write_text("# the lab\nNODE=lab-1\nRIVA_PATH=/mnt/riva\nRIVA_SIZE=80Gi")
    done = cluster.run(
        *("deploy_infra", "--llm", "none", "--settings", str(settings), "--namespace", "speech")
    )
    assert done.returncode == 0, done.stderr
    told = json.dumps(cluster.applied())
    assert "lab-1" in told
    assert "/mnt/riva" in told
    assert "80Gi" in told
    assert "voice-workflow" not in told.replace("app.kubernetes.io/part-of", "").replace(
        '": "voice-workflow"', ""
    )
    assert cluster.secrets() == {}  # volumes need no key


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("NODES=a", "NODES is unknown; known are"),
        ("RIVA_PATH=data", "must be a whole path, such as /data/riva"),
        ("RIVA_SIZE=50GB", "must be a size, such as 50Gi"),
        ("NODE=a b", "must be a name"),
        ("NODE", "is no NAME=VALUE"),
    ],
)
def test_wrong_settings(line: str, said: str, cluster: Cluster, tmp_path: Path) -> None:
    settings = tmp_path / "lab.env"
    settings.write_text(line)
    done = cluster.run("deploy_infra", "--settings", str(settings), env={"NGC_API_KEY": KEY})
    assert done.returncode == 1
    assert said in only_line(done)
    assert cluster.calls() == []


INFRA_FAILURES: dict[str, tuple[list[Answer], tuple[str, ...], str]] = {
    "no node": (
        [kubectl("get nodes -l", "")],
        (),
        "there is no node node001: give one with --node (head node001)",
    ),
    "no GPU": ([kubectl("get nodes -o jsonpath={range", "head|\n")], (), "no node offers nvidia"),
    "no operator": ([kubectl("get crd", status=1)], ("--llm", "operator"), "use --llm plain"),
    "a volume elsewhere": (
        [kubectl("get pv voice-riva", "/old/riva|node000")],
        (),
        "the folder /old/riva on node000, which cannot be changed: scripts/teardown.sh --volumes",
    ),
    "no folders": (
        [kubectl("wait --for=condition=complete", status=1)],
        ("--make-paths",),
        "the folders were not made in 5 minutes",
    ),
    "refused": (
        [kubectl("^apply ", err="Error: forbidden\n", status=1)],
        (),
        "the namespace and volumes were not taken (see above)",
    ),
}


@pytest.mark.parametrize(
    ("answers", "arguments", "said"), INFRA_FAILURES.values(), ids=INFRA_FAILURES
)
def test_infrastructure_that_fails(
    answers: list[Answer], arguments: tuple[str, ...], said: str, cluster: Cluster
) -> None:
    cluster.answers = answers
    done = cluster.run("deploy_infra", *arguments, env={"NGC_API_KEY": KEY})
    assert done.returncode == 1
    assert said in only_line(done)
    cluster.hold_key_hidden(done)


def test_operator_fills_its_cache_first(cluster: Cluster) -> None:
    cluster.answers = [
        kubectl("rollout status", [NOT_YET, ROLLED_OUT]),
        kubectl("get nimcaches", "InProgress"),
    ]
    done = cluster.run("deploy_infra", "--llm", "operator", env={"NGC_API_KEY": KEY})
    assert done.returncode == 0, done.stderr
    assert {"NIMCache", "NIMService"} <= {one["kind"] for one in cluster.applied()}
    assert "the NIM Operator fetches the model first; its cache is InProgress" in done.stdout


def test_a_volume_of_a_claim_that_is_gone_is_freed(cluster: Cluster) -> None:
    cluster.answers = [kubectl("get pv voice-llm .*status.phase", "Released")]
    done = cluster.run("deploy_infra", "--llm", "none")
    assert done.returncode == 0, done.stderr
    assert [one for one in cluster.said() if one.startswith("kubectl patch pv voice-llm")]
    assert "voice-llm was reserved for a claim that is gone" in done.stdout


def test_folders_are_made_by_a_job_that_is_removed(cluster: Cluster) -> None:
    done = cluster.run("deploy_infra", "--llm", "none", "--make-paths")
    assert done.returncode == 0, done.stderr
    job = next(one for one in cluster.applied() if one["kind"] == "Job")
    assert job["metadata"]["namespace"] == "kube-system"
    deleted = [one for one in cluster.said() if "delete job voice-paths" in one]
    assert len(deleted) == 2


# --- keys ---


def test_no_key_and_no_secrets(cluster: Cluster) -> None:
    cluster.answers = [kubectl("get secret", status=1)]
    for script in ("deploy_infra", "deploy_riva"):
        done = cluster.run(script)
        assert done.returncode == 1
        assert "no key: set NGC_API_KEY (or NGC_API_KEY_FILE)" in only_line(done)


def test_no_key_but_secrets_that_are_there(cluster: Cluster) -> None:
    done = cluster.run("deploy_riva")
    assert done.returncode == 0, done.stderr
    assert "the secrets that are there are used" in done.stdout
    assert cluster.secrets() == {}


def test_key_from_a_file(cluster: Cluster, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(f"{KEY}\n")
    done = cluster.run("deploy_riva", "--secrets-only", env={"NGC_API_KEY_FILE": str(file)})
    assert done.returncode == 0, done.stderr
    assert cluster.secrets()["ngc-api"] == {"NGC_API_KEY": KEY}
    assert not [one for one in cluster.said() if "upgrade" in one]
    cluster.hold_key_hidden(done)
    missing = cluster.run("deploy_riva", env={"NGC_API_KEY_FILE": "/nowhere"})
    assert "NGC_API_KEY_FILE=/nowhere: cannot be read" in only_line(missing)


def test_what_is_no_key_is_refused_and_not_printed(cluster: Cluster) -> None:
    done = cluster.run("deploy_riva", env={"NGC_API_KEY": f'"{KEY}"'})
    assert "NGC_API_KEY: holds characters that no key has" in only_line(done)
    assert cluster.calls() == []
    cluster.hold_key_hidden(done)


def test_models_deploy_key_of_ones_own(cluster: Cluster) -> None:
    own = "my-own-deploy-key"
    done = cluster.run(
        "deploy_riva", "--secrets-only", env={"NGC_API_KEY": KEY, "MODEL_DEPLOY_KEY": own}
    )
    assert cluster.secrets()["riva-model-deploy-key"] == {"key": own}
    cluster.hold_key_hidden(done, own)


@pytest.mark.parametrize("script", ["deploy_infra", "deploy_riva", "deploy_gateway"])
def test_tracing_shows_no_key(script: str, cluster: Cluster) -> None:
    keys = {"NGC_API_KEY": KEY, "LLM_API_KEY": KEY}
    done = cluster.run(script, env=keys, bash=("bash", "-x"))
    assert done.returncode == 0, done.stderr
    cluster.hold_key_hidden(done)


def test_keys_in_what_others_say_are_hidden(cluster: Cluster) -> None:
    """A registry, Helm and a pod that repeat the key do not get it into a log."""
    cluster.answers = [
        kubectl("^apply ", f"taken with {KEY}\n"),
        {"program": "helm", "says": "upgrade", "out": f'"password": "{KEY}"\n'},
        kubectl("logs", f"downloading with {KEY}\n"),
        *pod("riva-api-0", "Running", building="2026-01-01T00:00:00Z"),
    ]
    done = cluster.run("deploy_riva", "--timeout", "0", env={"NGC_API_KEY": KEY})
    assert done.returncode == 1
    assert "downloading with nvapi-***" in done.stdout + done.stderr
    cluster.hold_key_hidden(done)


# --- Riva ---


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
REFUSED = "failed to pull image: failed to authorize: 401 Unauthorized"
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
    files = {"CLAIMS": "persistentVolumeClaim: {create: true}", "WRONG": "replicaCount: -1"}
    for name, text in files.items():
        (cluster.folder / name).write_text(text)
    given = [str(cluster.folder / one) if one in files else one for one in arguments]
    cluster.answers = answers
    done = cluster.run("deploy_riva", *given, env={"NGC_API_KEY": KEY})
    assert done.returncode == 1
    assert said in only_line(done)
    assert only_line(done).startswith("deploy_riva: ")
    cluster.hold_key_hidden(done)


def test_what_mends_itself_in_time_is_no_failure(cluster: Cluster) -> None:
    cluster.answers = [
        kubectl("rollout status", [NOT_YET, NOT_YET, ROLLED_OUT]),
        kubectl("get pods -l", f"r|Pending|False|||{GPU}|\n"),
    ]
    patient = {"NGC_API_KEY": KEY, "DEPLOY_GRACE_S": "30"}
    done = cluster.run("deploy_riva", env=patient)
    assert done.returncode == 0, done.stderr
    assert "no GPU is free" in done.stdout
