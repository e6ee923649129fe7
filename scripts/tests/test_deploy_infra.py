"""The infrastructure's deployment against a stand-in cluster: what is applied, and each failure."""

import base64
import json
from pathlib import Path
from typing import Any

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
        ("LLM_GPU_MEMORY=60", "must be a share of the GPU's memory, such as 0.6"),
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
        [kubectl("get nodes -l", ""), kubectl("get nodes -o jsonpath={range", "a|1||\nb|1||\n")],
        (),
        "there is no node node001: give one with --node (head node001)",
    ),
    "no GPU": ([kubectl("get nodes -o jsonpath={range", "head|\n")], (), "no node offers nvidia"),
    "no operator": ([kubectl("get crd", status=1)], ("--llm", "operator"), "use --llm plain"),
    "a volume elsewhere": (
        [kubectl("get pv -o", "voice-riva|voice-workflow|/old/riva|node000|Bound\n")],
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
        "chown 1000:1000 /data/riva /data/nim/llm /data/nim/asr /data/nim/tts; then run this with "
        "--no-make-paths",
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
    "a Job that is refused": (
        [kubectl("^apply ", err="Error: forbidden\n", status=1)],
        (),
        "the Job that makes the folders was not taken (see above): make them by hand on node001",
    ),
    "folders that take too long": (
        [kubectl("get job voice-paths", "|Job was active longer than specified deadline")],
        ("--make-paths",),
        "the folders were not made: Job was active longer than specified deadline",
    ),
    "refused": (
        [kubectl("^apply ", err="Error: forbidden\n", status=1)],
        ("--no-make-paths",),
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
    line = "voice-llm|voice-workflow|/data/nim/llm|node001|Released\n"
    cluster.answers = [kubectl("get pv -o", line)]
    done = cluster.run("deploy_infra", "--llm", "none")
    assert done.returncode == 0, done.stderr
    assert [one for one in cluster.said() if one.startswith("kubectl patch pv voice-llm")]
    assert "voice-llm was reserved for a claim that is gone" in done.stdout


@pytest.mark.parametrize("option", [(), ("--make-paths",)])
def test_folders_are_made_by_a_job_that_is_removed(
    option: tuple[str, ...], cluster: Cluster
) -> None:
    cluster.answers = [
        kubectl("get job voice-paths", ["|", "|", "1|"]),
        kubectl("get pods -l job-name", "v|Pending|False|| ContainerCreating||\n"),
    ]
    done = cluster.run("deploy_infra", "--llm", "none", *option)
    assert done.returncode == 0, done.stderr
    kinds = [one["kind"] for one in cluster.applied()]
    assert kinds.index("Job") < kinds.index("PersistentVolume")
    job = next(one for one in cluster.applied() if one["kind"] == "Job")
    assert job["metadata"]["namespace"] == "kube-system"
    deleted = [one for one in cluster.said() if "delete job voice-paths" in one]
    assert len(deleted) == 2
    assert "at work: " in done.stdout


THERE = "".join(
    f"voice-{name}|voice-workflow|/data/{folder}|node001|Bound\n"
    for name, folder in (
        ("riva", "riva"),
        ("llm", "nim/llm"),
        ("asr", "nim/asr"),
        ("tts", "nim/tts"),
    )
)


@pytest.mark.parametrize(
    ("there", "option"), [("", ("--no-make-paths",)), (THERE, ())], ids=["told", "all there"]
)
def test_folders_that_are_there_need_no_job(
    there: str, option: tuple[str, ...], cluster: Cluster
) -> None:
    cluster.answers = [kubectl("get pv -o", there)]
    done = cluster.run("deploy_infra", "--llm", "none", *option)
    assert done.returncode == 0, done.stderr
    assert "Job" not in {one["kind"] for one in cluster.applied()}


# --- where volumes come from ---

NO_NODE001 = kubectl("get nodes -l kubernetes.io/hostname=node001", "")
MAKES = [
    kubectl("get storageclass -o", "|slow\ntrue|gp3\n"),
    kubectl("get storageclass (gp3|slow) .*provisioner", "ebs.csi.example.org"),
]


def classes(cluster: Cluster) -> set[str]:
    claims = (one for one in cluster.applied() if one["kind"] == "PersistentVolumeClaim")
    return {one["spec"]["storageClassName"] for one in claims}


def test_the_only_node_with_gpus_holds_the_models(cluster: Cluster) -> None:
    cluster.answers = [
        NO_NODE001,
        kubectl("get nodes -l", "node/gpu-box\n"),
        kubectl("get nodes -o jsonpath={range", "head|||\ngpu-box|2||\n"),
    ]
    done = cluster.run("deploy_infra", env={"NGC_API_KEY": KEY})
    assert done.returncode == 0, done.stderr
    assert "folders of gpu-box, the only node with GPUs" in done.stdout
    volumes = [one for one in cluster.applied() if one["kind"] in ("PersistentVolume", "Job")]
    assert "gpu-box" in json.dumps(volumes)
    assert "node001" not in json.dumps(volumes)


@pytest.mark.parametrize(("option", "wanted"), [((), "gp3"), (("--storage-class", "slow"), "slow")])
def test_a_class_that_makes_volumes_is_used(
    option: tuple[str, ...], wanted: str, cluster: Cluster
) -> None:
    cluster.answers = [NO_NODE001, *MAKES]
    done = cluster.run("deploy_infra", *option, env={"NGC_API_KEY": KEY})
    assert done.returncode == 0, done.stderr
    kinds = {one["kind"] for one in cluster.applied()}
    assert not kinds & {"PersistentVolume", "StorageClass", "Job"}
    assert classes(cluster) == {wanted}
    assert f"the class {wanted} makes them" in done.stdout


@pytest.mark.parametrize(
    ("lines", "wanted"),
    [("STORAGE_CLASS=slow", "slow"), ("RIVA_PATH=/mnt/riva", "local-storage")],
    ids=["class", "folder"],
)
def test_a_class_or_a_folder_out_of_a_file(
    lines: str, wanted: str, cluster: Cluster, tmp_path: Path
) -> None:
    settings = tmp_path / "lab.env"
    settings.write_text(lines)
    cluster.answers = [
        NO_NODE001,
        kubectl("get nodes -l", "node/gpu-box\n"),
        kubectl("get nodes -o jsonpath={range", "gpu-box|2||\n"),
        *MAKES,
    ]
    done = cluster.run("deploy_infra", "--llm", "none", "--settings", str(settings))
    assert done.returncode == 0, done.stderr
    assert classes(cluster) == {wanted}


def test_a_class_of_the_cluster_that_is_not_there(cluster: Cluster) -> None:
    cluster.answers = [kubectl("get storageclass fast", status=1)]
    done = cluster.run("deploy_infra", "--storage-class", "fast", env={"NGC_API_KEY": KEY})
    assert "there is no storage class fast" in only_line(done)
    assert cluster.changes() == []


def test_a_dry_run_with_a_class(cluster: Cluster) -> None:
    done = cluster.run("deploy_infra", "--dry-run", "--storage-class", "gp3", "--llm", "none")
    assert done.returncode == 0, done.stderr
    assert "PersistentVolumeClaim/riva-workdir-pvc" in done.stdout
    assert "PersistentVolume/" not in done.stdout


def test_a_node_that_is_there_is_used_as_ever(cluster: Cluster) -> None:
    cluster.answers = MAKES
    done = cluster.run("deploy_infra", "--llm", "none")
    assert done.returncode == 0, done.stderr
    assert classes(cluster) == {"local-storage"}


def test_claims_keep_their_class(cluster: Cluster) -> None:
    cluster.answers = [kubectl("get pvc riva-workdir-pvc", "gp3"), *MAKES]
    assert cluster.run("deploy_infra", "--llm", "none").returncode == 0
    assert classes(cluster) == {"gp3"}
    refused = cluster.run("deploy_infra", "--storage-class", "slow")
    assert "the claims of voice-workflow have the class gp3, which cannot be" in only_line(refused)


# --- nobody else's things ---


def test_a_storage_class_and_a_namespace_of_others_are_used_and_not_changed(
    cluster: Cluster,
) -> None:
    cluster.answers = [kubectl("get namespace .*part-of", "")]
    done = cluster.run("deploy_infra", "--llm", "none")
    assert done.returncode == 0, done.stderr
    kinds = {one["kind"] for one in cluster.applied()}
    assert not kinds & {"StorageClass", "Namespace"}
    assert "PersistentVolumeClaim" in kinds


def test_what_is_missing_is_made(cluster: Cluster) -> None:
    cluster.answers = [kubectl("get (namespace|storageclass) ", status=1)]
    done = cluster.run("deploy_infra", "--llm", "none")
    assert done.returncode == 0, done.stderr
    assert {"StorageClass", "Namespace"} <= {one["kind"] for one in cluster.applied()}


def test_a_second_namespace_has_volumes_and_folders_of_its_own(cluster: Cluster) -> None:
    cluster.answers = [kubectl("get pv -o", "voice-riva|voice-workflow|/data/riva|node001|Bound")]
    done = cluster.run("deploy_infra", "--llm", "none", "--namespace", "staging")
    assert done.returncode == 0, done.stderr
    volumes = [one for one in cluster.applied() if one["kind"] == "PersistentVolume"]
    assert {one["metadata"]["name"]: one["spec"]["local"]["path"] for one in volumes} == {
        "voice-staging-riva": "/data/staging/riva",
        "voice-staging-llm": "/data/staging/nim/llm",
        "voice-staging-asr": "/data/staging/nim/asr",
        "voice-staging-tts": "/data/staging/nim/tts",
    }
    job = next(one for one in cluster.applied() if one["kind"] == "Job")
    assert "/data/staging/riva" in json.dumps(job)


def test_an_older_second_installation_keeps_its_names(cluster: Cluster) -> None:
    cluster.answers = [kubectl("get pv -o", "voice-riva|staging|/data/riva|node001|Bound")]
    assert cluster.run("deploy_infra", "--llm", "none", "--namespace", "staging").returncode == 0
    volumes = [one for one in cluster.applied() if one["kind"] == "PersistentVolume"]
    names = {one["metadata"]["name"] for one in volumes}
    assert names == {"voice-riva", "voice-llm", "voice-asr", "voice-tts"}


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (
            kubectl("get pv -o", "voice-llm|speech|/mnt/llm|node001|Bound\n"),
            "the folder /mnt/llm on node001 is taken by the volume voice-llm of the namespace spe",
        ),
        (
            kubectl("get pv -o", "lab-llm|speech|/mnt/llm|node001|Bound\n"),
            "the volume lab-llm belongs to the namespace speech: give yours other names",
        ),
    ],
    ids=["folder", "name"],
)
def test_what_another_namespace_has_is_not_taken(
    answer: Answer, said: str, cluster: Cluster, tmp_path: Path
) -> None:
    settings = tmp_path / "lab.env"
    settings.write_text("VOLUMES=lab\nLLM_PATH=/mnt/llm\n")
    cluster.answers = [answer]
    done = cluster.run("deploy_infra", "--settings", str(settings), env={"NGC_API_KEY": KEY})
    assert done.returncode == 1
    assert said in only_line(done)
    assert cluster.changes() == []


