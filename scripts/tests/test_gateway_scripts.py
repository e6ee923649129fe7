"""The gateway's deployment, image, status and teardown against a stand-in cluster."""

import io
import json
import re
import subprocess
import tarfile
from pathlib import Path

import pytest
from stand_in_cluster import KEY, TOP, Answer, Cluster, kubectl, only_line, pod

GPU = "0/2 nodes are available: 1 Insufficient nvidia.com/gpu, 1 node(s) had untolerated taint."


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


NO_ROOM = "0/1 nodes are available: 1 Insufficient cpu."
TESTED = kubectl(
    "get pods -l .*component=test .*PodScheduled", f"gw-test|Pending|False|| |{NO_ROOM}|\n"
)


def test_what_the_tests_pod_waits_for_is_said(cluster: Cluster) -> None:
    cluster.answers = [
        {"program": "helm", "says": "^test", "out": "heard it\n", "after": "component=test"},
        TESTED,
    ]
    done = cluster.run("deploy_gateway", "--test", env={"DEPLOY_GRACE_S": "30"})
    assert done.returncode == 0, done.stderr
    assert "no node has room for gw-test: lower resources.requests" in done.stdout
    assert "heard it" in done.stdout


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (f"gw-test|Pending|False|| |{NO_ROOM}|", "the test cannot run: no node has room for gw-te"),
        (
            "gw-test|Pending|False|| ErrImagePull||voice:9: not found",
            "the test cannot run: there is no such image for gw-test: check its name and tag",
        ),
    ],
)
def test_a_test_that_will_never_run_is_ended(line: str, said: str, cluster: Cluster) -> None:
    cluster.answers = [
        {"program": "helm", "says": "^test", "after": "is never recorded by any call$"},
        kubectl("get pods -l .*component=test", f"{line}\n"),
    ]
    done = cluster.run("deploy_gateway", "--test")
    assert done.returncode == 1
    assert said in only_line(done)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("3", "the gateway was not reached; kubectl -n voice-workflow get networkpolicy"),
        ("4", "the call was refused or broke off; kubectl -n voice-workflow logs voice-gateway"),
        ("5", "nothing was recognised: set test.text where Riva hears another language"),
        ("6", "the answer had no audio"),
        ("137", "voice-gateway-gateway-conversation (status 137)"),
        ("", "its pod did not end (no node has room for gw-test"),
    ],
)
def test_a_turn_that_fails(code: str, said: str, cluster: Cluster) -> None:
    cluster.answers = [
        {"program": "helm", "says": "^test", "after": "component=test", "status": 1},
        kubectl("get pods -l .*exitCode", f"{code}\n"),
        TESTED,
    ]
    done = cluster.run("deploy_gateway", "--test", env={"DEPLOY_GRACE_S": "30"})
    assert done.returncode == 1
    assert said in only_line(done)


def test_gateway_that_does_not_reach_what_is_behind_it(cluster: Cluster) -> None:
    log = (
        "WARNING upstream asr is down, trying on: Riva at riva-api:50051: connection refused\n"
        "WARNING upstream llm is down, trying on: no route to http://llm-nim:8000\n"
        "INFO upstream asr is up: 2 models\n"
        "INFO upstream tts is up: 1 voice\n"
    )
    cluster.answers = [kubectl("logs", log), *pod("gw", "Running")]
    done = cluster.run("deploy_gateway", "--timeout", "0")
    assert done.returncode == 1
    assert (
        "voice-gateway-gateway is not ready after 0 s, and goes on by itself: llm does not answer "
        "(no route to http://llm-nim:8000); check settings.RIVA_URI and settings.LLM_BASE_URL"
    ) in only_line(done)


def test_the_first_versions_deployment_is_not_upgraded_half_way(cluster: Cluster) -> None:
    cluster.answers = [kubectl("get deployment .* go-template", "app=voice-gateway,")]
    done = cluster.run("deploy_gateway")
    assert done.returncode == 1
    assert "is of the first version, whose pods no upgrade takes over: helm un" in only_line(done)
    assert cluster.changes() == []


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


def test_teardown_takes_only_its_own(cluster: Cluster) -> None:
    cluster.answers = [
        kubectl("get namespace .*part-of", ""),
        kubectl("get secret imagepullsecret .*part-of", ""),
        kubectl("get storageclass .*part-of", ""),
    ]
    done = cluster.run("teardown", "--yes", "--all", "--namespace", "staging")
    assert done.returncode == 0, done.stderr
    changes = "\n".join(cluster.changes())
    assert "pv voice-staging-riva" in changes
    assert "secret ngc-api" in changes
    for others in ("voice-riva", "storageclass", "namespace staging\n", "imagepullsecret"):
        assert others not in f"{changes.replace('--namespace staging', '')}\n"
    for said in ("staging stays, it was there before", "imagepullsecret stays: these scripts"):
        assert said in done.stdout


@pytest.mark.parametrize(
    ("users", "gone"), [("local-storage|voice-staging-riva\nfast|x\n", False), ("fast|x\n", True)]
)
def test_a_storage_class_goes_with_its_last_user(users: str, gone: bool, cluster: Cluster) -> None:
    cluster.answers = [
        kubectl("get storageclass .*part-of", "voice-workflow"),
        kubectl("get pv,pvc --all-namespaces", users),
    ]
    done = cluster.run("teardown", "--yes", "--all")
    assert done.returncode == 0, done.stderr
    deleted = [one for one in cluster.changes() if "storageclass local-storage" in one]
    assert bool(deleted) == gone
    assert gone or "local-storage stays: voice-staging-riva use it" in done.stdout


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
    listed = cluster.folder / "images" / "voice-gateway-test-1.cdx.json"
    assert done.returncode == 0, done.stdout + done.stderr
    changes = cluster.changes()
    assert changes[0].startswith("docker build --file services/voice-gateway/Dockerfile")
    assert "--tag reg.example.org/voice/voice-gateway:test-1" in changes[0]
    assert re.search(r"REVISION=[0-9a-f]{40}", changes[0])
    assert changes[-1] == "docker push reg.example.org/voice/voice-gateway:test-1"
    purls = [one["purl"] for one in json.loads(listed.read_text())["components"]]
    assert purls == ["pkg:deb/debian/libc6@2.41", "pkg:pypi/grpcio@1.85.0"]
    assert "2 packages" in done.stdout


def test_engine_that_works_is_taken(cluster: Cluster) -> None:
    cluster.answers = [{"program": "docker", "says": "^version", "status": 1}]
    cluster.run("build_gateway", "--no-sbom", programs=("docker", "podman"))
    assert [one.split()[0] for one in cluster.changes()] == ["podman"]


def test_authorities_of_a_proxy(cluster: Cluster, tmp_path: Path) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.touch()
    arguments = ("build_gateway", "--no-sbom", "--ca", str(bundle))
    refused = cluster.run(*arguments)
    assert "docker cannot; use --engine podman or buildah" in only_line(refused)
    done = cluster.run(*arguments, "--engine", "buildah", programs=("buildah",))
    assert done.returncode == 0, done.stderr
    assert f"--volume {bundle}:/etc/ssl/certs/ca-certificates.crt:ro" in cluster.changes()[0]


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
