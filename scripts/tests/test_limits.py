"""What `conftest.py` at the top promises: a test that hangs or breaks costs itself alone."""

import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).parents[2]

SUITE = """
import asyncio
import subprocess
import time

import pytest
from owned_processes import program

brief = pytest.mark.timeout(1)

@pytest.fixture
def broken():
    raise RuntimeError("broken")

@pytest.fixture
async def broken_later():
    yield
    raise RuntimeError("broken")

@brief
def test_that_hangs(): time.sleep(600)

@brief
def test_whose_program_hangs(): subprocess.run(["sleep", "600"])

@brief
async def test_coroutine_that_hangs(): await asyncio.Event().wait()

@brief
async def test_group_that_hangs():
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(asyncio.Event().wait())

@brief
async def test_coroutine_whose_program_hangs():
    async with program("sleep", "600", stdout=asyncio.subprocess.PIPE) as process:
        await process.wait()

async def test_whose_output_is_not_read():
    async with program("yes", stdout=asyncio.subprocess.PIPE) as process:
        await process.stdout.readline()

def test_with_a_broken_fixture(broken): pass

async def test_with_one_that_breaks_later(broken_later): pass

@pytest.mark.parametrize("number", range(20))
async def test_that_is_fine(number): await asyncio.sleep(0)
"""


def test_what_hangs_or_breaks_costs_itself_alone(tmp_path: Path):
    (tmp_path / "test_suite.py").write_text(SUITE)
    (tmp_path / "conftest.py").write_bytes((TOP / "conftest.py").read_bytes())
    (tmp_path / "pytest.ini").write_text(
        "[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n"
        "filterwarnings = error\ntimeout_func_only = true\n"
        f"pythonpath = {TOP / 'scripts' / 'testing'}\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_suite.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1, done.stdout + done.stderr
    *_, summary = done.stdout.splitlines()
    assert summary.startswith("5 failed, 22 passed, 2 errors"), done.stdout
    assert "the test took longer than 1 s" in done.stdout
