"""Measures what a prediction of the end-of-turn network costs, and how it delays the event loop."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from voice_gateway.hearing.end_of_turn import TurnEnds

from shared.figures import Spread, spread
from shared.recordings import RATE_HZ

_TICK_S = 0.005


@dataclass(frozen=True, slots=True)
class Price:
    wall: Spread
    cpu_ms: float
    lag: Spread
    """How late a tick of 5 ms is while the network predicts without pause."""
    idle_lag: Spread


async def price(sound: bytes, ends: TurnEnds, seconds: float = 3.0) -> Price:
    """Measure the time of predictions, and the event loop's lag with them and without."""
    idle = await _lag(seconds)
    walls: list[float] = []
    caller = ends(RATE_HZ)
    caller.feed(sound)
    async with asyncio.TaskGroup() as tasks:
        predicting = tasks.create_task(_predict(caller.probability, walls))
        before = time.process_time()
        lags = await _lag(seconds)
        used = time.process_time() - before
        predicting.cancel()
    return Price(spread(walls), used / max(1, len(walls)) * 1000, spread(lags), spread(idle))


async def _predict(predict: Callable[[], Awaitable[float | None]], walls: list[float]) -> None:
    while True:
        began = time.perf_counter()
        await predict()
        walls.append(time.perf_counter() - began)


async def _lag(seconds: float) -> list[float]:
    loop = asyncio.get_running_loop()
    lags: list[float] = []
    due, end = loop.time(), loop.time() + seconds
    while due < end:
        due += _TICK_S
        await asyncio.sleep(due - loop.time())
        lags.append(loop.time() - due)
    return lags
