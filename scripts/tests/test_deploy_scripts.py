"""The deployment scripts against a recording stand-in of kubectl, helm and docker.

What they do, in which order; what they say when something is wrong; and that no key is ever
printed, an argument of a program, or inherited by one.
"""

import base64
import io
import json
import re
import subprocess
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypedDict

import pytest
import yaml

TOP = Path(__file__).parents[2]
STAND_IN = Path(__file__).with_name("stand_in.py")
KEY = "nvapi-S3cret_thing-0123456789"
SCRIPTS = (
    "deploy_infra",
    "deploy_riva",
    "deploy_gateway",
    "build_gateway",
    "status",
    "teardown",
)
CHANGES = re.compile(
    r"\b(apply|upgrade|install|uninstall|delete|create (?!--raw)|patch|build|bud|push|test)\b"
)


class Answer(TypedDict, total=False):
    program: str
    says: str
    out: str | list[str]
    err: str
    status: int
    file: str


class Call(TypedDict):
    program: str
    argv: list[str]
    stdin: str
    env: dict[str, str]


def kubectl(says: str, out: str | list[str] = "", err: str = "", status: int = 0) -> Answer:
    return {"program": "kubectl", "says": says, "out": out, "err": err, "status": status}


ROLLED_OUT = 'deployment "x" successfully rolled out\n'
NOT_YET = "Waiting for deployment to finish\n"
MODELS = json.dumps(
    [
        {"name": "parakeet-0.6b-en-US-asr-streaming-throughput", "version": "1", "state": "READY"},
        {"name": "fastpitch_hifigan_ensemble-English-US", "version": "1", "state": "READY"},
        {"name": "riva-punctuation-en-US", "version": "1", "state": "UNAVAILABLE"},
    ]
)
CLAIMS = "riva-workdir-pvc|Bound|local-storage\nllm-nim-cache|Bound|local-storage\n"

# A cluster where everything is there and works; what a test says comes before it.
HEALTHY: list[Answer] = [
    kubectl("get --raw /readyz", "ok"),
    kubectl("config current-context", "lab\n"),
    kubectl("get nodes -l kubernetes.io/hostname=", "node/node001\n"),
    kubectl("get nodes -o jsonpath={range", "head|\nnode001|4\n"),
    kubectl("get nodes -o jsonpath={.items", "head node001"),
    kubectl("get pv voice-.*jsonpath=.status.phase", "Bound"),
    kubectl("get pv voice-", status=1),
    kubectl("get deployment riva-api-(asr|tts|router) ", status=1),
    kubectl("get deployment .* -o go-template", "app.kubernetes.io/name=x,"),
    kubectl("get deployments -l", "voice-gateway-gateway"),
    kubectl("get pvc -o", CLAIMS),
    kubectl("rollout status", ROLLED_OUT),
    kubectl("get --raw .*llm-nim.*/v1/models", '{"data":[{"id":"meta/llama-3.1-8b-instruct"}]}'),
    kubectl("get --raw .*/v2/health/ready", ""),
    kubectl("create --raw .*/v2/repository/index", MODELS),
    kubectl("^apply ", "thing serverside-applied\n"),
]


