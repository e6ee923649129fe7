"""A caller's audio, made into edges of its voice and into transcripts.

What of it is only the gateway's own voice come back is left out here.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace

from voice_gateway.audio import pcm
from voice_gateway.audio.resample import Resampler
from voice_gateway.errors import BadMessage, CallLost, Rejected, ServiceError
from voice_gateway.hearing.own_words import APART, COMES_BACK_S, OwnWords, Utterance, callers_part
from voice_gateway.hearing.uplink import Uplink
from voice_gateway.language import language_of
from voice_gateway.messages import CallConfig, ReplyAudio, Transcript, Word
from voice_gateway.ports import Edge, Services, TurnSound

_UPLINK_ROOM_S = 30.0
_SLICE_S = 0.4  # audio looked at in one go: a millisecond's work
_RELISTEN_S = (0.2, 0.5, 1.0, 2.0, 5.0)  # waits before recognition is tried again
_FORGET_S = 1.0  # the recogniser's final words on what is to be forgotten come before that
_DOUBT_S = 0.1  # between two looks at words in doubt
_HUSHED = 3  # words that recognisers write into what is left of a cancelled echo: "Oh, yeah"
_LAST_TRIES = 3  # of recognition, for a caller who has hung up and waits


class CallerAudio:
    """One caller's audio. What it hears is told in order, on the event loop."""

    def __init__(
        self,
        services: Services,
        config: CallConfig,
        rate_hz: int,
        *,
        clock: Callable[[], float],
        on_edge: Callable[[Edge], None],
        on_transcript: Callable[[Transcript], None],
        on_fault: Callable[[ServiceError], None],
        sounding: Callable[[], str],
    ) -> None:
        """`sounding`: what of the gateway's own words may be heard at the caller's by now."""
        self._recogniser = services.recogniser
        self._activity = services.activity(rate_hz) if services.activity else None
        self._sound = services.turn_sound(rate_hz) if services.turn_sound else None
        self._judging: asyncio.Task[None] | None = None
        self._config: CallConfig = config
        self._rate_hz = rate_hz
        self._clock = clock
        self._on_edge = on_edge
        self._on_transcript = on_transcript
        self._on_fault = on_fault
        self._uplink = Uplink(rate_hz, _UPLINK_ROOM_S, clock)
        self._resampler = Resampler(config.rate_hz, rate_hz)
        self._stops = language_of(config.language).stops
        self._deaf_until = 0.0
        self._utterance = Utterance()
        self._later: asyncio.TimerHandle | None = None
        self._withheld: list[Transcript] = []
        """Final words, and the last interim ones, that are the caller's, unless the line echoes."""
        self.own = OwnWords(config.language, sounding)
        self.speech_end: float | None = None
        """When the caller's last word had arrived, as far as the recogniser tells."""

    async def take_in(self, chunk: bytes) -> None:
        """Take audio of the caller, cut anywhere; waits while the recogniser is far behind."""
        samples = self._resampler.feed(chunk)
        for piece in pcm.pieces(samples, _SLICE_S, self._rate_hz):
            if piece:
                self._listen_for_voice(piece)
                await self._uplink.add(piece)
            if len(piece) < len(samples):
                await asyncio.sleep(0)  # minutes of audio in one chunk must not stop other calls

    def adjust(self, config: CallConfig) -> None:
        """Hear the caller in this config's language from now on; meant for before its audio."""
        if config.language != self._config.language:
            self._stops = language_of(config.language).stops
            self.own.adjust(config.language)
        self._config = config

    def voice_begins(self, *, goes_on: bool) -> None:
        """The caller's voice begins: another turn, or more of the one it was in."""
        self.stop_judging()
        if self._sound and not goes_on:
            self._sound.begin()

    def judge_turn(self, tasks: asyncio.TaskGroup, on_probability: Callable[[float], None]) -> None:
        """The caller fell silent: say how complete the turn sounds, if it is silent that long."""
        self.stop_judging()
        if self._sound:
            self._judging = tasks.create_task(_judge(self._sound, on_probability), name="turn-end")

    def stop(self) -> None:
        """The call is over: nothing more is told."""
        self.stop_judging()
        self._withheld.clear()
        if self._later:
            self._later.cancel()

    def stop_judging(self) -> None:
        if self._judging:
            self._judging.cancel()
            self._judging = None

    def turn_over(self) -> None:
        """The reply to what was said is over: a word that comes now is of another turn."""
        self.speech_end = None

    def end_utterance(self) -> None:
        """The caller says that it has finished."""
        self._uplink.end_utterance()

    def forget(self) -> None:
        """What was said up to here is not to be heard."""
        self._deaf_until = self._clock() + _FORGET_S
        self._uplink.end_utterance()

    def ask_final(self) -> None:
        """The turn seems over."""
        self._uplink.ask_final()

    def plays(self, audio: ReplyAudio, at: float) -> None:
        """This leaves the caller's loudspeaker from `at` on."""
        if self._activity:
            self._activity.plays(audio.pcm, self._config.rate_hz, at)

    async def close(self) -> None:
        """No more audio comes."""
        await self._uplink.add(self._resampler.flush())
        self._uplink.close()
        self._reconsider()

    async def listen(self) -> None:
        """Recognise until the caller has finished; a recogniser that breaks off is called again."""
        await self._uplink.ready()
        failures = 0
        lost: ServiceError | None = None
        while not self._uplink.over:
            start_s = self._uplink.taken_s
            try:
                await self._recogniser.listen(
                    self._uplink,
                    language=self._config.language,
                    rate_hz=self._rate_hz,
                    on_transcript=lambda transcript, start_s=start_s: self._transcribed(
                        transcript, start_s
                    ),
                )
                lost = None
            except ServiceError as fault:
                failures = 0 if self._uplink.taken_s - start_s > _UPLINK_ROOM_S else failures
                lost = await self._relisten_after(fault, failures)
                failures += 1
        if lost:
            raise CallLost(f"speech was lost: {lost.text}") from lost

    async def _relisten_after(self, fault: ServiceError, failures: int) -> ServiceError:
        if isinstance(fault, Rejected):
            raise BadMessage(f"config.language_code: {fault.text}") from fault
        self._on_fault(fault)
        if not fault.retryable:
            raise CallLost(fault.text) from fault
        if self._uplink.closed and failures >= _LAST_TRIES:
            raise CallLost(f"speech was lost: {fault.text}") from fault
        self._uplink.lose()
        await asyncio.sleep(_RELISTEN_S[min(failures, len(_RELISTEN_S) - 1)])
        await self._uplink.ready()
        return fault

    def _listen_for_voice(self, samples: bytes) -> None:
        if self._sound:
            self._sound.feed(samples)
        for edge in self._activity.feed(samples, self._clock()) if self._activity else ():
            self._utterance.voice(self._clock(), voiced=edge.voiced)
            self._on_edge(edge)

    def _transcribed(self, transcript: Transcript, start_s: float) -> None:
        """Take in what the recogniser heard in audio that began `start_s` into the call."""
        if self._clock() < self._deaf_until:
            self._deaf_until = 0.0 if transcript.final else self._deaf_until
            return
        if self._withheld and not self._withheld[-1].final:
            self._withheld.pop()  # whatever comes replaces the interim before it
        callers = self._without_echo(_moved(transcript, start_s))
        if callers.text:
            self._trust_withheld()  # it was said before
        self._pass_on(callers)

    def _pass_on(self, transcript: Transcript) -> None:
        if transcript.text and transcript.final:
            self._utterance.understood(self._clock())
        elif transcript.text:
            self._utterance.accept()
        if transcript.words:
            self.speech_end = self._uplink.arrived_at(transcript.words[-1].end_s)
        self._on_transcript(transcript)

    def _without_echo(self, transcript: Transcript) -> Transcript:
        now = self._clock()
        theirs = self._utterance.take(transcript, now)
        doubtful = bool(self._activity) and not theirs and bool(self.own.sounding())
        if self._activity and self._activity.echoes() is False:
            return callers_part(transcript, "", self._stops, doubted=_HUSHED if doubtful else 0)
        doubted = 1 if doubtful else 0
        own = self.own.of_utterance(now, final=transcript.final)
        if not own:
            return transcript
        if self._activity is None:  # nobody listens for voices
            return callers_part(transcript, own, self._stops)
        if theirs:
            said = f"{own}{APART}{self._utterance.misheard}"
            return callers_part(transcript, said, self._stops)
        if now - self._activity.echoed_at > COMES_BACK_S:  # out of a sound too soft for a voice
            return callers_part(transcript, own, self._stops, doubted=doubted)
        if self._activity.echoes():
            return replace(transcript, text="", words=())
        # Not known yet whether the line echoes: a soft voice may have been taken for an echo, and a
        # recogniser writes whole sentences into the first second of one. It is soon known.
        perhaps = callers_part(transcript, own, self._stops, doubted=doubted)
        if self._uplink.closed:
            return perhaps  # nothing is learned any more
        if perhaps.text:
            self._withheld.append(perhaps)
            self._look_again()
        return replace(transcript, text="", words=())

    def _look_again(self) -> None:
        if self._later:
            self._later.cancel()
        self._later = asyncio.get_running_loop().call_later(_DOUBT_S, self._reconsider)

    def _reconsider(self) -> None:
        """Pass on the words that were in doubt, unless it is known by now that the line echoes."""
        echoes = self._activity.echoes() if self._activity else None
        may_be_known = not self._uplink.closed and self.own.sounds(self._clock())
        if echoes is None and may_be_known:
            self._look_again()
            return
        self._trust_withheld()

    def _trust_withheld(self) -> None:
        withheld, self._withheld = self._withheld, []
        if self._activity and self._activity.echoes():
            return
        for transcript in withheld:
            self._pass_on(transcript)


async def _judge(sound: TurnSound, on_probability: Callable[[float], None]) -> None:
    if (probability := await sound.probability()) is not None:
        on_probability(probability)


def _moved(transcript: Transcript, by_s: float) -> Transcript:
    words = (Word(w.text, w.start_s + by_s, w.end_s + by_s) for w in transcript.words)
    return replace(transcript, words=tuple(words))