# --- GPUs ---


def gpus(nodes: str, pods: str = "") -> list[Answer]:
    return [
        kubectl("get nodes -o jsonpath={range", nodes),
        kubectl("get pods --all-namespaces", pods),
    ]


TAKEN = "other|trainer-0|node001|2 1\n"
OWN = "voice-workflow|llm-nim-x|node001|1\nvoice-workflow|riva-api-x|node001|1\n"


@pytest.mark.parametrize(
    ("answers", "options", "said"),
    [
        (gpus("n|1||\n"), (), "2 GPUs are needed (the chat model 1, Riva 1; see --speech), and 1"),
        (gpus("n|2||\n"), ("--speech", "nim"), "3 GPUs are needed (the chat model 1, the speech"),
        (gpus("n|4||\n", TAKEN), (), "and 1 of the cluster's 4 are free: free some, add a node"),
        (gpus("n|4|4|81559\n"), (), "n offers one GPU 4 times, and the chat model alone would"),
        (gpus("n|4|4|24576\n"), ("--one-gpu",), "a GPU of n has 24576 MiB, and the chat model"),
    ],
    ids=["one", "nims", "taken", "shared", "small"],
)
def test_too_few_gpus_are_said_before_anything_is_installed(
    answers: list[Answer], options: tuple[str, ...], said: str, cluster: Cluster
) -> None:
    cluster.answers = answers
    done = cluster.run("deploy_infra", *options, env={"NGC_API_KEY": KEY})
    assert done.returncode == 1
    assert said in only_line(done)
    assert cluster.changes() == []


