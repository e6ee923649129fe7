"""Runs a benchmark's rounds, after one that does not count."""

import gc
import sys
from typing import Protocol


class Rounds(Protocol):
    async def warm_up(self) -> None: ...

    async def round(self) -> None: ...


async def repeat(rounds: Rounds, times: int) -> None:
    await rounds.warm_up()
    gc.collect()
    gc.freeze()  # a pause of the callers would be measured as the gateway's
    for ordinal in range(times):
        print(f"round {ordinal + 1} of {times}", file=sys.stderr)
        await rounds.round()
