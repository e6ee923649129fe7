"""One call, from the first message to the hang-up: feeds the conversation, runs its commands."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import assert_never

from voice_gateway import conversation as c
from voice_gateway.audio import pcm
from voice_gateway.audio.resample import Resampler
from voice_gateway.errors import (
    BadMessage,
    CallError,
    CallerSilent,
    CallerSlow,
    CallLost,
    Rejected,
    ServiceError,
    Unavailable,
)
from voice_gateway.latency import TurnMoments
from voice_gateway.outbox import Outbox
from voice_gateway.policy import TurnPolicy
from voice_gateway.ports import (
    Audio,
    CallConfig,
    Caller,
    CallMetrics,
    CutOff,
    EndOfUtterance,
    Failed,
    FromCaller,
    Heard,
    Interrupt,
    Listening,
    Played,
    Processing,
    Services,
    Speaking,
    TurnOver,
    Typed,
    Uncounted,
    Word,
)
from voice_gateway.reply import Manner, Reply
from voice_gateway.uplink import Uplink

log = logging.getLogger(__name__)

_UPLINK_ROOM_S = 30.0
_REPLY_ROOM_S = 10.0  # audio made ahead: the next clause is ready before this one was heard
_SLICE_S = 0.4  # audio looked at in one go: a millisecond's work
_SEND_S = 30.0  # a caller who takes longer over one message does not read
_GOODBYE_S = 5.0  # for the last notices of a call
_RELISTEN_S = (0.2, 0.5, 1.0, 2.0, 5.0)  # waits before recognition is tried again
_LAST_TRIES = 3  # of recognition, for a caller who has hung up and waits


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
        self._uplink = Uplink(rules.ear_rate_hz, _UPLINK_ROOM_S, self._clock)
        self._ear = Resampler(config.rate_hz, rules.ear_rate_hz)
        self._activity = services.activity(rules.ear_rate_hz) if services.activity else None
        self._record = services.record(config) if services.record else None
        self._tasks: asyncio.TaskGroup | None = None
        self._reply: Reply | None = None
        self._reply_task: asyncio.Task[None] | None = None
        self._held = 0
        self._timer: asyncio.TimerHandle | None = None
        self._over = asyncio.Event()
        self._speech_end: float | None = None
        self._error: CallError | None = None
        self._farewell: CallError | None = None

    async def run(self) -> None:
        """Serve the caller until the call is over; raises CallError where it ended badly."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            self._outbox.post(Listening())
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
        self._set_timer(None if self._over.is_set() else self._conversation.deadline)

    def _step(self, event: c.Event | None) -> tuple[c.Command, ...]:
        if event is None:
            return ()
        self._conversation, commands = c.step(self._conversation, event, self._rules.policy)
        if self._record:
            self._record.note(event, commands)
        return commands

    def _heard_so_far(self, now: float) -> c.ReplyHeard | None:
        if self._reply is None:
            return None
        heard = self._reply.ledger.heard(self._outbox.playback.played_s(now))
        return c.ReplyHeard(now, self._reply.number, heard)

    def _execute(self, command: c.Command) -> None:
        match command:
            case c.AskFinal():
                self._uplink.ask_final()
            case c.StartReply(number, history):
                self._start_reply(number, history)
                self._outbox.post(Processing(number))
            case c.PrepareReply(number, history):
                self._start_reply(number, history, held=True)
            case c.ReleaseReply(number):
                self._release_reply(number)
            case c.CancelReply():
                self._cancel_reply()
            case c.AnnounceVoice(number):
                self._outbox.post(Speaking(number))
            case c.Interrupted(number, heard):
                played_s = self._outbox.playback.played_s(self._clock())
                self._metrics.interrupted()
                self._outbox.post(CutOff(number, played_s, heard))
            case c.EndTurn(number):
                self._end_turn(number)
            case c.EndCall():
                self._end(self._farewell)  # no error, unless the gateway stops
            case _:
                assert_never(command)

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
        self, number: int, history: tuple[c.Message, ...], *, held: bool = False
    ) -> None:
        assert self._tasks
        moments = TurnMoments(turn_end=self._clock(), speech_end=self._speech_end)
        self._outbox.begin(number, held=held)
        self._held = number if held else 0
        self._reply = Reply(
            number,
            services=self._services,
            config=self._config,
            outbox=self._outbox,
            moments=moments,
            clock=self._clock,
            manner=self._rules.manner,
        )
        self._reply_task = self._tasks.create_task(
            self._answer(self._reply, history), name=f"reply-{number}"
        )

    def _release_reply(self, number: int) -> None:
        assert self._reply
        self._reply.moments.release(self._clock(), self._speech_end)
        self._outbox.post(Processing(number))
        self._outbox.release()
        self._held = 0
        self._metrics.prepared(used=True)

    async def _answer(self, reply: Reply, history: tuple[c.Message, ...]) -> None:
        def on_voice() -> None:
            self._tell(c.VoiceStarted(self._clock(), reply.number))

        try:
            fault = await reply.run(history, on_voice)
        except Exception:  # the one boundary: a bug in a reply must not end the call
            log.exception("call %s: reply %d broke", self._config.call_id, reply.number)
            fault = Unavailable("gateway", "the reply failed inside the gateway; see its log")
        if fault and reply.number != self._conversation.held:
            self._report(fault, reply.number)
        self._tell(c.ReplyEnded(self._clock(), reply.number, reply.ledger.text()))

    def _cancel_reply(self) -> None:
        if self._reply and self._reply.number == self._held:
            self._metrics.prepared(used=False, pieces=self._reply.pieces)
        self._outbox.drop()
        self._reply = None
        if self._reply_task:
            self._reply_task.cancel()
            self._reply_task = None

    def _end_turn(self, number: int) -> None:
        assert self._reply
        stages = self._reply.moments.stages()
        log.info("call %s turn %d: %s", self._config.call_id, number, stages)
        self._metrics.answered(stages)
        self._outbox.post(TurnOver(number, stages))
        self._reply = self._reply_task = self._speech_end = None

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
        await self._uplink.add(self._ear.flush())
        self._outbox.unpace()
        self._uplink.close()
        self._tell(c.CallerClosed(self._clock()))

    async def _take_in(self, message: FromCaller) -> None:
        match message:
            case Audio(chunk):
                await self._take_in_audio(self._ear.feed(chunk))
            case Typed(text):
                self._tell(c.CallerTyped(self._clock(), text))
            case Interrupt():
                self._tell(c.CallerInterrupted(self._clock()))
            case EndOfUtterance():
                self._uplink.end_utterance()
            case Played(reply, seconds):
                if self._reply and reply == self._reply.number:
                    self._outbox.playback.report(seconds, self._clock())
            case _:
                assert_never(message)

    async def _take_in_audio(self, samples: bytes) -> None:
        for piece in pcm.pieces(samples, _SLICE_S, self._rules.ear_rate_hz):
            if piece:
                self._listen_for_voice(piece)
                await self._uplink.add(piece)
            if len(piece) < len(samples):
                await asyncio.sleep(0)  # minutes of audio in one chunk must not stop other calls

    def _listen_for_voice(self, samples: bytes) -> None:
        for edge in self._activity.feed(samples) if self._activity else ():
            now = self._clock()
            if edge.voiced:
                self._tell(c.CallerVoiced(now))
            else:
                self._tell(c.CallerQuiet(now, since=now - edge.ago_s))

    async def _listen(self) -> None:
        """Recognise until the caller has finished; a recogniser that breaks off is called again."""
        await self._uplink.ready()
        failures = 0
        lost: ServiceError | None = None
        while not self._uplink.over:
            start_s = self._uplink.taken_s
            try:
                await self._services.recogniser.listen(
                    self._uplink,
                    language=self._config.language,
                    rate_hz=self._rules.ear_rate_hz,
                    on_heard=lambda heard, start_s=start_s: self._hear(heard, start_s),
                )
                lost = None
            except ServiceError as fault:
                failures = 0 if self._uplink.taken_s - start_s > _UPLINK_ROOM_S else failures
                lost = await self._relisten_after(fault, failures)
                failures += 1
        if lost:
            raise CallLost(f"speech was lost: {lost.text}") from lost
        self._tell(c.CallerFinished(self._clock()))

    async def _relisten_after(self, fault: ServiceError, failures: int) -> ServiceError:
        if isinstance(fault, Rejected):
            raise BadMessage(f"config.language_code: {fault.text}") from fault
        self._report(fault)
        if not fault.retryable:
            raise CallLost(fault.text) from fault
        if self._uplink.closed and failures >= _LAST_TRIES:
            raise CallLost(f"speech was lost: {fault.text}") from fault
        self._uplink.lose()
        await asyncio.sleep(_RELISTEN_S[min(failures, len(_RELISTEN_S) - 1)])
        await self._uplink.ready()
        return fault

    def _hear(self, heard: Heard, start_s: float) -> None:
        """Take in what the recogniser heard in audio that began `start_s` into the call."""
        if heard.words:
            heard = _moved(heard, start_s)
            self._speech_end = self._uplink.arrived_at(heard.words[-1].end_s)
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
        self._cancel_reply()
        self._outbox.close()
        if self._record:
            self._record.close()


def _moved(heard: Heard, by_s: float) -> Heard:
    words = tuple(Word(w.text, w.start_s + by_s, w.end_s + by_s) for w in heard.words)
    return Heard(heard.text, heard.final, heard.stability, words)
