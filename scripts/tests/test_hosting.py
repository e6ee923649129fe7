"""What the hosting platform and git's hooks run: the project's own checks, and nothing unpinned."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

TOP = Path(__file__).parents[2]
HOSTED = TOP / ".github"
WORKFLOW = HOSTED / "workflows" / "test.yml"
HOOKS = TOP / ".pre-commit-config.yaml"

pytestmark = pytest.mark.timeout(300)


def check(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [TOP / "scripts" / "check_hosting.sh", folder], capture_output=True, text=True, timeout=50
    )


@pytest.fixture
def hosted(tmp_path: Path) -> Path:
    return Path(shutil.copytree(HOSTED, tmp_path / ".github"))


def test_ours_pass():
    done = check(HOSTED)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("workflows/test.yml", "runs-on:", "run-on:", "'runs-on' is a required property"),
        ("workflows/test.yml", "actions/cache@v4", "actions/cache", "missing `@<ref>`"),
        ("workflows/test.yml", "actions/cache@v4", "other/cache@v4", "unpinned"),
        ("workflows/test.yml", '"$BASE"', "${{ github.head_ref }}", "template-injection"),
        ("ISSUE_TEMPLATE/bug.yml", "type: textarea", "type: textbox", "textbox"),
        ("ISSUE_TEMPLATE/config.yml", "true", "perhaps", "perhaps"),
    ],
)
def test_a_fault_is_named(hosted: Path, file: str, old: str, new: str, said: str):
    text = (hosted / file).read_text()
    assert old in text
    (hosted / file).write_text(text.replace(old, new))
    done = check(hosted)
    assert done.returncode != 0
    assert said in done.stdout + done.stderr


def test_the_workflow_runs_what_everybody_runs():
    (job,) = yaml.safe_load(WORKFLOW.read_text())["jobs"].values()
    assert job["steps"][-1] == {"run": "./scripts/test.sh"}


def test_hooks_are_the_projects_own():
    config = cast("dict[str, Any]", yaml.safe_load(HOOKS.read_text()))
    assert [one["repo"] for one in config["repos"]] == ["local"]
    for hook in config["repos"][0]["hooks"]:
        assert hook["language"] == "system"
        for script in re.findall(r"scripts/\S+", hook["entry"]):
            assert (TOP / script).exists(), script
