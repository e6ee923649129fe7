"""Whether a gateway grows with its calls: `benchmarks/churn.py` in short, and what it counts."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest
from owned_processes import output

from churn.flatness import Sample, problems, slope

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "churn.py"
SHORT = "--minutes 0.7 --rate 50".split()
FLAT = Sample(0, 100_000_000, 200_000_000, tasks=17, threads=6, descriptors=50)
NOISE = (0, 90_000, -60_000, 30_000, -20_000, 70_000, -90_000, 10_000, 50_000, -40_000)


def samples(leak: int = 0, **grown: int) -> list[Sample]:
    """Of 10 rounds of 200 calls each, of whose memory some is only being used at the moment."""
    made = [
        replace(FLAT, calls=200 * n, used_bytes=FLAT.used_bytes + noise + leak * 200 * n)
        for n, noise in enumerate(NOISE, start=1)
    ]
    return [*made[:-4], *(replace(sample, **grown) for sample in made[-4:])]


def test_what_stays_as_it_is_is_flat():
    assert problems(samples()) == []


def test_two_kilobytes_of_each_call_are_a_leak():
    (found,) = problems(samples(leak=2_000))
    assert found.startswith("memory in use grows by ")
    assert slope(samples(leak=2_000), "used_bytes").of == pytest.approx(2_000, abs=100)


def test_what_cannot_be_told_is_not_called_flat():
    few = [replace(sample, calls=sample.calls // 20) for sample in samples()]
    (found,) = problems(few)
    assert "cannot be told" in found
    assert problems(few[:4]) == ["only 2 samples after the warm-up; at least 5"]


def test_descriptors_threads_and_tasks_that_stay_are_told():
    assert problems(samples(descriptors=56, threads=8, tasks=19)) == []
    assert problems(samples(descriptors=57, threads=9, tasks=20)) == [
        "3 more tasks than at first",
        "3 more threads than at first",
        "7 more descriptors than at first",
    ]


def test_resident_memory_that_grows_is_told():
    grown = [
        replace(one, resident_bytes=one.resident_bytes + 6_000 * one.calls) for one in samples()
    ]
    (found,) = problems(grown)
    assert found.startswith("resident memory grows by 6000 bytes a call")


@pytest.mark.alone
@pytest.mark.timeout(300)
@pytest.mark.skipif(sys.platform != "linux", reason="the benchmark is Linux's")
@pytest.mark.parametrize(("plant", "status"), [("0", 0), ("20000", 1)])
async def test_a_gateway_stays_flat_and_a_planted_leak_is_found(plant: str, status: int):
    ended, table, said = await output(sys.executable, str(SCRIPT), *SHORT, "--plant", plant)

    assert ended == status, table + said
    assert "ended in 19 ways" in table
    grows = [line for line in said.splitlines() if "memory in use grows by" in line]
    assert len(grows) == status, said
