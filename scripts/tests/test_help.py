"""Every script says what it does when it is asked, and names an option it does not know."""

import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
SCRIPTS = TOP / "scripts"
SOURCED = {"ensure_uv.sh"}
PROGRAMS = sorted(
    path for path in (*SCRIPTS.glob("*.sh"), *SCRIPTS.glob("*.py")) if path.name not in SOURCED
)
# What must be given before an option is looked at.
NEEDS = {
    "grpc_health.py": ["localhost:1"],
    "image_sbom.py": ["image.tar", "--name", "n", "--version", "1"],
}


def run(program: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    by = ["bash"] if program.suffix == ".sh" else [sys.executable]
    return subprocess.run(
        [*by, program, *arguments], cwd=TOP, capture_output=True, text=True, timeout=30, check=False
    )


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_it_says_how_it_is_used(program: Path):
    shown = run(program, "--help")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout.startswith("usage: ")


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_an_unknown_option_is_named(program: Path):
    refused = run(program, *NEEDS.get(program.name, []), "--nonsense")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "--nonsense" in refused.stderr.splitlines()[-1]


def test_what_is_sourced_is_no_program():
    for name in SOURCED:
        assert (SCRIPTS / name).read_text().startswith("# shellcheck shell=bash\n# Sourced: ")
