"""What no client should send: `benchmarks/malformed.py` in short, and its parsers on their own."""

import asyncio
import json
import sys
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from owned_processes import output

from malformed.mutations import changed_bytes, changed_text, changed_value
from malformed.parsers import PARSERS, seeds
from malformed.plans import EVENTS, drawn
from malformed.told import PLANTED, insides, strictly

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "malformed.py"
SHORT = "--messages 1500 --calls 12".split()
SEEDS = {parser: seeds(parser, 1) for parser in PARSERS}

numbers = st.integers(0, 2**32)


@pytest.mark.alone
@pytest.mark.timeout(300)
@pytest.mark.skipif(sys.platform != "linux", reason="the benchmark is Linux's")
async def test_no_malformed_message_breaks_anything_beside_its_own_call(tmp_path: Path):
    file = tmp_path / "figures.json"

    status, table, said = await output(sys.executable, str(SCRIPT), *SHORT, "--json", str(file))

    assert status == 0, said
    figures: dict[str, Any] = json.loads(await asyncio.to_thread(file.read_text))
    assert figures["messages"] >= 1500, table
    assert figures["good_turns"], table
    fronts = {how.partition(":")[0] for how in figures["ended"]}
    assert fronts == {"grpc", "realtime", "page", "bytes"}, table


@pytest.mark.parametrize("parser", sorted(PARSERS))
@settings(max_examples=150)
@given(data=st.data())
def test_a_parser_refuses_what_it_cannot_read_and_never_breaks(parser: str, data: st.DataObject):
    seed, number = data.draw(st.sampled_from(SEEDS[parser])), data.draw(numbers)
    PARSERS[parser](changed_bytes(seed, Random(number)))


@pytest.mark.parametrize("parser", sorted(PARSERS))
@settings(max_examples=50)
@given(data=st.binary(max_size=300))
def test_a_parser_refuses_any_bytes(parser: str, data: bytes):
    PARSERS[parser](data)


SAYS = ("!p", "!thello", "!a", "!o", "!c", "!fhello", "!iwell")


@settings(max_examples=150)
@given(st.lists(st.tuples(st.integers(0, 3), numbers), max_size=24))
def test_events_in_no_order_and_changed_are_followed_or_refused(drawn_lines: list[tuple[int, int]]):
    PARSERS["realtime"]("\n".join(_line(*each) for each in drawn_lines).encode(errors="replace"))


def _line(kind: int, number: int) -> str:
    """What the call says, an event, one with an odd value, or one that is hardly JSON."""
    random = Random(number)
    if kind == 0:
        return random.choice(SAYS)
    event = random.choice(EVENTS)(random)
    if kind == 1:
        return json.dumps(event)
    if kind == 2:
        return json.dumps(changed_value(event, random))
    return changed_text(json.dumps(event), random).replace("\n", " ")


def test_a_seed_draws_the_same_calls():
    assert [drawn(3, number) for number in range(50)] == [drawn(3, n) for n in range(50)]
    assert drawn(3, 1) != drawn(4, 1)


@pytest.mark.parametrize(
    "text",
    [
        "Traceback (most recent call last):",
        "/usr/lib/python3.11/x",
        "ValueError: no",
        "<Call object at 0x7f0a12345678>",
        "connect to 127.0.0.1:50051 failed",
        f"Incorrect API key provided: {PLANTED}",
    ],
)
def test_insides_are_found(text: str):
    assert insides(text)


def test_what_the_gateway_says_of_mistakes_holds_no_insides():
    said = "'session.voice' must be a string, not a number. A message is no ClientMessage; see "
    assert insides(said + "voice_workflow.proto") == []
    with pytest.raises(ValueError, match="NaN is no JSON"):
        strictly('{"a": NaN}')