@pytest.mark.parametrize(
    ("answers", "options"),
    [
        (gpus("n|2||\n", OWN), ()),
        (gpus("n|1||\n"), ("--speech", "none")),
        (gpus("n|4||\n", "other|waits||4\n"), ()),
    ],
    ids=["its own", "chat alone", "no node yet"],
)
def test_enough_gpus(answers: list[Answer], options: tuple[str, ...], cluster: Cluster) -> None:
    cluster.answers = answers
    done = cluster.run("deploy_infra", *options, env={"NGC_API_KEY": KEY})
    assert done.returncode == 0, done.stderr


def chat_model(cluster: Cluster, kind: str) -> dict[str, Any]:
    return next(one for one in cluster.applied() if one["kind"] == kind)["spec"]


def test_one_gpu_for_all_bounds_the_chat_model(cluster: Cluster) -> None:
    cluster.answers = gpus("n|4|4|81559\n")
    done = cluster.run("deploy_infra", "--one-gpu", env={"NGC_API_KEY": KEY})
    assert done.returncode == 0, done.stderr
    (nim,) = chat_model(cluster, "Deployment")["template"]["spec"]["containers"]
    assert {"name": "NIM_KVCACHE_PERCENT", "value": "0.6"} in nim["env"]


def test_a_share_of_a_gpu_by_another_name_and_a_runtime(cluster: Cluster, tmp_path: Path) -> None:
    settings = tmp_path / "k3s.env"
    share = "nvidia.com/mig-3g.40gb"
    settings.write_text(f"GPU_RESOURCE={share}\nRUNTIME_CLASS=nvidia\nLLM_GPU_MEMORY=.5")
    for kind, llm in (("Deployment", "plain"), ("NIMService", "operator")):
        options = ("--settings", str(settings), "--llm", llm)
        done = cluster.run("deploy_infra", *options, env={"NGC_API_KEY": KEY})
        assert done.returncode == 0, done.stderr
        spec = chat_model(cluster, kind)
        pod = spec["template"]["spec"] if kind == "Deployment" else spec
        nim = pod["containers"][0] if kind == "Deployment" else spec
        assert nim["resources"]["limits"] == {"memory": "64Gi", share: 1}
        assert {"name": "NIM_KVCACHE_PERCENT", "value": ".5"} in nim["env"]
        assert pod["runtimeClassName"] == "nvidia"
    asked = [one for one in cluster.said() if "allocatable" in one]
    assert asked
    assert all(r"nvidia\.com/mig-3g\.40gb" in one for one in asked)


def test_two_ways_to_have_volumes_are_one_too_many(cluster: Cluster) -> None:
    done = cluster.run("deploy_infra", "--node", "a", "--storage-class", "b")
    assert done.returncode == 2
    assert "--node and --storage-class: give one" in only_line(done)
