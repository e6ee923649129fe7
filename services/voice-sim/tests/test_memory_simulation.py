"""Random calls, remembered by stores that are slow, hang or fail: nothing else changes."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from voice_gateway.conversation import Message
from voice_gateway.errors import Unavailable
from voice_gateway.ports import Memory
from voice_sim.call_record import Record
from voice_sim.draw import drawn
from voice_sim.rules.invariants import broken
from voice_sim.simulation import simulated

FOR_EVER_S = 99.0

# What a store may cost: its second after the last turn.
ITS_PRICE = ("the call went on for 1.0 s", "the goodbye was over at", "was not told")


@dataclass
class Store(Memory):
    recall_s: float = 0.0
    keep_s: float = 0.0
    fails: bool = False

    async def recall(self) -> tuple[Message, ...]:
        await self._take(self.recall_s)
        return ()

    async def keep(self, messages: Sequence[Message]) -> None:
        await self._take(self.keep_s)

    async def _take(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        if self.fails:
            raise Unavailable("memory", "scripted")


def wrong(record: Record) -> list[str]:
    return [said for said in broken(record) if not any(price in said for price in ITS_PRICE)]


@pytest.mark.parametrize(
    ("recall_s", "keep_s", "fails"),
    [
        (0.0, FOR_EVER_S, False),
        (0.2, 0.01, False),
        (0.0, 1.0, True),
        (FOR_EVER_S, FOR_EVER_S, False),
    ],
)
def test_whatever_the_store_does_calls_are_as_they_should_be(
    recall_s: float, keep_s: float, fails: bool
):
    for seed in range(100):
        assert wrong(simulated(drawn(seed), memory=Store(recall_s, keep_s, fails))) == [], seed
