"""Callers that go on over whatever connection, and hold every answer to its words and its sound."""

import asyncio
import secrets
from collections import Counter
from dataclasses import dataclass, field

from voice_client.call import Call, Gateway, Hello, dial
from voice_client.failures import ClientError
from voice_client.messages import Message, Reconnected, ReplyAudio, ReplyText, TurnEnded
from voice_client.pace import Pace

from rolling.rolling_upstreams import answer_to, letters

RATE_HZ = 8_000
PIECE_S = 0.2
PAUSE_S = 0.3
PATIENCE_S = 60.0


@dataclass(slots=True)
class Tally:
    """What all callers got, and what they noticed in which phase."""

    phase: str = "steady"
    calls: int = 0
    asked: int = 0
    answered: int = 0
    missing: int = 0
    repeated: int = 0
    holes: int = 0
    """Places in the replies' sound where samples are missing or come twice."""
    lost: Counter[str] = field(default_factory=Counter[str])
    """Calls that ended before they were over, by how."""
    gaps: dict[str, list[float]] = field(default_factory=dict[str, list[float]])
    """Seconds without a connection, by phase."""
    anew: Counter[str] = field(default_factory=Counter[str])
    """Of these, how many began anew."""

    def reconnected(self, message: Reconnected) -> None:
        self.gaps.setdefault(self.phase, []).append(message.after_s)
        self.anew[self.phase] += message.anew

    def check(self, question: str, got: str) -> None:
        """Hold the words of an answer to those that it should have."""
        words, due = Counter(got.split()), Counter(answer_to(question).split())
        self.missing += (due - words).total()
        self.repeated += (words - due).total()
        self.answered += 1


@dataclass(slots=True)
class Caller:
    """One call: its microphone is open, and it types one question after the other."""

    call: Call
    tally: Tally
    name: str
    text: str = ""
    heard_s: float = 0.0
    answered: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, until: float) -> None:
        """Ask until then, and hang up when the last answer is over."""
        async with asyncio.TaskGroup() as tasks:
            microphone = tasks.create_task(self._microphone())
            listening = tasks.create_task(self._listen())
            number = 0
            while _now() < until:
                await self._ask(f"question {self.name}x{letters(number)}x")
                number += 1
            microphone.cancel()
            await self.call.finish()
            await asyncio.wait([listening])

    async def _ask(self, question: str) -> None:
        self.text, self.heard_s = "", 0.0
        self.answered.clear()
        self.tally.asked += 1
        await self.call.type(question)
        async with asyncio.timeout(PATIENCE_S):
            await self.answered.wait()
        self.tally.check(question, self.text)
        await asyncio.sleep(PAUSE_S)

    async def _microphone(self) -> None:
        pace, silence = Pace(PIECE_S, now=_now), bytes(round(2 * RATE_HZ * PIECE_S))
        while True:
            await pace.next_piece()
            await self.call.speak(silence)

    async def _listen(self) -> None:
        async for message in self.call.messages():
            self._hear(message)

    def _hear(self, message: Message) -> None:
        match message:
            case ReplyText(text=text):
                self.text += text
            case ReplyAudio(offset_ms=offset_ms, pcm=pcm):
                self.tally.holes += abs(offset_ms / 1000 - self.heard_s) > 0.002
                self.heard_s = offset_ms / 1000 + len(pcm) / 2 / RATE_HZ
            case TurnEnded():
                self.answered.set()
            case Reconnected(anew=anew):
                self.tally.reconnected(message)
                if anew:
                    self.text, self.heard_s = "", 0.0
            case _:
                pass


async def hold_call(address: str, tally: Tally, number: int, until: float) -> None:
    """Hold one call until then; one that ends before is counted with how it ended."""
    hello = Hello(RATE_HZ, conversation_id=secrets.token_urlsafe(), resume=True)
    tally.calls += 1
    try:
        async with dial(Gateway(address), hello, PATIENCE_S) as call:
            await Caller(call, tally, letters(number)).run(until)
    except* (ClientError, TimeoutError) as group:
        tally.lost[str(group.exceptions[0])] += 1


def _now() -> float:
    return asyncio.get_running_loop().time()
