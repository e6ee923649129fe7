"""A caller who asks, plays the answer, interrupts it, and knows what was heard of it by then."""

import asyncio

from voice_gateway.messages import (
    CutOff,
    FromCaller,
    Interrupt,
    Played,
    ReplyAudio,
    ToCaller,
    Typed,
)

from heard.spoken_answers import Answer
from heard.synthesised_voice import seconds_of, speech_of
from heard.word_times import texts_of, word_ends
from shared.clock import now
from shared.loudspeaker import Loudspeaker

_WIRE_S = 0.02  # one way
_REPORT_EVERY_S = 0.1
_EARLIEST_S, _LATEST_S = 0.05, 0.4  # after the first audio, before the end of the last


class InterruptingCaller:
    """Asks, plays the answer, and interrupts it; implements `ports.Caller`."""

    def __init__(self, answer: Answer, share: float, *, reports: bool, buffer_s: float) -> None:
        self.cut: CutOff | None = None
        self._reports = reports
        self._answer = answer
        self._share = share
        self._speaker = Loudspeaker(buffer_s)
        self._stream = b""
        self._reply = 0
        self._cut_at = 0.0
        self._began: float | None = None
        self._sent_question = False
        self._first_audio = asyncio.Event()
        self._interrupted = False

    async def receive(self) -> FromCaller | None:
        if not self._sent_question:
            self._sent_question = True
            return Typed("tell me")
        await self._first_audio.wait()
        assert self._began is not None
        if self._interrupted:
            await asyncio.sleep(1.0)
            return None
        stops_at = self._began + _EARLIEST_S + self._share * self._length_s()
        wait_s = stops_at + _WIRE_S - now()
        if self._reports and wait_s > _REPORT_EVERY_S:
            played_s = self._speaker.played_s(now() + _REPORT_EVERY_S - _WIRE_S)
            await asyncio.sleep(_REPORT_EVERY_S)
            return Played(self._reply, round(played_s, 3))
        await asyncio.sleep(wait_s)
        self._interrupted = True
        return Interrupt()

    async def send(self, message: ToCaller) -> None:
        """Let the message reach the loudspeaker after its time on the wire."""
        match message:
            case ReplyAudio(reply, _, audio):
                self._reply = reply
                self._began = now() if self._began is None else self._began
                self._speaker.add(seconds_of(len(audio)), now() + _WIRE_S)
                self._stream += audio
                self._first_audio.set()
            case CutOff():
                self.cut, self._cut_at = message, now() + _WIRE_S
            case _:
                pass

    def words_heard(self) -> int:
        """Count the written words whose spoken words had all left the loudspeaker at the cut."""
        played_s = self._speaker.played_s(self._cut_at)
        ends = list(word_ends(texts_of(self._answer.text), self._stream))
        said = sum(end_s <= played_s for end_s in ends)
        heard = 0
        for word in self._answer.words:
            said -= len(word.spoken)
            if said < 0:
                break
            heard += 1
        return heard

    def _length_s(self) -> float:
        """The seconds in which it may interrupt: the answer's audio without what is trimmed."""
        spans = [speech_of(text).words for text in texts_of(self._answer.text)]
        return sum(words[-1].end_s - words[0].start_s for words in spans) - _LATEST_S
