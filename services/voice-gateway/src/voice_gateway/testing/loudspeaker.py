"""A caller on loudspeakers, whose microphone hears what they play, and the caller.

    gateway ──▶ loudspeaker ── later, softer, perhaps through a room ──┐
                                           the caller's voice, noise ──┴─▶ microphone ──▶ gateway

Loudspeaker and microphone share one clock, frame by frame, as they do in a telephone.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc.aio
import numpy as np
from voice_proto import voice_workflow_pb2 as pb

from voice_gateway.testing.line import Line, dial

RATE_HZ = 16_000
FRAME = RATE_HZ // 50
_FULL = 32_768.0
_DIRECT = 6.0  # how much stronger a room's direct way is than the first of its echoes
_AUDIBLE = 0.003  # of full scale, in the mean of a frame: -50 dB

_Samples = Any  # numpy's own types say less than their names


@dataclass(frozen=True, slots=True)
class Way:
    """How what the loudspeaker plays gets into the microphone."""

    delay_s: float
    gain_db: float = -10.0
    room_s: float = 0.0
    """Until the room has died away by 60 dB; 0: there is none."""
    noise_db: float = -65.0
    """Of full scale."""
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Came:
    """A message of the gateway, and when it came by the event loop's clock."""

    at: float
    message: pb.ServerMessage

    @property
    def reply(self) -> int:
        return self.message.reply_id

    @property
    def cut(self) -> bool:
        """A reply was interrupted."""
        return self.message.event.HasField("interruption")

    def is_event(self, kind: "pb.EventType") -> bool:
        return self.message.WhichOneof("content") == "event" and self.message.event.type == kind


class Room:
    """The way from the loudspeaker to the microphone."""

    def __init__(self, way: Way) -> None:
        self._dice = np.random.default_rng(way.seed)
        self._noise = 10 ** (way.noise_db / 20)
        self._late = round(way.delay_s * RATE_HZ)
        answer = self._answer(way.room_s) * 10 ** (way.gain_db / 20)
        self._size = 1 << (len(answer) + FRAME - 1).bit_length()
        self._spectrum: _Samples = np.fft.rfft(answer, self._size)
        self._coming: _Samples = np.zeros(self._late + self._size + FRAME)

    def pass_through(self, played: _Samples) -> _Samples:
        """One frame of what the microphone catches, while `played` leaves the loudspeaker."""
        if played.any():
            echo = np.fft.irfft(np.fft.rfft(played, self._size) * self._spectrum, self._size)
            self._coming[self._late : self._late + self._size] += echo
        caught = self._coming[:FRAME] + self._dice.standard_normal(FRAME) * self._noise
        self._coming = np.append(self._coming[FRAME:], np.zeros(FRAME))
        return caught

    def _answer(self, room_s: float) -> _Samples:
        """What a click becomes, with the click's energy."""
        length = max(1, round(room_s * RATE_HZ))
        answer = self._dice.standard_normal(length) * 10 ** (-3 * np.arange(length) / length)
        answer[0] = _DIRECT
        return answer / np.sqrt(np.sum(answer**2))


