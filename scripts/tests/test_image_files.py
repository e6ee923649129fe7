"""What can be said of the images without building them; scripts/test_images.sh builds them."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
DOCKERFILES = sorted(TOP.glob("services/*/Dockerfile"))
HADOLINT = Path(sys.executable).parent / "hadolint"


def test_there_are_two():
    assert [path.parent.name for path in DOCKERFILES] == ["local-stack", "voice-gateway"]


@pytest.mark.skipif(not HADOLINT.exists(), reason="the linter's package is Linux's")
@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.parent.name)
def test_a_linter_finds_nothing(path: Path):
    done = subprocess.run([HADOLINT, "--no-color", path], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_both_start_from_one_base_pinned_by_digest():
    bases = {
        found
        for path in DOCKERFILES
        for found in re.findall(r"^ARG PYTHON_IMAGE=(.+)$", path.read_text(), re.MULTILINE)
    }
    assert len(bases) == 1
    assert re.search(r"@sha256:[0-9a-f]{64}$", bases.pop())


def test_both_use_one_uv():
    versions = [re.findall(r"UV_VERSION=\S+", path.read_text()) for path in DOCKERFILES]
    assert versions[0] == versions[1]


def test_nothing_but_sources_reaches_a_build():
    """The ignore file leaves everything out but what it names."""
    lines = (TOP / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    let_in = [rule[1:] for rule in rules if rule.startswith("!")]
    assert not {"services", "services/*/tests", "out", ".git", ".env"} & set(let_in)
    for pattern in let_in:
        assert list(TOP.glob(pattern)), f"{pattern} names nothing"


def _build_lines(path: Path) -> set[str]:
    stage = path.read_text().partition(" AS build\n")[2].partition("\nFROM ")[0]
    lines = (line.strip().removesuffix("\\").strip() for line in stage.splitlines())
    return {line for line in lines if not line.startswith("#")}


def test_both_are_built_alike():
    """One stage cannot be made from the other; what is not about its own packages is the same."""
    stack, gateway = map(_build_lines, DOCKERFILES)
    own = re.compile(r"--package |services/|^RUN /uv/bin/uv sync --frozen --no-dev")
    assert {line for line in gateway - stack if not own.search(line)} == set()