@dataclass
class Cluster:
    """A folder on the PATH with stand-ins, and what they were asked."""

    folder: Path
    real: dict[str, str]
    answers: list[Answer] = field(default_factory=lambda: list[Answer]())

    def run(
        self,
        script: str,
        *arguments: str,
        env: dict[str, str] | None = None,
        bash: Sequence[str] = (),
        programs: Sequence[str] = ("kubectl", "helm", "docker"),
    ) -> subprocess.CompletedProcess[str]:
        for program in programs:
            link = self.folder / program
            if not link.exists():
                link.write_bytes(STAND_IN.read_bytes())
                link.chmod(0o755)
        (self.folder / "answers.json").write_text(json.dumps([*self.answers, *HEALTHY]))
        (self.folder / "real.json").write_text(json.dumps(self.real))
        own = {
            "PATH": f"{self.folder}:/usr/bin:/bin",
            "HOME": str(self.folder),
            "TMPDIR": str(self.folder),
            "DEPLOY_POLL_S": "0.01",
            "DEPLOY_GRACE_S": "0",
        }
        return subprocess.run(
            [*(bash or ("bash",)), str(TOP / "scripts" / f"{script}.sh"), *arguments],
            env={**own, **(env or {})},
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def calls(self) -> list[Call]:
        record = self.folder / "calls.jsonl"
        return (
            [json.loads(line) for line in record.read_text().splitlines()]
            if record.exists()
            else []
        )

    def said(self) -> list[str]:
        return [" ".join([one["program"], *one["argv"]]) for one in self.calls()]

    def changes(self) -> list[str]:
        return [one for one in self.said() if CHANGES.search(one) and "kustomize" not in one]

    def applied(self) -> list[dict[str, Any]]:
        given = (one["stdin"] for one in self.calls() if "apply" in one["argv"])
        return [one for text in given for one in yaml.safe_load_all(text) if one]

    def secrets(self) -> dict[str, dict[str, str]]:
        return {
            one["metadata"]["name"]: {
                key: base64.b64decode(value).decode() for key, value in one["data"].items()
            }
            for one in self.applied()
            if one["kind"] == "Secret"
        }

    def hold_key_hidden(self, done: subprocess.CompletedProcess[str], key: str = KEY) -> None:
        """The key went to the cluster by standard input, and nowhere else."""
        encoded = base64.b64encode(key.encode()).decode()
        for secret in (key, encoded):
            assert secret not in done.stdout + done.stderr
            for call in self.calls():
                assert not [one for one in call["argv"] if secret in one], call["argv"]
                assert not [one for one in call["env"].values() if secret in one], call["argv"]


@pytest.fixture(scope="session")
def real_programs() -> dict[str, str]:
    """Helm and kubectl, for what needs no cluster: building manifests."""
    fetched = subprocess.run(
        [TOP / "scripts" / "fetch_helm.sh"], capture_output=True, text=True, timeout=300, check=True
    )
    folder = Path(fetched.stdout.strip())
    return {name: str(folder / name) for name in ("kubectl", "helm")}


@pytest.fixture
def cluster(tmp_path: Path, real_programs: dict[str, str]) -> Cluster:
    return Cluster(tmp_path, real_programs)


def only_line(done: subprocess.CompletedProcess[str]) -> str:
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stdout + done.stderr
    return lines[0]


def pod(
    name: str,
    phase: str = "Pending",
    building: str = "",
    waiting: str = "",
    scheduler: str = "",
    kubelet: str = "",
) -> list[Answer]:
    """A Deployment whose pod is not ready, for the reasons given."""
    line = f"{name}|{phase}|False|{building}|{waiting}|{scheduler}|{kubelet}\n"
    return [kubectl("rollout status", NOT_YET), kubectl("get pods -l", line)]


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


# --- the gateway ---


def test_gateway_with_keys(cluster: Cluster) -> None:
    other = "sk-An0ther.key"
    done = cluster.run(
        *("deploy_gateway", "--image", "reg.example.org:5000/voice/gateway:1.2", "--test"),
        env={"LLM_API_KEY": KEY, "RIVA_API_KEY": other},
    )
    assert done.returncode == 0, done.stderr
    assert cluster.secrets() == {"voice-gateway-keys": {"LLM_API_KEY": KEY, "RIVA_API_KEY": other}}
    upgrade = next(one for one in cluster.said() if "upgrade" in one)
    assert "image.repository=reg.example.org:5000/voice/gateway" in upgrade
    assert "image.tag=1.2" in upgrade
    assert "existingSecret=voice-gateway-keys" in upgrade
    assert [one for one in cluster.said() if one.startswith("helm test voice-gateway")]
    assert "port-forward svc/voice-gateway-gateway 50051:50051" in done.stdout
    assert "ssh -L 50051:localhost:50051" in done.stdout
    for key in (KEY, other):
        cluster.hold_key_hidden(done, key)


def test_gateway_without_keys(cluster: Cluster) -> None:
    cluster.answers = [kubectl("get secret voice-gateway-keys", status=1)]
    done = cluster.run("deploy_gateway", "--image", "voice-gateway")
    assert done.returncode == 0, done.stderr
    upgrade = next(one for one in cluster.said() if "upgrade" in one)
    assert "existingSecret" not in upgrade
    assert "image.tag" not in upgrade
    assert cluster.applied() == []


def test_overlays_in_order_then_own_values(cluster: Cluster) -> None:
    done = cluster.run(
        *("deploy_gateway", "--values", "/dev/null"),
        *("--overlay", "gpu-cluster", "--overlay", "hindi"),
    )
    assert done.returncode == 0, done.stderr
    upgrade = next(one for one in cluster.said() if "upgrade" in one)
    files = re.findall(r"--values (\S+)", upgrade)
    assert [Path(one).name for one in files] == ["gpu-cluster.yaml", "hindi.yaml", "null"]


def test_gateway_makes_a_namespace_that_is_missing(cluster: Cluster) -> None:
    cluster.answers = [kubectl("get namespace speech", status=1)]
    done = cluster.run("deploy_gateway", "--namespace", "speech", "--overlay", "laptop-cluster")
    assert done.returncode == 0, done.stderr
    assert "kubectl create namespace speech" in cluster.said()


def test_gateways_image_that_is_not_there(cluster: Cluster) -> None:
    cluster.answers = pod("gw", waiting="ErrImagePull", kubelet="voice-gateway:1: not found")
    done = cluster.run("deploy_gateway")
    assert done.returncode == 1
    assert "voice-gateway-gateway: there is no such image for gw" in only_line(done)


# --- status and teardown ---


def test_status_of_what_works(cluster: Cluster) -> None:
    done = cluster.run("status")
    assert done.returncode == 0, done.stdout + done.stderr
    for line in (
        "node001: 4 GPU",
        "ok  riva-workdir-pvc",
        "models: meta/llama-3.1-8b-instruct",
        "model parakeet-0.6b-en-US-asr-streaming-throughput",
        "ok  voice-gateway",
    ):
        assert line in done.stdout
    assert cluster.changes() == []


def test_status_of_nothing_installed(cluster: Cluster) -> None:
    cluster.answers = [
        kubectl("get (deployment|secret) ", status=1),
        kubectl("get pvc", ""),
        kubectl("get nodes -o", "laptop|\n"),
    ]
    done = cluster.run("status")
    assert "--  riva-api is not installed: scripts/deploy_riva.sh" in done.stdout
    assert "--  ngc-api is missing" in done.stdout
    assert "laptop: no GPU" in done.stdout


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        (pod("riva-api-0", scheduler=GPU), "!!  riva-api: no GPU is free"),
        ([kubectl("create --raw", "[]")], "!!  no model for asr is loaded: name one in"),
        ([kubectl("get --raw .*/v1/models", status=1)], "!!  http://llm-nim:8000/v1/models does"),
        ([kubectl("get pvc -o", "riva-workdir-pvc|Lost|x\n")], "!!  riva-workdir-pvc is Lost"),
        (pod("riva-api-0", "Running"), "..  riva-api: loading models"),
    ],
)
def test_status_of_what_does_not(answers: list[Answer], said: str, cluster: Cluster) -> None:
    cluster.answers = answers
    done = cluster.run("status")
    assert done.returncode == 1
    assert said in done.stdout
    assert cluster.changes() == []


