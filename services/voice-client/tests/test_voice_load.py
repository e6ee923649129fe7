"""`voice load`: what it counts, what it shows, that it ends."""

import json
from collections import Counter

import grpc
import pytest
from voice_client.__main__ import run
from voice_client.call import Gateway, Hello
from voice_client.failures import Exit
from voice_client.load import Plan, Tally, quantile, report
from voice_client.options import read_options
from voice_client.testing import Caller, Script, scripted_gateway

CLIP = "@en_cards_10c"
REPLY = b"\1\2" * 1600


async def load(script: Script, *options: str) -> Exit:
    async with scripted_gateway(script) as gateway:
        options = ("load", CLIP, "--server", gateway.address, "--timeout", "60", *options)
        return await run(read_options([*options, "--duration", "1"]))


async def answer(caller: Caller) -> None:
    await caller.accept()
    await caller.samples(16_000)
    await caller.heard("ten of clubs", final=True)
    await caller.answer("A card.", REPLY)
    await caller.half_close()


async def test_calls_are_held_at_once_and_measured(capsys: pytest.CaptureFixture[str]):
    assert await load(answer, "--calls", "4", "--ramp", "0", "--json") is Exit.ANSWERED
    told = json.loads(capsys.readouterr().out)
    assert told["at_once"] == 4
    assert told["failures"] == {}
    assert told["calls"] == told["turns"] >= 4
    assert told["latency_ms"]["total"] == {"p50": 550, "p90": 550, "p99": 550, "max": 550} | {
        "turns": told["turns"]
    }
    assert "measured" in told["latency_ms"]


async def test_refusals_are_counted_by_their_status(capsys: pytest.CaptureFixture[str]):
    async def full(caller: Caller) -> None:
        await caller.receive()
        await caller.context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "full")

    assert await load(full, "--calls", "2", "--ramp", "0") is Exit.CALL_BROKE
    told = capsys.readouterr().out
    assert "2 at once for 1 s: 2 calls, 0 turns, 2 failures" in told
    assert "    2 x  call: RESOURCE_EXHAUSTED\n" in told


async def test_a_call_that_hears_nothing_is_a_failure(capsys: pytest.CaptureFixture[str]):
    async def deaf(caller: Caller) -> None:
        await caller.accept()
        await caller.samples(16_000)
        await caller.answer("What?", REPLY)
        await caller.half_close()

    assert await load(deaf, "--calls", "1") is Exit.CALL_BROKE
    assert "x  turn: not recognised" in capsys.readouterr().out


def test_quantiles_are_values_that_occurred():
    values = [30, 10, 20, 40]
    assert [quantile(values, share) for share in (0.0, 0.5, 0.9, 0.99, 1.0)] == [10, 20, 40, 40, 40]


def test_the_report_names_failures_and_its_own_lateness():
    tally = Tally(3, 2, Counter({"turn: llm timed_out": 1}), {"total": [500, 700]}, 80.0)
    plan = Plan(Gateway("x:1"), Hello(16_000), (), 2, 30.0, 2.0, 60.0)
    assert (
        report(plan, tally)
        == """\
2 at once for 30 s: 3 calls, 2 turns, 1 failures

ms               p50     p90     p99     max   turns
total            500     700     700     700       2

    1 x  turn: llm timed_out

this machine was up to 80 ms late itself: use fewer calls on it"""
    )


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--calls", "0"], "'0': allowed are 1 to 500"),
        (["--calls", "many"], "'many': allowed are 1 to 500"),
        (["--duration", "0"], "'0': allowed are 1 to 3600 seconds"),
        (["--ramp", "-1"], "'-1': allowed are 0 to 3600 seconds"),
    ],
)
def test_it_is_bounded(options: list[str], complaint: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as ended:
        read_options(["load", *options])
    assert ended.value.code == 2
    assert complaint in capsys.readouterr().err
