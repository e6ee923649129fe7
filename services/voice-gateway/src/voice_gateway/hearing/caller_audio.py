"""The audio of one caller: makes voice activity edges and transcripts of it.

The echo of the gateway's own replies is left out of both.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace

from voice_gateway.audio import pcm
from voice_gateway.audio.resample import Resampler
from voice_gateway.conversation import DropReason
from voice_gateway.errors import BadMessage, CallLost, Rejected, ServiceError, Unavailable
from voice_gateway.hearing.arrival import Arrival
from voice_gateway.hearing.coverage import Coverage, Covered
from voice_gateway.hearing.end_of_turn import through_silence
from voice_gateway.hearing.ended import Ended
from voice_gateway.hearing.own_words import (
    APART,
    COMES_BACK_S,
    OwnWords,
    Utterance,
    callers_part,
    left_out,
)
from voice_gateway.hearing.unechoed import Unechoed
from voice_gateway.hearing.uplink import Uplink
from voice_gateway.language import language_of
from voice_gateway.messages import CallConfig, ReplyAudio, Transcript, Word
from voice_gateway.ports import Activity, Edge, Services, TurnSound

_UPLINK_ROOM_S = 30.0  # audio that may wait for the recogniser
_SLICE_S = 0.4  # audio handled without a break: a millisecond of CPU
_RETRY_WAITS_S = (0.2, 0.5, 1.0, 2.0, 5.0)  # waits before recognition is tried again
_CHANGES_APART_S = 0.1  # no caller has streams opened faster than this by changing its language
_FORGOTTEN_FINAL_S = 1.0  # the final of forgotten audio comes within this time
_HOPELESS_TRIES = 3  # streams that were lost on the same audio, after which it is skipped
_VOICE_BEGINS_S = 1.0  # audio kept in silence: voice begins before it is detected
_LAG_NOTED_EVERY_S = 1.0  # of the caller's audio
_RECHECK_S = 0.1  # time between two checks of the withheld transcripts
_RESIDUAL_ECHO_WORDS = 3  # words recognised in the rest of a cancelled echo: "Oh, yeah"
_TRIES_AFTER_HANGUP = 3  # tries of recognition for a caller who has hung up and waits


class CallerAudio:
    """One caller's audio. Its callbacks are called in order, on the event loop."""

    _stream: asyncio.Timeout | None = None
    """Ends the recognition stream where the language changes; None: there is no stream."""
    _predicting: asyncio.Task[None] | None = None
    _recheck: asyncio.TimerHandle | None = None

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
        on_covered: Callable[[Covered], None],
        on_lag: Callable[[float], None],
        sounding: Callable[[], str],
        on_dropped: Callable[[str, DropReason], None] = lambda _text, _reason: None,
        on_refused: Callable[[str, ServiceError], None] = lambda _language, _fault: None,
    ) -> None:
        """`sounding` returns the text of the live reply that the caller may have heard by now.

        `on_covered` is told when the words cover the caller's speech and when they do not, `on_lag`
        how many seconds the recogniser is behind the audio that it was sent, `on_dropped` which
        recognised words are dropped for good, and why, and `on_refused` which language was served
        before one that is refused.
        """
        self._recogniser = services.recogniser
        self._activity = services.activity(rate_hz) if services.activity else None
        self._sound = services.turn_sound(rate_hz) if services.turn_sound else None
        self._config: CallConfig = config
        self._rate_hz = rate_hz
        self._clock = clock
        self._on_edge = on_edge
        self._on_transcript = on_transcript
        self._on_fault = on_fault
        self._on_covered = on_covered
        self._on_lag = on_lag
        self._on_dropped = on_dropped
        self._on_refused = on_refused
        self._unechoed = Unechoed()
        self._uplink = Uplink(rate_hz, _UPLINK_ROOM_S, clock, self._progressed)
        self._coverage = Coverage()
        self._covered = Covered.WHOLE
        self._lag_due_s = 0.0
        self._asked = self._served = ""
        """The language that the stream was asked for, and the last that was recognised."""
        self._asked_again_s: float | None = None
        """Where the caller was asked to say it all again; None: its words are waited for."""
        self._resampler = Resampler(config.rate_hz, rate_hz)
        self._stops = language_of(config.language).stops
        self._forgets_until = 0.0
        self._utterance = Utterance()
        if self._activity:
            self._activity.expects(config.line_echo)
        self._withheld: list[Transcript] = []
        """Finals and the last interim that are the caller's, unless the loudspeaker echoes."""
        self._answered_s: float | None = None
        """How far the last response reaches; None: the recogniser does not say."""
        self.arrival = Arrival()
        self.ended = Ended()
        self.own = OwnWords(config.language, sounding)
        self.speech_end: float | None = None
        """When the caller's last word had arrived, by the recogniser's word times."""

    async def take_in(self, chunk: bytes) -> None:
        """Take caller audio, cut anywhere; waits while the recogniser is far behind."""
        samples = self._resampler.feed(chunk)
        if chunk_s := pcm.seconds(samples, self._rate_hz):
            self.arrival.came(self._clock(), self._uplink.added_s + chunk_s, chunk_s)
        for piece in pcm.pieces(samples, _SLICE_S, self._rate_hz):
            if piece:
                voiced = self._detect_voice(piece)
                await self._uplink.add(piece, voiced=voiced)
            if len(piece) < len(samples):
                await asyncio.sleep(0)  # a long chunk must not delay other calls

    def adjust(self, config: CallConfig, *, same_stream: bool = False) -> None:
        """Recognise this config's language from now on.

        What no final covers yet is recognised again, in that language. `same_stream`: the stream
        recognises it already.
        """
        if config.language != self._config.language:
            self._stops = language_of(config.language).stops
            self.own.adjust(config.language)
            if same_stream:
                self._asked = self._served = config.language
            elif self._stream and not self._stream.expired():
                self._stream.reschedule(self._clock())
        if self._activity:
            self._activity.expects(config.line_echo)
        self._config = config

    def voice_begins(self, *, goes_on: bool) -> None:
        """Stop the prediction as voice begins; `goes_on`: the voice continues the same turn."""
        self.stop_predicting()
        if self._sound and not goes_on:
            self._sound.begin()

    def predict_turn_end(
        self,
        tasks: asyncio.TaskGroup,
        on_probability: Callable[[float], None],
        silent_s: float,
    ) -> None:
        """Predict the end of the turn, again and again, until it is taken or the voice begins."""
        self.stop_predicting()
        if self._sound:
            predicting = _predict(self._sound, on_probability, silent_s)
            self._predicting = tasks.create_task(predicting, name="turn-end")

    def stop(self) -> None:
        """Stop as the call is over: no callback is called any more."""
        self.stop_predicting()
        self._withheld.clear()
        if self._recheck:
            self._recheck.cancel()

    def stop_predicting(self) -> None:
        if self._predicting:
            self._predicting.cancel()
            self._predicting = None

    def turn_taken(self) -> None:
        """The words so far are the caller's turn, and are not recognised again."""
        self.stop_predicting()
        self._coverage.answered(self._uplink.taken_s)

    def turn_over(self) -> None:
        """The reply is over: the next recognised word belongs to another turn."""
        self.speech_end = None

    def end_utterance(self) -> None:
        """The client ends the utterance here."""
        self.ended.end(self._uplink.added_s)
        self._uplink.end_utterance()

    def forget(self) -> None:
        """Drop the transcript of all audio up to here."""
        self._forgets_until = self._clock() + _FORGOTTEN_FINAL_S
        self.ended.clear()
        self._drop_withheld("forgotten")
        self._coverage.give_up(self._uplink.added_s)
        self._follow_coverage()
        self._uplink.end_utterance()

    def ask_final(self) -> None:
        """Ask the recogniser for its final, as the turn seems over."""
        self._uplink.ask_final()

    def asks_again(self) -> None:
        """The caller is asked to say again what was said up to here."""
        self._asked_again_s = self._uplink.added_s

    def plays(self, audio: ReplyAudio, at: float) -> None:
        """The caller's loudspeaker plays this audio from `at` on."""
        if self._activity:
            self._activity.plays(audio.pcm, self._config.rate_hz, at)

    async def close(self) -> None:
        """No more audio comes."""
        await self._uplink.add(self._resampler.flush())
        self._uplink.close()
        self.arrival.end()
        self._recheck_withheld()

    async def listen(self) -> None:
        """Recognise until the caller audio ends; a recogniser that fails is called again."""
        await self._uplink.ready()
        failures = 0
        while not self._uplink.over:
            try:
                if not await self._recognise():
                    await self._begin_again()
            except ServiceError as fault:
                lost = self._checked(fault)
                failures = self._lost(failures)
                await self._retry_after(lost, failures)

    async def _recognise(self) -> bool:
        """Recognise over one stream to its end; False where it was left for another language."""
        start_s, self._asked = self._uplink.begin_stream(), self._config.language
        self._stream = stream = asyncio.timeout(None)
        try:
            async with stream:
                await self._recogniser.listen(
                    self._uplink,
                    language=self._asked,
                    rate_hz=self._rate_hz,
                    on_transcript=lambda transcript: self._transcribed(transcript, start_s),
                )
        except TimeoutError:
            if not stream.expired():
                raise
            return False
        finally:
            self._stream = None
        return True

    async def _begin_again(self) -> None:
        """Give the audio that no final covers to a stream in the language that it is in now."""
        self._lost(0)
        self._rewind()
        await asyncio.sleep(_CHANGES_APART_S)
        await self._uplink.ready()

    def _checked(self, fault: ServiceError) -> ServiceError:
        """Report a fault that is the service's; raise what ends the call."""
        if self._asked == self._served and not fault.retryable:
            fault = Unavailable("asr", fault.text)  # it served what it refuses now
        if isinstance(fault, Rejected) and self._served:
            self._on_refused(self._served, fault)
            return fault
        if isinstance(fault, Rejected):
            raise BadMessage(f"config.language_code: {fault.sentence}") from fault
        self._on_fault(fault)
        if not fault.retryable:
            raise CallLost(fault.sentence) from fault
        return fault

    def _lost(self, failures: int) -> int:
        """Note that the stream was lost; return how many streams came no further than it."""
        lead_s = 0.0 if self._uplink.closed else _VOICE_BEGINS_S
        further = self._coverage.lost(self._uplink.taken_s, lead_s=lead_s)
        failures = 0 if further else failures + 1
        if self._asked_again_s is not None and failures >= _HOPELESS_TRIES:
            self._coverage.give_up(self._asked_again_s)
        self._follow_coverage()
        return failures

    async def _retry_after(self, fault: ServiceError, failures: int) -> None:
        self._rewind()
        if self._uplink.closed and failures > _TRIES_AFTER_HANGUP:
            raise CallLost(f"speech was lost: {fault.sentence}") from fault
        self._uplink.lose()
        await asyncio.sleep(_RETRY_WAITS_S[min(max(failures, 1), len(_RETRY_WAITS_S)) - 1])
        await self._uplink.ready()
        self._rewind()

    def _rewind(self) -> None:
        """Give all audio again that no final covers; words of audio that is gone are final."""
        coverage, uplink = self._coverage, self._uplink
        words = coverage.lost_interim
        if words and uplink.kept_from_s > coverage.replay_from_s + _VOICE_BEGINS_S:
            self._pass_on(replace(words, final=True))
            coverage.give_up_to_lost()
        uplink.rewind(coverage.replay_from_s)

    def _detect_voice(self, samples: bytes) -> bool:
        """Report voice activity edges; return whether there is voice, or may be."""
        if self._sound:
            self._sound.feed(samples)
        if self._activity is None:
            return True
        now = self._clock()
        end_s = self._uplink.added_s + pcm.seconds(samples, self._rate_hz)
        self._coverage.came(end_s)
        edges = self._activity.feed(samples, now)
        self._unechoed.came(end_s, unechoed_s := self._activity.unechoed_s)
        if unechoed_s <= 0:
            self._utterance.may_echo()
        for edge in edges:
            self._note_edge(edge, now, end_s - edge.ago_s)
            self._on_edge(edge)
        if self._coverage.voiced:  # in silence nothing is to be covered that was not before
            self._follow_coverage()
        return self._coverage.voiced

    def _note_edge(self, edge: Edge, now: float, at_s: float) -> None:
        unechoed_since = now - edge.ago_s if self._unechoed.holds(at_s) else None
        self._utterance.voice(now, voiced=edge.voiced, unechoed_since=unechoed_since)
        self._unechoed.voice(at_s, voiced=edge.voiced)
        self._note_voice(at_s, voiced=edge.voiced)

    def _note_voice(self, at_s: float, *, voiced: bool) -> None:
        self._coverage.voice(at_s, voiced=voiced)
        if voiced and self._asked_again_s is not None:
            if self._covered is not Covered.BEHIND:  # the caller says it again
                self._coverage.give_up(at_s - _VOICE_BEGINS_S)
            self._asked_again_s = None
        self._follow_coverage()

    def _follow_coverage(self) -> None:
        """Tell where the words begin or cease to cover the speech; let go of audio that they do."""
        covered = self._coverage.now()
        if covered is not self._covered:
            self._covered = covered
            self._on_covered(covered)
        needed_s = min(self._coverage.needed_from_s, self._uplink.added_s - _VOICE_BEGINS_S)
        self._uplink.release(needed_s)
        self._coverage.released(needed_s)

    def _progressed(self, until_s: float | None) -> None:
        """The recogniser has answered the audio up to this position; None: it does not say."""
        self._served = self._asked
        self._answered_s = until_s
        self._coverage.reached(until_s)
        if until_s is not None and until_s >= self._lag_due_s:
            self._lag_due_s = until_s + _LAG_NOTED_EVERY_S
            self._on_lag(max(0.0, self._uplink.taken_s - until_s))
        self._follow_coverage()

    def _transcribed(self, transcript: Transcript, start_s: float) -> None:
        """Take in a transcript whose stream began `start_s` into the caller audio."""
        self._served = self._asked
        transcript = _shifted(transcript, start_s)
        if self._coverage.repeats(transcript):
            return
        self._coverage.took(transcript, self._uplink.taken_s)
        self._without_forgotten(self._placed(transcript))
        self._follow_coverage()

    def _placed(self, transcript: Transcript) -> Transcript:
        """Say how far it reaches; a final of which that is not known ends an utterance."""
        until_s = self._answered_s
        if transcript.final and self._coverage.has_all_speech:
            until_s = self._uplink.added_s  # in the silence since, nothing is to be recognised
        if until_s is None and transcript.final:
            until_s = self.ended.reach(transcript.words[-1].end_s if transcript.words else None)
        return replace(transcript, until_s=until_s)

    def _without_forgotten(self, transcript: Transcript) -> None:
        forgotten = self._clock() < self._forgets_until
        if self._withheld and not self._withheld[-1].final:
            self._withheld.pop()  # any transcript replaces the interim before it
        callers, doubtful = self._without_echo(transcript)  # a final ends its utterance in any case
        if forgotten:
            if transcript.final:
                self._forgets_until = 0.0
                self._drop(transcript.text, "forgotten")
            self._drop_withheld("forgotten")
            return
        if transcript.final:
            self._drop(left_out(transcript, callers), "echo")
        if doubtful and callers.text:
            self._withheld.append(callers)
            self._schedule_recheck()
            callers = replace(transcript, text="", words=())
        if callers.text:
            self._pass_on_withheld()  # the withheld words were said before these
        self._pass_on(callers)

    def _drop_withheld(self, reason: DropReason) -> None:
        withheld, self._withheld = self._withheld, []
        self._drop(" ".join(each.text for each in withheld if each.final), reason)

    def _drop(self, text: str, reason: DropReason) -> None:
        if text.strip():
            self._on_dropped(text, reason)

    def _pass_on(self, transcript: Transcript) -> None:
        if transcript.text and transcript.final:
            self._utterance.understood(self._clock())
        elif transcript.text:
            self._utterance.accept()
            self._coverage.shows(transcript)
        if transcript.words:
            self.speech_end = self._uplink.arrived_at(transcript.words[-1].end_s)
        self._on_transcript(transcript)

    def _without_echo(self, transcript: Transcript) -> tuple[Transcript, bool]:
        """The caller's part of the transcript, and whether even that may be an echo."""
        now = self._clock()
        has_caller = self._utterance.take(transcript, now)
        own = self.own.of_utterance(now, final=transcript.final)
        if self._activity is None:  # no voice activity is detected
            own = "" if self._config.line_echo == "none" else own
            return callers_part(transcript, own, self._stops), False
        if not has_caller:
            return self._without_voice(transcript, own, now, self._activity)
        if self._activity.echoes() is False or not own:
            return transcript, False
        theirs = self._unechoed.positions(transcript)
        if theirs is None:  # the recogniser gives no times
            theirs = self._utterance.unechoed(transcript, now)
        said = f"{own}{APART}{self._utterance.misheard}"
        return callers_part(transcript, said, self._stops, theirs=theirs), False

    def _without_voice(
        self, transcript: Transcript, own: str, now: float, activity: Activity
    ) -> tuple[Transcript, bool]:
        """The same for a transcript beside which no voice was noticed."""
        doubtful = bool(self.own.sounding()) and self._config.line_echo != "none"
        if activity.echoes() is False:
            doubted = _RESIDUAL_ECHO_WORDS if doubtful else 0
            # Words of the reply that no voice said came back, whatever was learned of the line.
            said = "" if self._config.line_echo == "none" else own
            return callers_part(transcript, said, self._stops, doubted=doubted), False
        if not own:
            return transcript, False
        doubted = 1 if doubtful else 0
        probable = callers_part(transcript, own, self._stops, doubted=doubted)
        if now - activity.echoed_at > COMES_BACK_S:  # the sound was too soft for voice
            return probable, False
        if activity.echoes():
            return replace(transcript, text="", words=()), False
        # It is not known yet whether the loudspeaker echoes. A soft voice may have been taken for
        # an echo, and a recogniser makes whole sentences of the first second of an echo. If no more
        # audio comes, there is nothing to learn it from.
        return probable, not self._uplink.closed

    def _schedule_recheck(self) -> None:
        if self._recheck:
            self._recheck.cancel()
        self._recheck = asyncio.get_running_loop().call_later(_RECHECK_S, self._recheck_withheld)

    def _recheck_withheld(self) -> None:
        """Pass the withheld words on, unless they are known by now to be an echo."""
        echoes = self._activity.echoes() if self._activity else None
        may_be_known = not self._uplink.closed and self.own.sounds(self._clock())
        if echoes is None and may_be_known:
            self._schedule_recheck()
            return
        self._pass_on_withheld()

    def _pass_on_withheld(self) -> None:
        if self._activity and self._activity.echoes():
            self._drop_withheld("echo")
            return
        withheld, self._withheld = self._withheld, []
        for transcript in withheld:
            self._pass_on(transcript)


async def _predict(
    sound: TurnSound, on_probability: Callable[[float], None], silent_s: float
) -> None:
    async for probability in through_silence(sound, silent_s):
        on_probability(probability)


def _shifted(transcript: Transcript, by_s: float) -> Transcript:
    words = (Word(w.text, w.start_s + by_s, w.end_s + by_s) for w in transcript.words)
    return replace(transcript, words=tuple(words))
