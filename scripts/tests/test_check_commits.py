"""Commit messages: what is let through, what is refused, and in which words."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "check_commits.py"
LONG = "Say in the subject what belongs into the body, and go on about it for too long"


def run(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, SCRIPT, *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=20, check=False)


def git(folder: Path, *arguments: str) -> None:
    who = ("-c", "user.name=A", "-c", "user.email=a@example.org")
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True, timeout=20)


@pytest.mark.parametrize(
    "message",
    [
        "Refuse a port that is taken",
        "Refuse a port that is taken\n\nIt was told by a traceback.\n",
        "x" * 72,
        "क" * 72,
        "Refuse a port\n# Please enter the commit message.\n",
    ],
)
def test_it_is_let_through(message: str, tmp_path: Path):
    (tmp_path / "message").write_text(message)
    done = run("message", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("message", "complaint"),
    [
        ("x" * 73, "has 73 characters, allowed are 72"),
        ("Refuse a port.", "ends in a full stop"),
        ("Refuse a port\nthat is taken", "leave a blank line"),
        ("# nothing\n", "needs a subject"),
        ("", "needs a subject"),
    ],
)
def test_it_is_refused_in_one_line(message: str, complaint: str, tmp_path: Path):
    (tmp_path / "message").write_text(message)
    done = run("message", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("check_commits: ")
    assert complaint in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_branch_is_checked_from_where_it_began(tmp_path: Path):
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    git(tmp_path, "commit", "--quiet", "--allow-empty", "-m", f"{LONG}, and before the branch")
    git(tmp_path, "checkout", "--quiet", "-b", "more")
    git(tmp_path, "commit", "--quiet", "--allow-empty", "-m", "Refuse a port", "-m", "Two.\nLines.")
    assert run("--since", "main", cwd=tmp_path).returncode == 0
    git(tmp_path, "commit", "--quiet", "--allow-empty", "-m", LONG)
    done = run("--since", "main", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert LONG in done.stderr


def test_what_cannot_be_read_is_named(tmp_path: Path):
    assert run("nowhere", cwd=tmp_path).returncode == 2
    assert run("--since", "nowhere", cwd=tmp_path).returncode == 2
    assert run(cwd=tmp_path).returncode == 2
