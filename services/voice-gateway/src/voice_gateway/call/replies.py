"""The replies of one call, of which at most one is live: makes, releases, pauses and cuts them."""

import asyncio
import logging
from collections.abc import Callable
from functools import cache
from itertools import count
from typing import assert_never

from voice_gateway import conversation as c
from voice_gateway.errors import ServiceError, Unavailable
from voice_gateway.language import Language, language_of, languages, written_in
from voice_gateway.latency import TurnMoments
from voice_gateway.messages import (
    CallConfig,
    CutOff,
    Paused,
    Processing,
    Resumed,
    Speaking,
    TurnOver,
)
from voice_gateway.ports import CallMetrics, Services
from voice_gateway.speaking.language_tool import LanguageChange
from voice_gateway.speaking.outbox import Outbox
from voice_gateway.speaking.reply import Reply, ReplyOptions

log = logging.getLogger(__name__)

_REMEMBERED_REQUESTS = 16  # a program's requests; only one is answered at a time
_WORD_END_ERROR_S = 1.0  # how far the estimated end of a word may be off

ReplyCommand = (
    c.StartReply
    | c.Say
    | c.PrepareReply
    | c.ReleaseReply
    | c.AnnounceReply
    | c.PauseReply
    | c.ResumeReply
    | c.CancelReply
    | c.Interrupted
    | c.EndTurn
)


