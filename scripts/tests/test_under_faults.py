"""Whole calls while every service is killed, paused and reset: `benchmarks/faults.py`, in short."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from owned_processes import output

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "faults.py"
SHORT = "--gateways 3 --calls 3 --times 1 --longest-pause 3 --limit 6".split()


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.skipif(sys.platform != "linux", reason="the benchmark is Linux's")
async def test_no_fault_of_a_service_ends_a_call_or_leaves_anything(tmp_path: Path):
    file = tmp_path / "figures.json"

    _, table, said = await output(sys.executable, str(SCRIPT), *SHORT, "--json", str(file))

    assert file.exists(), said
    figures: dict[str, Any] = json.loads(await asyncio.to_thread(file.read_text))
    happened = [fault for fault in figures["faults"].values() if fault["faults"]]
    assert len(happened) == 9, table
    assert all(fault["seconds"]["answered_s"] for fault in happened), table
    assert (figures["calls_ended"], figures["left_over"]) == ([], {}), table
