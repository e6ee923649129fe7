"""Contains the scripted recogniser of a simulated call, with every fault of Riva's.

Faults come as the adapter reports them: a stream that Riva dropped or ended is Unavailable, one
that is silent while audio comes is TimedOut after a while.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace

from voice_gateway.audio import pcm as sound
from voice_gateway.errors import ServiceError
from voice_gateway.messages import LineEcho, Transcript, Word
from voice_gateway.ports import Activity, CallerAudioStream, Edge, TurnSound

from voice_sim.call_record import Judged, Noticed, Transcribed
from voice_sim.recorder import Recorder, until
from voice_sim.script import Opinion, Recognised, RecogniserFault, Script
from voice_sim.simulated_services import service_fault

_REFUSAL_S = 0.05  # until a recogniser that is down refuses
_ANSWER_TIMEOUT_S = 10.0  # without an answer, before the adapter gives a stream up
_ANSWER_DUE_S = 2.0  # of audio, before an answer is due
_WORD_S = 0.2
_CURRENT_UTTERANCE_S = 2.0  # a final that is due this soon is of the current utterance


class SimActivity(Activity):
    """Implements `ports.Activity`: reports the script's voice activity as audio comes in."""

    def __init__(self, script: Script, recorder: Recorder) -> None:
        self._recorder = recorder
        self._headphones = script.call.headphones
        self._edges = deque(
            edge for v in script.voiced for edge in ((v.at, True), (v.at + v.seconds, False))
        )

    def feed(self, pcm: bytes, at: float) -> list[Edge]:
        now, edges = self._recorder.now(), list[Edge]()
        while self._edges and self._edges[0][0] <= now:
            edge_at, voiced = self._edges.popleft()
            edges.append(Edge(voiced, now - edge_at))
            self._recorder.add(Noticed(now, voiced))
        return edges

    def plays(self, pcm: bytes, rate_hz: int, at: float) -> None:
        """Ignores it: there is no echo."""

    def expects(self, line: LineEcho) -> None:
        """Ignores it: the script says what comes back."""

    def echoes(self) -> bool | None:
        return False if self._headphones else None

    @property
    def echoed_at(self) -> float:
        return float("-inf") if self._headphones else self._recorder.now()

    @property
    def unechoed_s(self) -> float:
        return float("inf") if self._headphones else 0.0


class SimSound(TurnSound):
    """Implements `ports.TurnSound`: takes its predictions from the script, whatever the audio."""

    def __init__(self, predictions: Iterator[Opinion], recorder: Recorder) -> None:
        self._predictions = predictions
        self._recorder = recorder
        self._asked = 0

    def begin(self) -> None:
        """Ignores the turn: the script has the predictions."""

    def feed(self, pcm: bytes) -> None:
        """Ignores the audio."""

    async def probability(self) -> float | None:
        prediction = next(self._predictions)
        self._asked += 1
        with self._recorder.upstream(f"opinion {self._asked}"):
            await asyncio.sleep(prediction.after_s)
            self._recorder.add(Judged(self._recorder.now(), prediction.probability))
        return prediction.probability


class SimRecogniser:
    """Implements `ports.Recogniser`; the script continues from stream to stream."""

    def __init__(self, script: Script, recorder: Recorder) -> None:
        self.recorder = recorder
        self.recognised = deque(script.recognised)
        self.faults = deque(script.recogniser_faults)
        self.lag_s = script.call.recogniser_lag_s
        self.behind_s = script.call.recogniser_behind_s
        self._obeys_s = script.call.recogniser_obeys_s
        self.down_until = 0.0
        self.deaf_until = 0.0
        self._streams = 0

    async def listen(
        self,
        caller_audio: CallerAudioStream,
        *,
        language: str,
        rate_hz: int,
        on_transcript: Callable[[Transcript], None],
    ) -> None:
        self._streams += 1
        with self.recorder.upstream(f"listen {self._streams}"):
            if self.recorder.now() < self.down_until:
                await asyncio.sleep(_REFUSAL_S)
                fault: ServiceError | None = service_fault("asr", "down")
            else:
                fault = await _Stream(self, caller_audio, rate_hz, on_transcript).run()
        if fault:
            raise fault

    def finish_soon(self) -> bool:
        """Give the final of the current utterance soon; False if the recogniser does not."""
        place = next((n for n, recognised in enumerate(self.recognised) if recognised.final), None)
        if self._obeys_s is None or place is None:
            return False
        final, now = self.recognised[place], self.recorder.now()
        if not now < final.at < now + _CURRENT_UTTERANCE_S:
            return False
        rest = list(self.recognised)[place + 1 :]
        self.recognised = deque([replace(final, at=min(final.at, now + self._obeys_s)), *rest])
        return True


