"""One call, from the first message to the hang-up: feeds the conversation, runs its commands."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import asdict, dataclass, field, replace
from typing import assert_never

from voice_gateway import conversation as c
from voice_gateway.audio.vad import Edge
from voice_gateway.ear import Ear
from voice_gateway.errors import (
    CallError,
    CallerSilent,
    CallerSlow,
    CallLost,
    ServiceError,
    Unavailable,
)
from voice_gateway.latency import TurnMoments
from voice_gateway.outbox import Outbox
from voice_gateway.policy import TurnPolicy
from voice_gateway.ports import (
    Adjust,
    Answer,
    Audio,
    CallConfig,
    Caller,
    CallMetrics,
    CutOff,
    EndOfUtterance,
    Failed,
    Forget,
    FromCaller,
    Heard,
    Interrupt,
    Listening,
    Noted,
    Paused,
    Played,
    Processing,
    ReplyAudio,
    Resumed,
    Services,
    Speaking,
    Truncated,
    TurnOver,
    TurnTaken,
    Typed,
    Uncounted,
    Withdrawn,
)
from voice_gateway.reply import Manner, Reply

log = logging.getLogger(__name__)

_REPLY_ROOM_S = 10.0  # audio made ahead: the next clause is ready before this one was heard
_SEND_S = 30.0  # a caller who takes longer over one message does not read
_NEXT_WORDS_S = 1.0  # of a reply: the word being said, and the next ones
_GOODBYE_S = 5.0  # for the last notices of a call


@dataclass(frozen=True, slots=True)
class CallRules:
    """What is the same for every call; seconds unless named otherwise."""

    ear_rate_hz: int = 16_000
    playback_lead_s: float = 0.3
    idle_timeout_s: float = 300.0
    longest_s: float = 14_400.0
    policy: TurnPolicy = field(default_factory=TurnPolicy)
    manner: Manner = field(default_factory=Manner)


class Session:
    """Runs one call. `tell` is synchronous: nothing a caller or a service does can hold it up."""

    def __init__(
        self,
        caller: Caller,
        services: Services,
        config: CallConfig,
        rules: CallRules,
        metrics: CallMetrics | None = None,
    ) -> None:
        self._metrics = metrics or Uncounted()
        self._caller = caller
        self._services = services
        self._config = config
        self._rules = rules
        self._loop = asyncio.get_running_loop()
        self._clock: Callable[[], float] = self._loop.time
        self._conversation = c.Conversation()
        self._outbox = Outbox(
            rate_hz=config.rate_hz,
            lead_s=rules.playback_lead_s,
            room_s=_REPLY_ROOM_S,
            clock=self._clock,
            on_full=lambda: self._end(CallerSlow("the caller does not read its messages")),
        )
        self._ear = Ear(
            services,
            config,
            rules.ear_rate_hz,
            clock=self._clock,
            on_edge=self._voice_changed,
            on_heard=self._hear,
            on_fault=self._report,
        )
        self._ear.own.live = self._sounding
        self._policy = replace(rules.policy, language=config.language)
        self._record = services.record(config) if services.record else None
        self._tasks: asyncio.TaskGroup | None = None
        self._reply: Reply | None = None
        self._reply_task: asyncio.Task[None] | None = None
        self._held = 0
        self._once: CallConfig | None = None
        """For the next reply alone."""
        self._last: Reply | None = None
        """The reply before the live one, of which the caller may have heard less than was sent."""
        self._timer: asyncio.TimerHandle | None = None
        self._over = asyncio.Event()
        self._error: CallError | None = None
        self._farewell: CallError | None = None

    async def run(self) -> None:
        """Serve the caller until the call is over; raises CallError where it ended badly."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            self._outbox.post(Listening())
            self._tell(c.CallerJoined(self._clock()))
            parts = [
                tasks.create_task(self._guarded(part), name=part.__name__)
                for part in (self._receive, self._listen, self._write)
            ]
            try:
                await self._over.wait()
                await asyncio.wait(parts[-1:], timeout=_GOODBYE_S)
            finally:
                self._end(None)  # nothing begins any more, also where this was cancelled
            for part in parts:
                part.cancel()
        if self._error:
            raise self._error

    def drain(self, why: str) -> None:
        """The gateway stops: the call ends as soon as its running turn is over."""
        self._farewell = CallLost(why)
        self._tell(c.CallerFinished(self._clock()))

    # The conversation, and what it commands.

    def _tell(self, event: c.Event) -> None:
        """Let the conversation take one step, and carry out what it decides."""
        if self._over.is_set():
            return  # whatever still happens, nothing more comes of it
        commands = self._step(self._heard_so_far(event.at)) + self._step(event)
        for command in commands:
            self._execute(command)
        self._set_timer(None if self._over.is_set() else self._conversation.wake_at)

    def _step(self, event: c.Event | None) -> tuple[c.Command, ...]:
        if event is None:
            return ()
        self._conversation, commands = c.step(self._conversation, event, self._policy)
        if self._record:
            self._record.note(event, commands)
        return commands

    def _heard_so_far(self, now: float) -> c.ReplyHeard | None:
        if self._reply is None:
            return None
        heard = self._reply.heard(self._outbox.playback.played_s(now))
        return c.ReplyHeard(now, self._reply.number, heard)

    def _execute(self, command: c.Command) -> None:
        match command:
            case c.StartReply() | c.Say() | c.PrepareReply() | c.ReleaseReply() | c.CancelReply():
                self._change_reply(command)
            case c.AskFinal():
                self._ear.ask_final()
            case c.AnnounceVoice(number):
                self._outbox.post(Speaking(number))
            case c.PauseVoice(number):
                self._pause(number)
            case c.ResumeVoice(number):
                self._resume(number)
            case c.Interrupted(number, heard):
                self._post_cut(number, heard)
            case c.EndTurn(number):
                self._end_turn(number)
            case c.KeepTurn(number):
                self._outbox.post(TurnTaken(number))
            case c.EndCall():
                self._end(self._farewell)  # no error, unless the gateway stops
            case _:
                assert_never(command)

    def _change_reply(
        self, command: c.StartReply | c.Say | c.PrepareReply | c.ReleaseReply | c.CancelReply
    ) -> None:
        match command:
            case c.StartReply(number, answers) | c.Say(number, answers):
                self._start_reply(number, answers)
                self._outbox.post(Processing(number))
            case c.PrepareReply(number, history):
                self._start_reply(number, history, held=True)
            case c.ReleaseReply(number):
                self._release_reply(number)
            case c.CancelReply():
                self._cancel_reply()

    def _set_timer(self, deadline: float | None) -> None:
        self._cancel_timer()
        if deadline is not None:
            self._timer = self._loop.call_at(deadline, self._ring, deadline)

    def _cancel_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _ring(self, deadline: float) -> None:
        # The loop may ring a hair early; the conversation knows the time it asked for.
        self._tell(c.TimerFired(max(deadline, self._clock())))

    # The reply.

    def _start_reply(
        self, number: int, answers: tuple[c.Message, ...] | str, *, held: bool = False
    ) -> None:
        assert self._tasks
        moments = TurnMoments(turn_end=self._clock(), speech_end=self._ear.speech_end)
        self._outbox.begin(number, held=held)
        self._held = number if held else 0
        self._reply = Reply(
            number,
            services=self._services,
            config=self._once or self._config,
            outbox=self._outbox,
            moments=moments,
            clock=self._clock,
            manner=self._rules.manner,
        )
        self._once = None
        self._reply_task = self._tasks.create_task(
            self._answer(self._reply, answers), name=f"reply-{number}"
        )

    def _release_reply(self, number: int) -> None:
        assert self._reply
        self._reply.moments.release(self._clock(), self._ear.speech_end)
        self._outbox.post(Processing(number))
        self._outbox.release()
        self._held = 0
        self._metrics.prepared(used=True)

    async def _answer(self, reply: Reply, answers: tuple[c.Message, ...] | str) -> None:
        def on_voice() -> None:
            self._tell(c.VoiceStarted(self._clock(), reply.number))

        try:
            fault = await reply.run(answers, on_voice)
        except Exception:  # the one boundary: a bug in a reply must not end the call
            log.exception("call %s: reply %d broke", self._config.call_id, reply.number)
            fault = Unavailable("gateway", "the reply failed inside the gateway; see its log")
        if fault and reply.number != self._conversation.held:
            self._report(fault, reply.number)
        self._tell(c.ReplyEnded(self._clock(), reply.number, reply.text(), tuple(reply.calls)))

    def _pause(self, number: int) -> None:
        self._outbox.pause(at_loudspeaker=self._config.can_pause)
        if self._config.can_pause:
            self._outbox.post(Paused(number))

    def _resume(self, number: int) -> None:
        self._outbox.resume()
        if self._config.can_pause:
            self._outbox.post(Resumed(number))

    def _cancel_reply(self) -> None:
        if self._reply and self._reply.number == self._held:
            self._metrics.prepared(used=False, pieces=self._reply.pieces)
        self._outbox.drop()
        self._fall_silent(ahead_s=self._rules.playback_lead_s)
        if self._reply_task:
            self._reply_task.cancel()
            self._reply_task = None

    def _post_cut(self, number: int, heard: str) -> None:
        self._metrics.interrupted()
        self._outbox.post(CutOff(number, self._outbox.playback.played_s(self._clock()), heard))

    def _end_turn(self, number: int) -> None:
        assert self._reply
        stages = self._reply.moments.stages()
        log.info("call %s turn %d: %s", self._config.call_id, number, stages)
        self._metrics.answered(stages)
        self._outbox.post(TurnOver(number, stages, self._reply.usage))
        self._fall_silent(ahead_s=self._outbox.playback.ahead_s(self._clock()))
        self._reply_task = self._ear.speech_end = None

    def _fall_silent(self, ahead_s: float) -> None:
        """The reply is over; its last words may still come back through the microphone."""
        if self._reply:
            self._ear.own.reply_over(self._sounding(), self._clock() + ahead_s)
            if self._reply.number != self._held:
                self._last = self._reply
        self._reply = None

    def _sounding(self) -> str:
        """What of the live reply has left here, or may have: where words end is an estimate."""
        sent_s = self._outbox.playback.sent_s
        return self._reply.heard(sent_s + _NEXT_WORDS_S) if self._reply and sent_s else ""

    # What comes in.

    async def _receive(self) -> None:
        try:
            async with asyncio.timeout(None) as patience:
                while True:
                    patience.reschedule(self._clock() + self._rules.idle_timeout_s)
                    message = await self._caller.receive()
                    if message is None:
                        break
                    await self._take_in(message)
        except TimeoutError:
            idle_s = self._rules.idle_timeout_s
            raise CallerSilent(f"nothing came from the caller for {idle_s:g} s") from None
        await self._hang_up()

    async def _hang_up(self) -> None:
        """The caller has sent its last message, and waits for what is still to be said."""
        await self._ear.close()
        self._outbox.unpace()
        self._tell(c.CallerClosed(self._clock()))

    async def _take_in(self, message: FromCaller) -> None:
        match message:
            case Audio(chunk):
                await self._ear.take_in(chunk)
            case Typed(text):
                self._tell(c.CallerTyped(self._clock(), text))
            case Interrupt():
                self._tell(c.CallerInterrupted(self._clock()))
            case EndOfUtterance():
                self._ear.end_utterance()
                self._tell(c.CallerEnded(self._clock()))
            case Played(reply, seconds):
                if self._reply and reply == self._reply.number:
                    self._outbox.playback.report(seconds, self._clock())
            case _:
                self._follow(message)

    def _follow(self, message: Adjust | Noted | Withdrawn | Answer | Truncated | Forget) -> None:
        """What only a caller's program asks for."""
        now = self._clock()
        match message:
            case Adjust(config):
                self._adjust(config)
            case Noted(noted):
                self._tell(c.CallerNoted(now, noted))
            case Withdrawn(name):
                self._tell(c.CallerWithdrew(now, name))
            case Answer(config):
                self._once = config
                self._tell(c.CallerAsked(now))
            case Truncated(reply, seconds):
                self._truncate(reply, seconds)
            case Forget():
                self._ear.forget()
                self._tell(c.CallerForgot(now))
            case _:
                assert_never(message)

    def _adjust(self, config: CallConfig) -> None:
        self._config = config
        self._ear.adjust(config)
        self._policy = replace(self._policy, language=config.language)
        self._tell(c.CallerChose(self._clock(), **asdict(config.turns)))

    def _truncate(self, reply: int, seconds: float) -> None:
        """The caller's program stopped its loudspeaker at `seconds`."""
        now = self._clock()
        if self._reply and reply == self._reply.number:
            self._outbox.playback.report(seconds, now)
            self._tell(c.CallerInterrupted(now))
        elif self._last and reply == self._last.number:
            self._tell(c.HeardAmended(now, reply, self._last.heard(seconds)))

    def _voice_changed(self, edge: Edge) -> None:
        now = self._clock()
        if edge.voiced:
            self._ear.voice_begins(goes_on=self._conversation.goes_on(now, self._policy))
            self._tell(c.CallerVoiced(now))
            return
        self._tell(c.CallerQuiet(now, since=now - edge.ago_s))
        if self._tasks and not self._over.is_set():
            self._ear.judge_turn(self._tasks, self._turn_judged)

    def _turn_judged(self, chance: float) -> None:
        self._tell(c.TurnChance(self._clock(), chance))

    async def _listen(self) -> None:
        await self._ear.listen()
        self._tell(c.CallerFinished(self._clock()))

    def _hear(self, heard: Heard) -> None:
        if heard.text.strip():
            self._outbox.post(heard)
        self._tell(c.CallerSpoke(self._clock(), heard.text, heard.final))

    def _report(self, fault: ServiceError, reply: int = 0) -> None:
        log.warning("call %s: %s: %s", self._config.call_id, fault.stage, fault.text)
        self._metrics.failed(fault)
        self._outbox.post(Failed(fault, reply))

    # What goes out, and how it ends.

    async def _write(self) -> None:
        """The only writer: a stream allows one write in flight."""
        while (message := await self._outbox.take()) is not None:
            if isinstance(message, ReplyAudio):
                self._ear.plays(message, self._outbox.plays_from)
            try:
                async with asyncio.timeout(_SEND_S):
                    await self._caller.send(message)
            except TimeoutError:
                raise CallerSlow(f"the caller did not read for {_SEND_S:g} s") from None

    async def _guarded(self, part: Callable[[], Coroutine[None, None, None]]) -> None:
        """Run a part of the call; where it fails, the call ends with what went wrong."""
        try:
            async with asyncio.timeout(self._rules.longest_s):
                await part()
        except CallError as error:
            self._end(error)
        except TimeoutError:
            self._end(CallerSilent(f"the call took longer than {self._rules.longest_s:g} s"))

    def _end(self, error: CallError | None) -> None:
        """The call is over, now; what was already told the caller is still sent."""
        self._error = self._error or error
        self._over.set()
        self._cancel_timer()
        self._ear.stop()
        self._cancel_reply()
        self._outbox.close()
        if self._record:
            self._record.close()
