"""Simulates a caller on loudspeakers, whose microphone picks up the replies and the caller.

    gateway ──▶ loudspeaker ── delayed, softer, perhaps with reverb ───┐
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
_FULL_SCALE = 32_768.0
_DIRECT_TO_ECHO = 6.0  # amplitude of a room's direct path over that of its first echo
_AUDIBLE_RMS = 0.003  # of full scale, over a frame: -50 dB

_Samples = Any  # a numpy array of floats


@dataclass(frozen=True, slots=True)
class Way:
    """The echo path from the loudspeaker to the microphone."""

    delay_s: float
    gain_db: float = -10.0
    room_s: float = 0.0
    """The room's reverberation time, until -60 dB; 0: there is no room."""
    noise_db: float = -65.0
    """The noise level, relative to full scale."""
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Came:
    """A message of the gateway, and when it came, in the event loop's time."""

    at: float
    message: pb.ServerMessage

    @property
    def reply(self) -> int:
        return self.message.reply_id

    @property
    def cut(self) -> bool:
        """Whether the message reports an interruption."""
        return self.message.event.HasField("interruption")

    def is_event(self, kind: "pb.EventType") -> bool:
        return self.message.WhichOneof("content") == "event" and self.message.event.type == kind


class Room:
    """Convolves what the loudspeaker plays with the echo path, frame by frame."""

    def __init__(self, way: Way) -> None:
        self._random = np.random.default_rng(way.seed)
        self._noise = 10 ** (way.noise_db / 20)
        self._late = round(way.delay_s * RATE_HZ)
        response = self._impulse_response(way.room_s) * 10 ** (way.gain_db / 20)
        self._size = 1 << (len(response) + FRAME - 1).bit_length()
        self._spectrum: _Samples = np.fft.rfft(response, self._size)
        self._coming: _Samples = np.zeros(self._late + self._size + FRAME)

    def pass_through(self, played: _Samples) -> _Samples:
        """The microphone's frame while the loudspeaker plays the frame `played`."""
        if played.any():
            echo = np.fft.irfft(np.fft.rfft(played, self._size) * self._spectrum, self._size)
            self._coming[self._late : self._late + self._size] += echo
        recorded = self._coming[:FRAME] + self._random.standard_normal(FRAME) * self._noise
        self._coming = np.append(self._coming[FRAME:], np.zeros(FRAME))
        return recorded

    def _impulse_response(self, room_s: float) -> _Samples:
        """The room's impulse response, with unit energy."""
        length = max(1, round(room_s * RATE_HZ))
        response = self._random.standard_normal(length) * 10 ** (-3 * np.arange(length) / length)
        response[0] = _DIRECT_TO_ECHO
        return response / np.sqrt(np.sum(response**2))


class Speakerphone:
    """One call; `came` has the messages that came. Samples are floats, full scale is 1."""

    def __init__(self, line: Line, way: Way, *, can_pause: bool) -> None:
        self._line = line
        self._room = Room(way)
        self._can_pause = can_pause
        self._queued: _Samples = np.zeros(0)
        self._said: _Samples = np.zeros(0)
        self._paused = False
        self._next_due = 0.0
        self._energy, self._audible = 0.0, 0
        self._changed = asyncio.Event()
        self.came: list[Came] = []
        self.late_s: list[float] = []
        """How late each frame was sent, by this caller's own fault."""
        self.silent_at: float | None = None
        """Since when the loudspeaker is silent; None: it plays."""
        self.ended = False
        """Whether the gateway ended the call."""

    def say(self, voice: _Samples, level: float | None = None) -> float:
        """Speak; returns when the first sample reaches the microphone.

        `level`: the root mean square of its audible parts; None: as loud as the replies are.
        """
        self._said = voice * ((level or self.level()) / loudness(voice))
        return self._next_due

    def level(self) -> float:
        """The loudness of the replies so far, as a root mean square."""
        return float(np.sqrt(self._energy / self._audible)) if self._audible else 0.05

    async def type(self, text: str) -> None:
        await self._line.say(text_input=text)

    async def stop_reply(self) -> None:
        await self._line.say(interrupt=pb.Interrupt())

    async def until(self, met: Callable[[], bool], timeout_s: float) -> bool:
        """Wait until this holds, checking it after each message and each frame."""
        try:
            async with asyncio.timeout(timeout_s):
                while not met() and not self.ended:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            pass
        return met()

    async def listen(self) -> None:
        """Read messages until the call is over."""
        while (message := await self._line.call.read()) is not grpc.aio.EOF:
            self._take_in(message)
        self.ended = True
        self._changed.set()

    async def run_sound(self) -> None:
        """Play and record in real time, until cancelled."""
        self._next_due = _now()
        self.silent_at = self._next_due
        while True:
            self._next_due += FRAME / RATE_HZ
            await asyncio.sleep(self._next_due - _now())
            self.late_s.append(_now() - self._next_due)
            recorded = self._room.pass_through(self._play()) + self._speak()
            pcm = (np.clip(recorded, -1, 1) * (_FULL_SCALE - 1)).astype("<i2").tobytes()
            await self._line.say(audio_chunk=pcm)
            self._changed.set()

    def _take_in(self, message: pb.ServerMessage) -> None:
        came = Came(_now(), message)
        self.came.append(came)
        if message.audio_chunk:
            samples = np.frombuffer(message.audio_chunk, "<i2") / _FULL_SCALE
            self._queued = np.append(self._queued, samples)
        elif came.cut:
            self._queued, self._paused = np.zeros(0), False
        elif came.is_event(pb.VOICE_PAUSED) and self._can_pause:
            self._paused = True
        elif came.is_event(pb.VOICE_RESUMED) or came.is_event(pb.END_OF_TURN):
            self._paused = False
        self._changed.set()

    def _play(self) -> _Samples:
        frame = np.zeros(FRAME)
        if self._paused or not len(self._queued):
            self.silent_at = self.silent_at or self._next_due
            return frame
        self.silent_at = None
        played, self._queued = self._queued[:FRAME], self._queued[FRAME:]
        frame[: len(played)] = played
        energy = float(np.mean(frame**2))
        if energy > _AUDIBLE_RMS**2:
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
    """Call the gateway at HOST:PORT from loudspeakers; the call is cancelled at the end."""
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