def test_teardown_keeps_what_took_long(cluster: Cluster) -> None:
    done = cluster.run("teardown", "--yes")
    assert done.returncode == 0, done.stderr
    changes = "\n".join(cluster.changes())
    assert "uninstall voice-gateway" in changes
    assert "uninstall riva-api" in changes
    for kept in (
        "pvc",
        "delete --ignore-not-found pv",
        "secret",
        "delete --ignore-not-found names",
    ):
        assert kept not in changes


def test_teardown_of_everything_and_of_nothing(cluster: Cluster) -> None:
    cluster.answers = [{"program": "helm", "says": "^status", "status": 1}]
    done = cluster.run("teardown", "--yes", "--all")
    assert done.returncode == 0, done.stderr
    changes = "\n".join(cluster.changes())
    assert "uninstall" not in changes
    for gone in ("pvc riva-workdir-pvc", "pv voice-riva", "secret ngc-api", "namespace voice"):
        assert gone in changes


def test_teardown_of_one_part(cluster: Cluster) -> None:
    assert cluster.run("teardown", "--yes", "--only", "gateway").returncode == 0
    assert [one.split(" --")[0] for one in cluster.changes()] == ["helm uninstall voice-gateway"]


# --- the image ---


def _image(folder: Path) -> Path:
    """An image's archive with one layer, that holds one Python package and one of Debian's."""
    layer = folder / "layer.tar"
    with tarfile.open(layer, "w") as files:
        for name, text in (
            (
                "var/lib/dpkg/status",
                "Package: libc6\nStatus: install ok installed\nVersion: 2.41\n",
            ),
            ("opt/x/grpcio-1.85.0.dist-info/METADATA", "Name: grpcio\nVersion: 1.85.0\n"),
        ):
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            files.addfile(entry, io.BytesIO(text.encode()))
    (folder / "manifest.json").write_text(json.dumps([{"Layers": ["layer.tar"]}]))
    archive = folder / "image.tar"
    with tarfile.open(archive, "w") as files:
        files.add(layer, "layer.tar")
        files.add(folder / "manifest.json", "manifest.json")
    return archive


