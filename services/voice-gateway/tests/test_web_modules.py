"""The web page's own modules, tested where they run without a browser: in Node."""

import shutil
import subprocess
from pathlib import Path

TESTS = Path(__file__).parent / "web_page"


def test_the_pages_modules():
    node = shutil.which("node")
    assert node, "node is missing: install Node 20 or newer"
    run = subprocess.run(
        [node, "--test", *map(str, sorted(TESTS.glob("*.test.js")))],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