class _Stream:
    """One call of `listen`."""

    def __init__(
        self,
        recogniser: SimRecogniser,
        caller_audio: CallerAudioStream,
        rate_hz: int,
        on_transcript: Callable[[Transcript], None],
    ) -> None:
        self._recogniser = recogniser
        self._caller_audio = caller_audio
        self._rate_hz = rate_hz
        self._on_transcript = on_transcript
        self._taken_s = 0.0
        self._reached_s = 0.0
        self._open = True
        self._enough_s = float("inf")
        self._enough = asyncio.Event()
        self._over = asyncio.Event()
        self._changed = asyncio.Event()
        self._over_at = float("inf")

    async def run(self) -> ServiceError | None:
        async with asyncio.TaskGroup() as tasks:
            taking = tasks.create_task(self._take(), name="recogniser-take")
            fault = await self._recognise()
            taking.cancel()
        self._open = False
        return fault

    def _reach(self, position_s: float) -> None:
        """The recogniser has come so far, and says so in a response without words."""
        if self._open:
            self._reached_s = position_s
            self._caller_audio.recognised(position_s)

    async def _take(self) -> None:
        while (piece := await self._caller_audio.take()) is not None:
            self._taken_s += sound.seconds(piece.pcm, self._rate_hz)
            if (behind_s := self._recogniser.behind_s) is not None:
                asyncio.get_running_loop().call_later(behind_s, self._reach, self._taken_s)
            if self._taken_s >= self._enough_s:
                self._enough.set()
            await until(self._recogniser.deaf_until)
            if piece.asks_final and self._recogniser.finish_soon():
                self._changed.set()
        self._over_at = self._recogniser.recorder.now()
        self._over.set()
        self._changed.set()
        self._enough.set()

    async def _recognise(self) -> ServiceError | None:
        recogniser = self._recogniser
        while True:
            fault_at = recogniser.faults[0].at if recogniser.faults else float("inf")
            due_at = recogniser.recognised[0].at if recogniser.recognised else float("inf")
            due = min(fault_at, due_at)
            if due > self._over_at + recogniser.lag_s:
                await until(self._over_at + recogniser.lag_s)
                return None
            if not await self._reached(due):
                continue
            if due_at <= fault_at:
                self._tell(recogniser.recognised.popleft())
            elif error := await self._take_fault(recogniser.faults.popleft()):
                return error

    async def _reached(self, due: float) -> bool:
        """Wait for this time; False if the audio ends or something else comes before."""
        if self._over.is_set() or due <= self._recogniser.recorder.now():
            await until(due)
            return True
        self._changed.clear()
        try:
            async with asyncio.timeout_at(None if due == float("inf") else due):
                await self._changed.wait()
        except TimeoutError:
            return True
        return False

    def _tell(self, recognised: Recognised) -> None:
        words = recognised.text.split() if recognised.final else []
        start_s = max(0.0, self._taken_s - len(words) * _WORD_S)
        times = tuple(
            Word(word, start_s + n * _WORD_S, start_s + (n + 1) * _WORD_S)
            for n, word in enumerate(words)
        )
        stability = 0.0 if recognised.final else 0.1
        transcript = Transcript(recognised.text, recognised.final, stability, times)
        self._recogniser.recorder.add(Transcribed(self._recogniser.recorder.now(), transcript))
        behind = self._recogniser.behind_s is not None
        self._caller_audio.recognised(self._reached_s if behind else None)
        self._on_transcript(transcript)

    async def _take_fault(self, fault: RecogniserFault) -> ServiceError | None:
        recogniser = self._recogniser
        recogniser.recorder.fault(f"asr {fault.kind}")
        match fault.kind:
            case "deaf":
                recogniser.deaf_until = recogniser.recorder.now() + min(
                    fault.seconds, _ANSWER_TIMEOUT_S
                )
                return None
            case "down":
                recogniser.down_until = recogniser.recorder.now() + fault.seconds
            case "idle":
                if not await self._more_audio(0.001):
                    return None
            case "silent":
                await self._more_audio(_ANSWER_DUE_S)
                await asyncio.sleep(_ANSWER_TIMEOUT_S)
                self._forget()
                return service_fault("asr", "timed_out")
            case _:
                pass
        return service_fault("asr", fault.kind)

    async def _more_audio(self, seconds: float) -> bool:
        """Wait until so much more audio was taken; False if the audio ends before."""
        if self._over.is_set():
            return False
        self._enough_s = self._taken_s + seconds
        self._enough.clear()
        await self._enough.wait()
        return not self._over.is_set()

    def _forget(self) -> None:
        """Drop the transcripts of the time in which the stream was silent."""
        while (
            self._recogniser.recognised
            and self._recogniser.recognised[0].at <= self._recogniser.recorder.now()
        ):
            self._recogniser.recognised.popleft()