def test_image_is_built_listed_and_pushed(cluster: Cluster, tmp_path: Path) -> None:
    cluster.answers = [
        {"program": "docker", "says": "^save", "file": str(_image(tmp_path))},
    ]
    done = cluster.run(
        *("build_gateway", "--tag", "test-1", "--registry", "reg.example.org/voice", "--push")
    )
    listed = TOP / "out" / "images" / "voice-gateway-test-1.cdx.json"
    try:
        assert done.returncode == 0, done.stdout + done.stderr
        changes = cluster.changes()
        assert changes[0].startswith("docker build --file services/voice-gateway/Dockerfile")
        assert "--tag reg.example.org/voice/voice-gateway:test-1" in changes[0]
        assert re.search(r"REVISION=[0-9a-f]{40}", changes[0])
        assert changes[-1] == "docker push reg.example.org/voice/voice-gateway:test-1"
        purls = [one["purl"] for one in json.loads(listed.read_text())["components"]]
        assert purls == ["pkg:deb/debian/libc6@2.41", "pkg:pypi/grpcio@1.85.0"]
        assert "2 packages" in done.stdout
    finally:
        listed.unlink(missing_ok=True)


def test_engine_that_works_is_taken(cluster: Cluster) -> None:
    cluster.answers = [{"program": "docker", "says": "^version", "status": 1}]
    cluster.run("build_gateway", "--no-sbom", programs=("docker", "podman"))
    assert [one.split()[0] for one in cluster.changes()] == ["podman"]


def test_tag_says_which_commit(cluster: Cluster) -> None:
    done = cluster.run("build_gateway", "--no-sbom", "--local-stack")
    assert done.returncode == 0, done.stderr
    build = cluster.changes()[0]
    head = subprocess.run(
        ["git", "rev-parse", "--short=7", "HEAD"],
        cwd=TOP,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    assert re.search(rf"--tag voice-local-stack:\S*{head}", build)
    assert "services/local-stack/Dockerfile" in build


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"program": "docker", "says": "^build", "status": 1}, "was not built (see above)"),
        ({"program": "docker", "says": "^push", "status": 1}, "docker login reg.example.org first"),
    ],
)
def test_image_that_fails(answer: Answer, said: str, cluster: Cluster) -> None:
    cluster.answers = [answer]
    done = cluster.run(
        *("build_gateway", "--no-sbom", "--push", "--registry", "reg.example.org/x", "--tag", "t")
    )
    assert done.returncode == 1
    assert said in only_line(done)
