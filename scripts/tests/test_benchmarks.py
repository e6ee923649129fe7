"""A benchmark answers one question, by one command, from a folder of its own."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SHARED = "shared"
QUESTIONS = sorted(path.stem for path in BENCHMARKS.glob("*.py"))

pytestmark = pytest.mark.timeout(300)  # programs are started, beside whatever else runs


def command(question: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    script = [sys.executable, str(BENCHMARKS / f"{question}.py")]
    return subprocess.run(
        [*script, *arguments], capture_output=True, text=True, timeout=150, check=False
    )


def modules() -> dict[str, Path]:
    """All modules that can be imported, by the name they are imported by."""
    files = sorted(BENCHMARKS.glob("*/*.py"))
    return {f"{path.parent.name}.{path.stem}": path for path in files if path.stem != "__init__"}


def imported(path: Path) -> set[str]:
    """What a file imports, anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.module, f"{path}: a relative import"
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


@pytest.mark.parametrize("question", QUESTIONS)
def test_help_says_what_is_measured_and_how_it_is_asked(question: str):
    told = command(question, "--help")

    assert told.returncode == 0, told.stderr
    assert (ast.get_docstring(ast.parse(program(question).read_text())) or "?") in told.stdout
    assert f"benchmarks/{question}.py" in told.stdout


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_wrong_argument_is_refused_in_one_line(question: str):
    told = command(question, "--colour", "red")

    assert told.returncode == 2
    assert told.stdout == ""
    assert told.stderr.splitlines() == [
        f"{question}.py: unrecognized arguments: --colour red (see --help)"
    ]


def test_a_number_out_of_range_is_refused_with_the_range():
    told = command("heard", "--calls", "0")

    assert told.returncode == 2
    assert told.stderr == (
        "heard.py: argument --calls: '0' is no whole number from 20 to 5000 (see --help)\n"
    )


def program(question: str) -> Path:
    return BENCHMARKS / question / "__main__.py"


def test_every_folder_is_a_question_or_shared():
    folders = {path.parent.name for path in modules().values()}

    assert folders == {*QUESTIONS, SHARED}
    assert all(program(question).exists() for question in QUESTIONS)
    # The folder is what Python imports, beside a script of its name, because it is a package.
    assert all((BENCHMARKS / folder / "__init__.py").exists() for folder in folders)


def test_a_question_knows_itself_and_what_is_shared():
    for name, path in modules().items():
        own = name.partition(".")[0]
        known = {one.partition(".")[0] for one in imported(path)}
        assert known & {*QUESTIONS, SHARED} <= {own, SHARED}, path


def test_no_circle_between_files():
    names = modules()
    graph = {name: imported(path) & names.keys() for name, path in names.items()}

    assert set(TopologicalSorter(graph).static_order()) == names.keys()
