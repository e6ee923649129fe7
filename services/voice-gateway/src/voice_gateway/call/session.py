"""One call from the first message to the hang-up: feeds the conversation and runs its commands."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import asdict, dataclass, field, replace
from typing import assert_never

from voice_gateway import conversation as c
from voice_gateway.call.call_memory import CallMemory
from voice_gateway.call.deadline import Deadline
from voice_gateway.call.guarded import GuardedRecord
from voice_gateway.call.language_changes import LanguageChanges
from voice_gateway.call.languages import Languages
from voice_gateway.call.replies import Replies
from voice_gateway.conversation.policy import TurnOptions, TurnPolicy
from voice_gateway.errors import (
    CallError,
    CallerSilent,
    CallerSlow,
    CallLost,
    OverLimit,
    ServiceError,
)
from voice_gateway.hearing.caller_audio import CallerAudio
from voice_gateway.hearing.coverage import Covered
from voice_gateway.messages import (
    Adjust,
    Answer,
    Audio,
    Away,
    Back,
    CallConfig,
    Changed,
    EndOfUtterance,
    Failed,
    Forget,
    FromCaller,
    Goodbye,
    Interrupt,
    Listening,
    Moving,
    Noted,
    Played,
    ReplyAudio,
    RequestDropped,
    Transcript,
    Truncated,
    TurnTaken,
    Typed,
    Withdrawn,
)
from voice_gateway.ports import Caller, CallMetrics, Edge, Services, Uncounted
from voice_gateway.speaking.outbox import Outbox
from voice_gateway.speaking.reply import ReplyOptions

log = logging.getLogger(__name__)

_AUDIO_AHEAD_S = 10.0  # audio made ahead: the next clause is ready before this one is heard
_SEND_S = 30.0  # a client that takes longer over one message does not read
_LAST_NOTICES_S = 5.0  # how long the last notices of a call may take


@dataclass(frozen=True, slots=True)
class CallOptions:
    """The options that every call has."""

    asr_rate_hz: int = 16_000
    playback_lead_s: float = 0.3
    idle_timeout_s: float = 300.0
    longest_s: float = 14_400.0
    policy: TurnPolicy = field(default_factory=TurnPolicy)
    reply: ReplyOptions = field(default_factory=ReplyOptions)
    languages: Languages | None = None
    """The languages that a call may change to; None: none are known."""


class Session:
    """Runs one call. `_tell` is synchronous: no caller and no service can delay a step."""

    def __init__(
        self,
        caller: Caller,
        services: Services,
        config: CallConfig,
        options: CallOptions,
        metrics: CallMetrics | None = None,
    ) -> None:
        self._metrics = metrics or Uncounted()
        self._caller = caller
        self.config = config  # with which the call began
        self._options = options
        self._loop = asyncio.get_running_loop()
        self._clock: Callable[[], float] = self._loop.time
        self._conversation = c.Conversation()
        self._outbox = Outbox(
            rate_hz=config.rate_hz,
            lead_s=options.playback_lead_s,
            room_s=_AUDIO_AHEAD_S,
            clock=self._clock,
            on_full=lambda: self._end(CallerSlow("the caller does not read its messages")),
        )
        self._languages = LanguageChanges(
            options.languages,
            config=lambda: self._replies.config,
            adjust=self._adjust,
            tell=self._outbox.post,
            report=self._report,
        )
        self._caller_audio = self._hearing(services, config)
        self._replies = self._speaking(services, config)
        self._memory = CallMemory(
            services,
            config,
            self._metrics,
            most_messages=options.policy.memory_messages,
            on_lost=self._report,
        )
        self._joined = asyncio.Event()
        self._early: list[c.Event] = []
        """The events that came before the history was recalled; replayed after it."""
        self._left_over: tuple[c.Message, ...] = ()
        self._policy = self._policy_in(config.language)
        self._record = GuardedRecord(services.record, config)
        self._tasks: asyncio.TaskGroup | None = None
        self._deadline = Deadline(self._caller_audio.arrival, self._time_is_over)
        self._over = asyncio.Event()
        self._error: CallError | None = None
        self._farewell: CallError | None = None

    def _hearing(self, services: Services, config: CallConfig) -> CallerAudio:
        return CallerAudio(
            services,
            config,
            self._options.asr_rate_hz,
            clock=self._clock,
            on_edge=self._voice_changed,
            on_transcript=self._transcribed,
            on_fault=self._report,
            on_covered=self._covered,
            on_lag=self._metrics.recogniser_lag,
            sounding=lambda: self._replies.sounding(),
            on_dropped=self._dropped,
            on_refused=self._languages.refused,
        )

    def _speaking(self, services: Services, config: CallConfig) -> Replies:
        return Replies(
            services,
            config,
            outbox=self._outbox,
            speech_end=lambda: self._caller_audio.speech_end,
            reply_options=self._options.reply,
            lead_s=self._options.playback_lead_s,
            metrics=self._metrics,
            clock=self._clock,
            tell=self._tell,
            on_fault=self._report,
            on_over=self._caller_audio.own.reply_over,
            language_change=self._languages,
        )

    async def run(self) -> None:
        """Serve the caller until the call is over; raises CallError where it ended badly."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            self._outbox.post(Listening())
            parts = [
                tasks.create_task(self._guarded(part), name=part.__name__)
                for part in (self._join, self._receive, self._listen, self._write)
            ]
            try:
                await self._over.wait()
                await asyncio.wait(parts[-1:], timeout=_LAST_NOTICES_S)
            finally:
                self._end(None)  # no reply begins any more, also where `run` was cancelled
                for part in parts:
                    part.cancel()
                await self._memory.close(self._left_over)
        if self._error:
            raise self._error

    def drain(self, why: str) -> None:
        """End the call when its running turn is over, as the gateway stops."""
        self._farewell = CallLost(why)
        if self.config.can_resume:
            self._outbox.post(Moving())
            self._move_on()
        else:
            self._tell(c.CallerFinished(self._clock()))

    def _move_on(self) -> None:
        """End a call whose client goes on with it elsewhere, once that loses nothing."""
        moves = self._farewell is not None and self.config.can_resume
        if moves and (self._outbox.held or self._conversation.at_rest):
            self._end(self._farewell)

    def refuse(self, refusal: OverLimit) -> None:
        """Tell the caller that a message was over a limit, and was not followed."""
        self._metrics.failed(refusal)
        self._outbox.post(Failed(refusal))

    # These drive the conversation and run its commands.

    async def _join(self) -> None:
        """Begin the conversation with the recalled history; recognition runs meanwhile."""
        joined = self._clock()
        recalled = await self._memory.recall()
        self._joined.set()
        self._languages.go_on(recalled)
        owed = self.config.turn_under_way
        again = c.asked_again(recalled, owed) if owed else None
        if self.config.turns != TurnOptions():
            self._tell(c.CallerChose(joined, **asdict(self.config.turns)))
        self._tell(c.CallerJoined(joined, recalled if again is None else again))
        if owed:
            self._ask_again(owed, is_known=again is not None)
        for event in self._early:
            self._tell(event)

    def _ask_again(self, owed: str, *, is_known: bool) -> None:
        """Ask what the caller was owed an answer to; the history has it if it `is_known`."""
        now = self._clock()
        asked = c.CallerAsked(now, self._replies.requested(None))
        self._tell(asked if is_known else c.CallerTyped(now, owed))

    def _tell(self, event: c.Event, transcript: Transcript | None = None) -> None:
        """Let the conversation take one step, and carry out what it decides.

        The caller gets the event's transcript before all that comes of it.
        """
        if self._over.is_set():
            return  # events after the end change nothing
        if not self._joined.is_set():
            self._early.append(event)
            self._show(transcript, None)
            return
        before = self._conversation
        commands = self._step(self._replies.heard_so_far(event.at)) + self._step(event)
        self._show(transcript, c.taken_back(before, self._conversation))
        for command in commands:
            self._execute(command)
        if self._tasks and not self._over.is_set():
            now = self._conversation
            self._deadline.set(now.wake_at, of_silence=now.awaits_silence)
            self._memory.keep(self._conversation.history, self._tasks)
            self._move_on()

    def _step(self, event: c.Event | None) -> tuple[c.Command, ...]:
        if event is None:
            return ()
        self._conversation, commands = c.step(self._conversation, event, self._policy)
        self._record.note(event, commands)
        return commands

    def _execute(self, command: c.Command) -> None:
        match command:
            case c.AskFinal():
                self._caller_audio.ask_final()
            case c.KeepTurn(number):
                self._outbox.post(TurnTaken(number))
                self._caller_audio.turn_taken()
            case c.DropRequest(request):
                self._outbox.post(RequestDropped(request))
            case c.DropWords(_, reason):
                self._metrics.words_dropped(reason)
            case c.EndCall():
                if self._conversation.line is c.Line.OPEN:
                    self._outbox.post(Goodbye())
                self._end(self._farewell)  # no error, unless the gateway stops
            case _:
                assert self._tasks
                self._replies.carry_out(command, self._tasks)
                self._tell_hearing(command)

    def _tell_hearing(self, command: c.Command) -> None:
        """Tell the caller's audio what became of the words recognised in it."""
        match command:
            case c.EndTurn():
                self._caller_audio.turn_over()
            case c.StartReply() | c.ReleaseReply():
                self._caller_audio.turn_taken()
            case c.Say(asks_again=True):
                self._caller_audio.asks_again()
            case _:
                pass

    def _time_is_over(self, deadline: float) -> None:
        # The loop may fire slightly early; the conversation compares with the time it asked for.
        self._tell(c.TimerFired(max(deadline, self._clock())))

    # These take in what the caller and the recogniser send.

    async def _receive(self) -> None:
        try:
            async with asyncio.timeout(None) as idle_limit:
                while True:
                    idle_limit.reschedule(self._clock() + self._options.idle_timeout_s)
                    message = await self._caller.receive()
                    if message is None:
                        break
                    if not isinstance(message, Audio):
                        await self._joined.wait()  # so that `_early` stays short
                    await self._take_in(message)
        except TimeoutError:
            idle_s = self._options.idle_timeout_s
            raise CallerSilent(f"nothing came from the caller for {idle_s:g} s") from None
        await self._hang_up()

    async def _hang_up(self) -> None:
        """End the caller's side: its last message came, and it waits for the last reply."""
        await self._caller_audio.close()
        self._deadline.audio_came()
        self._outbox.unpace()
        self._tell(c.CallerClosed(self._clock()))

    async def _take_in(self, message: FromCaller) -> None:
        match message:
            case Audio(chunk):
                await self._caller_audio.take_in(chunk)
                self._deadline.audio_came()
            case Typed(text):
                self._tell(c.CallerTyped(self._clock(), text))
            case Interrupt():
                self._tell(c.CallerInterrupted(self._clock()))
            case EndOfUtterance():
                self._caller_audio.end_utterance()
                self._tell(c.CallerEnded(self._clock()))
            case Played(reply, seconds):
                self._replies.played(reply, seconds)
            case Changed():
                self._languages.asked(message)
            case Away() | Back():
                self._line_changed(away=isinstance(message, Away))
            case _:
                self._follow(message)

    def _line_changed(self, *, away: bool) -> None:
        """Wait with the audio while nobody hears it."""
        if away:
            self._outbox.hold()
            self._move_on()
        else:
            self._outbox.let_go()

    def _follow(self, message: Adjust | Noted | Withdrawn | Answer | Truncated | Forget) -> None:
        """Take in a message that only a caller's program sends."""
        now = self._clock()
        match message:
            case Adjust(config):
                self._adjust(config)
            case Noted(noted, after):
                self._tell(c.CallerNoted(now, noted, after))
            case Withdrawn(name):
                self._tell(c.CallerWithdrew(now, name))
            case Answer(config):
                self._tell(c.CallerAsked(now, self._replies.requested(config)))
            case Truncated(reply, seconds):
                self._replies.truncate(reply, seconds)
            case Forget(words):
                if not words:
                    self._caller_audio.forget()
                self._tell(c.CallerForgot(now, words))
            case _:
                assert_never(message)

    def _adjust(self, config: CallConfig) -> None:
        before, languages = self._replies.config.language, self._options.languages
        same_stream = languages is not None and languages.same_stream(before, config.language)
        self._replies.config = config
        self._caller_audio.adjust(config, same_stream=same_stream)
        self._policy = self._policy_in(config.language)
        if config.language != before:
            log.info("call %s: %s from now on", self.config.call_id, config.language)
        self._tell(c.CallerChose(self._clock(), **asdict(config.turns)))

    def _policy_in(self, language: str) -> TurnPolicy:
        languages, policy = self._options.languages, self._options.policy
        known = languages.policy(policy, language) if languages else policy
        return replace(known, language=language)

    def _voice_changed(self, edge: Edge) -> None:
        now = self._clock()
        if edge.voiced:
            self._caller_audio.voice_begins(goes_on=self._conversation.goes_on(now, self._policy))
            self._tell(c.CallerVoiced(now))
            return
        self._tell(c.CallerQuiet(now, since=now - edge.ago_s))
        if self._tasks and not self._over.is_set():
            self._caller_audio.predict_turn_end(self._tasks, self._turn_predicted, edge.ago_s)

    def _turn_predicted(self, probability: float) -> None:
        self._tell(c.EndOfTurnProbability(self._clock(), probability))

    def _covered(self, covered: Covered) -> None:
        now = self._clock()
        if covered is Covered.WHOLE:
            self._tell(c.RecognitionCaughtUp(now))
        else:
            self._tell(c.RecognitionBehind(now, broken=covered is not Covered.BEHIND))

    async def _listen(self) -> None:
        await self._caller_audio.listen()
        self._tell(c.CallerFinished(self._clock()))

    def _transcribed(self, transcript: Transcript) -> None:
        self._languages.follow(transcript)
        ends = self._caller_audio.ended
        ended = transcript.final and ends.over(transcript.until_s)
        event = c.CallerSpoke(
            self._clock(), transcript.text, transcript.final, ended, awaits=ends.pending
        )
        self._tell(event, transcript if ended or transcript.text.strip() else None)

    def _show(self, transcript: Transcript | None, taken_back: tuple[int, str] | None) -> None:
        """Send a transcript; one of a turn that goes on says which reply it takes back."""
        if transcript and taken_back:
            reply, turn = taken_back
            transcript = replace(transcript, replaces=reply, turn=turn)
        if transcript:
            self._outbox.post(transcript)

    def _dropped(self, text: str, reason: c.DropReason) -> None:
        self._metrics.words_dropped(reason)
        self._record.dropped(self._clock(), text, reason)

    def _report(self, fault: ServiceError, reply: int = 0) -> None:
        log.warning("call %s: %s: %s", self.config.call_id, fault.stage, fault.text)
        self._metrics.failed(fault)
        self._outbox.post(Failed(fault, reply))

    # These send to the caller, and end the call.

    async def _write(self) -> None:
        """Send the outbox's messages; the only writer, as a stream allows one write at a time."""
        while (message := await self._outbox.take()) is not None:
            if isinstance(message, ReplyAudio):
                self._caller_audio.plays(message, self._outbox.plays_from)
            try:
                async with asyncio.timeout(_SEND_S):
                    await self._caller.send(message)
            except TimeoutError:
                raise CallerSlow(f"the caller did not read for {_SEND_S:g} s") from None

    async def _guarded(self, part: Callable[[], Coroutine[None, None, None]]) -> None:
        """Run a part of the call; where it fails, the call ends with its error."""
        try:
            async with asyncio.timeout(self._options.longest_s):
                await part()
        except CallError as error:
            if isinstance(error.__cause__, ServiceError):
                log.warning("call %s ends: %s", self.config.call_id, error.__cause__.text)
            self._end(error)
        except TimeoutError:
            self._end(CallerSilent(f"the call took longer than {self._options.longest_s:g} s"))

    def _end(self, error: CallError | None) -> None:
        """End the call now; what already is in the outbox is still sent."""
        self._error = self._error or error
        if not self._over.is_set():
            heard = self._replies.heard_so_far(self._clock())
            self._left_over = c.left_over(self._conversation, heard.text if heard else "")
        self._over.set()
        self._deadline.cancel()
        self._caller_audio.stop()
        self._replies.cancel()
        self._outbox.close()
        self._record.close()
