"""The shape of the house: names that are found at once, functions that are read at once."""

import ast
import subprocess
from collections import Counter
from pathlib import Path
from statistics import median

TOP = Path(__file__).parents[2]
EXPECTED_BY_TOOLS = frozenset(
    """__init__.py __main__.py conftest.py py.typed pyproject.toml package.json package-lock.json
    kustomization.yaml README.md values.yaml Chart.yaml""".split()
)
MOST_OF_A_NAME = 2
LONGEST_FUNCTION = 60  # lines


def files() -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files"], cwd=TOP, check=True, capture_output=True, text=True
    )
    return [name for name in listed.stdout.splitlines() if (TOP / name).is_file()]


def test_no_file_name_stands_more_than_twice():
    names = Counter(Path(file).name for file in files())
    often = {name for name, count in names.items() if count > MOST_OF_A_NAME}
    assert often <= EXPECTED_BY_TOOLS


def test_functions_are_short():
    lengths: dict[str, int] = {}
    for file in files():
        if not file.endswith(".py") or file.endswith(("_pb2.py", "_pb2_grpc.py")):
            continue
        for node in ast.walk(ast.parse((TOP / file).read_text(), file)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno:
                lengths[f"{file}:{node.lineno}"] = node.end_lineno - node.lineno + 1
    assert [where for where, lines in lengths.items() if lines > LONGEST_FUNCTION] == []
    assert median(lengths.values()) < 10
