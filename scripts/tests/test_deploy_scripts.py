"""The deployment scripts against a recording stand-in of kubectl, helm and docker.

What they do, in which order; what they say when something is wrong; and that no key is ever
printed, an argument of a program, or inherited by one.
"""

import re
from pathlib import Path

import pytest
from stand_in_cluster import KEY, Cluster, kubectl, only_line, pod

SCRIPTS = (
    "deploy_infra",
    "deploy_riva",
    "deploy_gateway",
    "build_gateway",
    "status",
    "teardown",
)


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
        ("deploy_infra", ("--speech", "x"), "--speech x: must be riva, nim or none"),
        ("deploy_riva", ("--timeout",), "--timeout needs a value"),
        ("deploy_riva", ("--mode", "jarvis"), "--mode jarvis: must be riva or nim"),
        (
            "deploy_gateway",
            ("--overlay", "moon"),
            "--overlay moon: must be one of english-and-hindi gpu-cluster",
        ),
        ("build_gateway", ("--engine", "kaniko"), "must be docker, podman or buildah"),
        ("build_gateway", ("--tag", "a b"), "is no tag for an image"),
        ("build_gateway", ("--platform", "amd64"), "must be such as linux/amd64"),
        ("build_gateway", ("--platform", "linux/amd64,linux/arm64"), "needs a registry"),
        ("build_gateway", ("--push",), "--push needs --registry NAME"),
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
        ("build_gateway", ("--push", "--registry", "reg.example.org/voice")),
        ("build_gateway", ("--load",)),
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


@pytest.mark.timeout(300)  # six runs of scripts
def test_a_second_run_does_the_same(cluster: Cluster) -> None:
    for script in ("deploy_infra", "deploy_riva", "deploy_gateway"):
        cluster.run(script, env={"NGC_API_KEY": KEY})
        first = cluster.changes()
        (cluster.folder / "calls.jsonl").unlink()
        assert cluster.run(script, env={"NGC_API_KEY": KEY}).returncode == 0
        assert cluster.changes() == first
        (cluster.folder / "calls.jsonl").unlink()


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
