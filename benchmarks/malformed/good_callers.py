"""Two callers who do nothing wrong, beside those who do: one on gRPC, one on the WebSocket."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from voice_gateway.testing.line import dial
from voice_gateway.testing.program import connect
from voice_proto import voice_workflow_pb2 as pb

from shared.clock import now

_ANSWER_S = 20.0
_EVERY_S = 1.0


@dataclass(slots=True)
class Turns:
    """What became of the turns so far."""

    answers_s: list[float] = field(default_factory=list[float])
    """From a turn to its first words, or its first event."""
    problems: list[str] = field(default_factory=list[str])


async def _talk(address: str, turns: Turns, over: asyncio.Event) -> None:
    async with dial(address, _ANSWER_S) as line:
        await line.say(config=pb.VoiceConfig(session_id="good"))
        while not over.is_set():
            asked_at = now()
            await line.say(text_input="and now?")
            await line.until(pb.SPEAKING)
            turns.answers_s.append(now() - asked_at)
            await line.until(pb.END_OF_TURN)
            line.received.clear()
            await asyncio.sleep(_EVERY_S)


async def _type(page: str, turns: Turns, over: asyncio.Event) -> None:
    port = int(page.rstrip("/").rpartition(":")[2])
    async with connect(port) as program:
        program.patience_s = _ANSWER_S
        while not over.is_set():
            asked_at = now()
            await program.type("and now?")
            await program.until("response.output_audio.delta")
            turns.answers_s.append(now() - asked_at)
            done = await program.until("response.done")
            if (status := done["response"]["status"]) != "completed":
                turns.problems.append(f"a good caller's response was {status}")
            program.received.clear()
            await asyncio.sleep(_EVERY_S)


async def _held(front: str, talking: "asyncio.Future[None]", turns: Turns) -> None:
    try:
        await talking
    except Exception as error:  # noqa: BLE001  # a good call that is lost is what is looked for
        turns.problems.append(f"the good call on {front} was lost: {type(error).__name__}: {error}")


@asynccontextmanager
async def good_callers(address: str, page: str) -> AsyncGenerator[Turns]:
    """Hold both calls meanwhile, a turn a second each."""
    turns, over = Turns(), asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        both = (("gRPC", _talk(address, turns, over)), ("the WebSocket", _type(page, turns, over)))
        for front, talking in both:
            tasks.create_task(_held(front, asyncio.ensure_future(talking), turns))
        try:
            yield turns
        finally:
            over.set()
