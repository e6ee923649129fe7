"""Every Mermaid diagram of the documents renders; one that does not is named by file and line."""

import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "check_mermaid.sh"
pytestmark = [
    pytest.mark.skipif(shutil.which("npm") is None, reason="needs Node"),
    pytest.mark.timeout(300),
]


def check(*files: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([SCRIPT, *files], capture_output=True, text=True)


def test_all_diagrams_render():
    done = check()
    assert done.returncode == 0, done.stderr
    assert not done.stdout.startswith("0 diagrams")


def test_a_broken_one_is_named(tmp_path: Path):
    page = tmp_path / "page.md"
    page.write_text("# Page\n\n```mermaid\nflowchart LR\n  a --> b[open\n```\n")
    done = check(page)
    assert done.returncode == 1
    assert f"{page}:3: Parse error" in done.stderr