class Replies:
    """Carries out the conversation's commands about replies; every method returns at once."""

    def __init__(
        self,
        services: Services,
        config: CallConfig,
        *,
        outbox: Outbox,
        speech_end: Callable[[], float | None],
        reply_options: ReplyOptions,
        lead_s: float,
        metrics: CallMetrics,
        clock: Callable[[], float],
        tell: Callable[[c.Event], None],
        on_fault: Callable[[ServiceError, int], None],
        on_over: Callable[[str, float], None],
        language_change: LanguageChange | None = None,
    ) -> None:
        """`speech_end` returns when the caller's last word had arrived; None: not known.

        `on_over` gets the text that was played of a reply that is over, and when playback ends.
        """
        self._services = services
        self._outbox = outbox
        self._speech_end = speech_end
        self._reply_options = reply_options
        self._lead_s = lead_s
        self._metrics = metrics
        self._clock = clock
        self._tell = tell
        self._on_fault = on_fault
        self._on_over = on_over
        self._language_change = language_change
        self._answers_in = ""
        """The language of the last answer, where that was not the call's."""
        self._live: Reply | None = None
        self._making: asyncio.Task[None] | None = None
        self._draft = 0
        """The number of the live reply while it is a draft; 0: it is none."""
        self._last: Reply | None = None
        """The reply before the live one; the caller may have heard less of it than was sent."""
        self._last_sent_s = 0.0
        self.config = config
        """The config that replies are made with."""
        self._requests = count(1)
        self._requested: dict[int, CallConfig] = {}
        """The configs of replies that the caller's program asked for, by request."""
        self._prepare_apology(config)

    def carry_out(self, command: ReplyCommand, tasks: asyncio.TaskGroup) -> None:
        """Carry a command out; a reply is made in `tasks`."""
        match command:
            case c.StartReply() | c.Say() | c.PrepareReply():
                self._begin(command, tasks)
            case c.ReleaseReply(number):
                self._release(number)
            case c.AnnounceReply(number):
                self._outbox.post(Speaking(number))
            case c.PauseReply(number):
                self._pause(number)
            case c.ResumeReply(number):
                self._resume(number)
            case c.CancelReply():
                self.cancel()
            case c.Interrupted():
                self._post_cut(command)
            case c.EndTurn(number):
                self._end_turn(number)
            case _:
                assert_never(command)

    def cancel(self) -> None:
        """End the live reply now, if there is one; nothing more of it is sent."""
        if self._live and self._live.number == self._draft:
            self._metrics.prepared(used=False, pieces=self._live.pieces)
        self._outbox.drop()
        self._end_live(ahead_s=self._lead_s)
        if self._making:
            self._making.cancel()
            self._making = None

    def requested(self, config: CallConfig | None) -> int:
        """Note a request for a reply with `config` (None: the call's); return its number."""
        request = next(self._requests)
        if config:
            self._requested[request] = config
            self._requested.pop(request - _REMEMBERED_REQUESTS, None)
        return request

    # These tell what the caller has heard of a reply.

    def heard_so_far(self, now: float) -> c.ReplyHeard | None:
        """How much of the live reply the caller has heard by now."""
        if self._live is None:
            return None
        heard = self._live.heard(self._outbox.playback.played_s(now))
        return c.ReplyHeard(now, self._live.number, heard)

    def sounding(self) -> str:
        """The text of the live reply that was sent, and the next words: word ends are estimates."""
        sent_s = self._outbox.playback.sent_s
        return self._live.sounding(sent_s + _WORD_END_ERROR_S) if self._live and sent_s else ""

    def played(self, number: int, seconds: float) -> None:
        """The client reports how far its loudspeaker has played a reply."""
        if self._live and number == self._live.number:
            self._outbox.playback.report(seconds, self._clock())

    def truncate(self, number: int, seconds: float) -> None:
        """The caller's program stopped its loudspeaker at `seconds` of a reply."""
        now = self._clock()
        if self._live and number == self._live.number:
            self._outbox.playback.report(seconds, now)
            self._tell(c.CallerInterrupted(now))
        elif self._last and number == self._last.number:
            heard = self._last.heard(min(seconds, self._last_sent_s))
            self._tell(c.HeardAmended(now, number, heard))

    # These take a reply from its start to its end.

    def _begin(
        self, command: c.StartReply | c.Say | c.PrepareReply, tasks: asyncio.TaskGroup
    ) -> None:
        match command:
            case c.StartReply(number, history, request):
                self._start(number, history, tasks, request=request)
                self._outbox.post(Processing(number))
            case c.Say(number, text, silence_s, request):
                self._start(number, text, tasks, request=request)
                self._outbox.post(Processing(number, silence_s))
            case c.PrepareReply(number, history):
                self._start(number, history, tasks, draft=True)

    def _start(
        self,
        number: int,
        answers: tuple[c.Message, ...] | str,
        tasks: asyncio.TaskGroup,
        *,
        draft: bool = False,
        request: int = 0,
    ) -> None:
        self._outbox.begin(number, draft=draft)
        self._draft = number if draft else 0
        config = self._requested.get(request, self.config)
        self._prepare_apology(config)
        self._live = Reply(
            number,
            services=self._services,
            config=config,
            outbox=self._outbox,
            moments=TurnMoments(turn_end=self._clock(), speech_end=self._speech_end()),
            clock=self._clock,
            options=self._reply_options,
            language_change=self._language_change,
        )
        self._making = tasks.create_task(self._make(self._live, answers), name=f"reply-{number}")

    def _prepare_apology(self, config: CallConfig) -> None:
        if self._services.apologies:
            self._services.apologies.prepare(config)

    async def _make(self, reply: Reply, answers: tuple[c.Message, ...] | str) -> None:
        def on_audio() -> None:
            self._tell(c.ReplyAudioStarted(self._clock(), reply.number))

        try:
            fault = await reply.run(answers, on_audio)
        except Exception as bug:  # noqa: BLE001  # the boundary: a bug must not end the call
            fault = self._broke(reply, bug)
        if fault and reply.number != self._draft:
            self._on_fault(fault, reply.number)
            if not isinstance(answers, str):  # a greeting or a prompt is no answer to anybody
                await self._apologise(reply, on_audio)
        unfinished = bool(fault or reply.incomplete)
        said, calls = reply.text(), tuple(reply.calls)
        self._note_language(said, reply.language)
        self._tell(c.ReplyEnded(self._clock(), reply.number, said, calls, unfinished))

    def _note_language(self, said: str, language: str) -> None:
        """Log, once for each change, that the model does not answer in the call's language."""
        other = written_in(said, language_of(language), _all_languages())
        if other and other != self._answers_in:
            call_id = self.config.call_id
            log.warning("call %s: the answer is in %s, and not in %s", call_id, other, language)
        self._answers_in = other

    async def _apologise(self, reply: Reply, on_audio: Callable[[], None]) -> None:
        try:
            await reply.apologise(on_audio)
        except Exception as bug:  # noqa: BLE001  # the boundary, as above
            self._broke(reply, bug)

    def _broke(self, reply: Reply, bug: Exception) -> ServiceError:
        log.error("call %s: reply %d broke", self.config.call_id, reply.number, exc_info=bug)
        return Unavailable("gateway", "the reply failed inside the gateway; see its log")

    def _release(self, number: int) -> None:
        assert self._live
        self._live.moments.release(self._clock(), self._speech_end())
        self._outbox.post(Processing(number))
        self._outbox.release()
        self._draft = 0
        self._metrics.prepared(used=True)

    def _pause(self, number: int) -> None:
        self._outbox.pause(at_loudspeaker=self.config.can_pause)
        if self.config.can_pause:
            self._outbox.post(Paused(number))

    def _resume(self, number: int) -> None:
        self._outbox.resume()
        if self.config.can_pause:
            self._outbox.post(Resumed(number))

    def _post_cut(self, cut: c.Interrupted) -> None:
        self._metrics.interrupted()
        played_s = self._outbox.playback.played_s(self._clock())
        self._outbox.post(CutOff(cut.reply, played_s, cut.heard, cut.reopened))

    def _end_turn(self, number: int) -> None:
        assert self._live
        stages = self._live.moments.stages()
        log.info("call %s turn %d: %s", self.config.call_id, number, stages)
        self._metrics.answered(stages)
        over = TurnOver(number, stages, self._live.usage, self._live.incomplete)
        self._outbox.post(over)
        self._end_live(ahead_s=self._outbox.playback.ahead_s(self._clock()))
        self._making = None

    def _end_live(self, ahead_s: float) -> None:
        """End the live reply; its last words may still come back through the microphone."""
        if self._live:
            self._on_over(self.sounding(), self._clock() + ahead_s)
            if self._live.number != self._draft:
                self._last = self._live
                self._last_sent_s = self._outbox.playback.sent_s
        self._live = None


@cache
def _all_languages() -> tuple[Language, ...]:
    return languages()