class Speakerphone:
    """One call. What came stands in `came`; samples are floats, full scale is 1."""

    def __init__(self, line: Line, way: Way, *, can_pause: bool) -> None:
        self._line = line
        self._room = Room(way)
        self._can_pause = can_pause
        self._queued: _Samples = np.zeros(0)
        self._said: _Samples = np.zeros(0)
        self._paused = False
        self._next_due = 0.0
        self._energy, self._audible = 0.0, 0
        self._stirred = asyncio.Event()
        self.came: list[Came] = []
        self.late_s: list[float] = []
        """How late each frame was, by this caller's own fault: its loudspeaker stopped as well."""
        self.silent_at: float | None = None
        """Since when the loudspeaker plays nothing; None: it plays."""
        self.ended = False
        """The gateway ended the call."""

    def say(self, voice: _Samples, level: float | None = None) -> float:
        """Speak; returns when the first sample reaches the microphone.

        `level`: the root mean square of its audible parts; None: as loud as the replies are.
        """
        self._said = voice * ((level or self.level()) / loudness(voice))
        return self._next_due

    def level(self) -> float:
        """How loud the replies have been so far."""
        return float(np.sqrt(self._energy / self._audible)) if self._audible else 0.05

    async def type(self, text: str) -> None:
        await self._line.say(text_input=text)

    async def stop_reply(self) -> None:
        await self._line.say(interrupt=pb.Interrupt())

    async def until(self, met: Callable[[], bool], timeout_s: float) -> bool:
        """Wait until this holds, looking at it whenever something came or a frame was played."""
        try:
            async with asyncio.timeout(timeout_s):
                while not met() and not self.ended:
                    self._stirred.clear()
                    await self._stirred.wait()
        except TimeoutError:
            pass
        return met()

    async def listen(self) -> None:
        """Read what comes until the call is over."""
        while (message := await self._line.call.read()) is not grpc.aio.EOF:
            self._take_in(message)
        self.ended = True
        self._stirred.set()

    async def run_sound(self) -> None:
        """Play and catch sound in real time; ends when cancelled."""
        self._next_due = _now()
        self.silent_at = self._next_due
        while True:
            self._next_due += FRAME / RATE_HZ
            await asyncio.sleep(self._next_due - _now())
            self.late_s.append(_now() - self._next_due)
            caught = self._room.pass_through(self._play()) + self._speak()
            pcm = (np.clip(caught, -1, 1) * (_FULL - 1)).astype("<i2").tobytes()
            await self._line.say(audio_chunk=pcm)
            self._stirred.set()

    def _take_in(self, message: pb.ServerMessage) -> None:
        came = Came(_now(), message)
        self.came.append(came)
        if message.audio_chunk:
            samples = np.frombuffer(message.audio_chunk, "<i2") / _FULL
            self._queued = np.append(self._queued, samples)
        elif came.cut:
            self._queued, self._paused = np.zeros(0), False
        elif came.is_event(pb.VOICE_PAUSED) and self._can_pause:
            self._paused = True
        elif came.is_event(pb.VOICE_RESUMED) or came.is_event(pb.END_OF_TURN):
            self._paused = False
        self._stirred.set()

    def _play(self) -> _Samples:
        frame = np.zeros(FRAME)
        if self._paused or not len(self._queued):
            self.silent_at = self.silent_at or self._next_due
            return frame
        self.silent_at = None
        played, self._queued = self._queued[:FRAME], self._queued[FRAME:]
        frame[: len(played)] = played
        energy = float(np.mean(frame**2))
        if energy > _AUDIBLE**2:
            self._energy, self._audible = self._energy + energy, self._audible + 1
        return frame

    def _speak(self) -> _Samples:
        frame = np.zeros(FRAME)
        said, self._said = self._said[:FRAME], self._said[FRAME:]
        frame[: len(said)] = said
        return frame


@asynccontextmanager
async def speakerphone(
    address: str, way: Way, *, can_pause: bool = False, system_prompt: str = "", name: str = ""
) -> AsyncGenerator[Speakerphone]:
    """Call the gateway at HOST:PORT from loudspeakers; the call is cancelled on the way out."""
    async with dial(address) as line, asyncio.TaskGroup() as tasks:
        config = pb.VoiceConfig(
            sample_rate=RATE_HZ,
            can_pause=can_pause,
            system_prompt=system_prompt,
            session_id=name,
            language_code="en-US",
        )
        await line.say(config=config)
        phone = Speakerphone(line, way, can_pause=can_pause)
        parts = [tasks.create_task(phone.listen()), tasks.create_task(phone.run_sound())]
        try:
            yield phone
        finally:
            for part in parts:
                part.cancel()


def loudness(samples: _Samples) -> float:
    """The root mean square of the audible frames."""
    whole = len(samples) // FRAME * FRAME
    energies: _Samples = np.mean(samples[:whole].reshape(-1, FRAME) ** 2, axis=1)
    audible: _Samples = energies[energies > energies.max() / 10_000]
    return float(np.sqrt(audible.mean()))


def _now() -> float:
    return asyncio.get_running_loop().time()
