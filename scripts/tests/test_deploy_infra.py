"""The infrastructure's deployment against a stand-in cluster: what is applied, and each failure."""

import base64
import json
from pathlib import Path

import pytest
from stand_in_cluster import KEY, NOT_YET, ROLLED_OUT, Answer, Cluster, kubectl, only_line


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


ELSEWHERE = "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector."
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
    "no image for the folders": (
        [
            kubectl("get job voice-paths", "|"),
            kubectl(
                "kube-system .*get pods -l job-name",
                "voice-paths-x|Pending|False|| ErrImagePull||busybox:1: dial tcp: i/o timeout\n",
            ),
        ],
        ("--make-paths",),
        "the folders were not made: the image of voice-paths-x cannot be pulled: busybox:1: dial "
        "tcp: i/o timeout (kubectl -n kube-system describe job voice-paths); or make them by hand "
        "on node001: sudo mkdir -p /data/riva /data/nim/llm /data/nim/asr /data/nim/tts && sudo "
        "chown 1000:1000 /data/riva /data/nim/llm",
    ),
    "too many pulls": (
        [
            kubectl("get job voice-paths", "|"),
            kubectl(
                "get pods -l job-name",
                "v|Pending|False|| ImagePullBackOff||429 Too Many Requests: toomanyrequests\n",
            ),
        ],
        ("--make-paths",),
        "the registry lets nobody pull the image of v for a while: wait",
    ),
    "no place for the folders": (
        [
            kubectl("get job voice-paths", "|"),
            kubectl("get pods -l job-name", f"v|Pending|False|| |{ELSEWHERE}|\n"),
        ],
        ("--make-paths",),
        "the folders were not made: no node fits v: check NODE",
    ),
    "folders that may not be made": (
        [
            kubectl("get job voice-paths", "|Job has reached the specified backoff limit"),
            kubectl("logs", "chown: /paths/riva: Operation not permitted\n"),
            kubectl("get pods -l job-name", "v|Failed|False|| ||\n"),
        ],
        ("--make-paths",),
        "the folders were not made: v failed; its last words: chown: /paths/riva: Operation not",
    ),
    "folders that take too long": (
        [kubectl("get job voice-paths", "|Job was active longer than specified deadline")],
        ("--make-paths",),
        "the folders were not made: Job was active longer than specified deadline",
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
    cluster.answers = [
        kubectl("get job voice-paths", ["|", "|", "1|"]),
        kubectl("get pods -l job-name", "v|Pending|False|| ContainerCreating||\n"),
    ]
    done = cluster.run("deploy_infra", "--llm", "none", "--make-paths")
    assert done.returncode == 0, done.stderr
    job = next(one for one in cluster.applied() if one["kind"] == "Job")
    assert job["metadata"]["namespace"] == "kube-system"
    deleted = [one for one in cluster.said() if "delete job voice-paths" in one]
    assert len(deleted) == 2
    assert "at work: " in done.stdout
