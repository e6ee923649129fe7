"""Owns the messages that wait to be sent to one caller, and paces a reply's audio.

Notices go out at once. Audio goes out at most `lead_s` ahead of the caller's loudspeaker, because
audio that was sent cannot be taken back. The outbox has the audio of one reply at a time.
"""

import asyncio
from collections import deque
from collections.abc import Callable

from voice_gateway.audio import pcm
from voice_gateway.messages import Notice, ReplyAudio, ReplyText, ToCaller, ToolCalled
from voice_gateway.speaking.playback import Playback

_MOST_WAITING_NOTICES = 4096  # a caller this far behind does not read any more
_ROUNDING_S = 1e-6
_TIMER_RESOLUTION_S = 0.001  # audio that is due sooner than this is due now


class Outbox:
    def __init__(
        self,
        *,
        rate_hz: int,
        lead_s: float,
        room_s: float,
        clock: Callable[[], float],
        on_full: Callable[[], None],
    ) -> None:
        self._rate_hz = rate_hz
        self._lead_s = lead_s
        self._room_s = room_s
        self._clock = clock
        self._on_full = on_full
        self._paced = True
        self._notices: deque[Notice] = deque()
        self._audio: deque[ReplyAudio] = deque()
        self._waiting_s = 0.0
        self._reply = 0
        self._draft = False
        self._draft_texts: list[ReplyText | ToolCalled] = []
        self._paused = False
        self.held = False
        """No audio is handed out, as nobody is there to hear it."""
        self._open = True
        self._changed = asyncio.Event()
        self._room_made = asyncio.Event()
        self.playback = Playback()
        self.plays_from = 0.0
        """When the audio handed out last begins to leave the caller's loudspeaker."""

    def post(self, notice: Notice) -> None:
        """Queue a notice, ahead of any audio; calls `on_full` when too many wait already.

        The text and the tool calls of a draft wait with its audio.
        """
        if isinstance(notice, ReplyText | ToolCalled) and notice.reply != self._reply:
            return  # its reply was dropped meanwhile
        if self._draft and isinstance(notice, ReplyText | ToolCalled):
            self._draft_texts.append(notice)
        elif len(self._notices) < _MOST_WAITING_NOTICES:
            self._notices.append(notice)
            self._changed.set()
        else:
            self._on_full()

    def begin(self, reply: int, *, draft: bool = False) -> None:
        """Accept only this reply from now on; a draft is not handed out before its release."""
        self.drop()
        self._reply = reply
        self._draft = draft
        self.playback = Playback()

    def release(self) -> None:
        """Hand out the reply, which was a draft until now."""
        self._draft = False
        for text in self._draft_texts:
            self.post(text)
        self._draft_texts.clear()
        self._changed.set()
        self._room_made.set()

    def pause(self, *, at_loudspeaker: bool) -> None:
        """Hand out no audio until `resume`; the playback stops too if the loudspeaker does."""
        self._paused = True
        if at_loudspeaker:
            self.playback.stop(self._clock())

    def resume(self) -> None:
        """Hand out audio again, from where `pause` stopped."""
        self._paused = False
        self.playback.go_on(self._clock())
        self._changed.set()
        self._room_made.set()

    def hold(self) -> None:
        """Hand out no audio until `let_go`."""
        self.held = True

    def let_go(self) -> None:
        self.held = False
        self._changed.set()

    async def play(self, audio: ReplyAudio) -> None:
        """Queue audio of the live reply once there is room; audio of any other reply is dropped."""
        while audio.reply == self._reply and self._waiting_s >= self._room_s:
            await self._next_room()
        if audio.reply != self._reply:
            return
        self._audio.append(audio)
        self._waiting_s += pcm.seconds(audio.pcm, self._rate_hz)
        self._changed.set()

    def take_back(self, since_s: float) -> bool:
        """Drop the reply's audio from `since_s` on; False if any of that was handed out already."""
        if self.playback.sent_s > since_s + _ROUNDING_S:
            return False
        while self._audio and self._audio[-1].offset_s > since_s - _ROUNDING_S:
            self._waiting_s -= pcm.seconds(self._audio.pop().pcm, self._rate_hz)
        self._room_made.set()
        return True

    async def released(self, reply: int) -> bool:
        """Wait while the reply is a draft; False if it was dropped instead of released."""
        while self._draft and reply == self._reply:
            await self._next_room()
        return reply == self._reply

    async def drained(self) -> None:
        """Wait until all of the reply has been handed out."""
        while self._audio or self._draft or self._paused:
            await self._next_room()

    def drop(self) -> None:
        """Drop what waits of the reply: nothing of it is handed out after this."""
        stale = self._reply
        self._reply = 0
        self._draft = self._paused = False
        self._draft_texts.clear()
        self._audio.clear()
        self._waiting_s = 0.0
        self._notices = deque(
            n
            for n in self._notices
            if not (isinstance(n, ReplyText | ToolCalled) and n.reply == stale)
        )
        self._room_made.set()

    def unpace(self) -> None:
        """Hand out audio without pacing, because nobody can interrupt any more."""
        self._paced = False
        self._changed.set()

    def close(self) -> None:
        """Drop the audio, hand out the notices that wait, and end."""
        self.drop()
        self._open = False
        self._changed.set()

    async def take(self) -> ToCaller | None:
        """Wait for the next message that is due; None when closed and empty."""
        while True:
            if self._notices:
                return self._notices.popleft()
            if not self._open:
                return None
            stays = self._draft or self._paused or self.held
            wait_s = self._due_in() if self._audio and not stays else None
            if wait_s is not None and wait_s < _TIMER_RESOLUTION_S:
                return self._hand_out()
            await self._wait_for_change(wait_s)

    def _due_in(self) -> float:
        if not self._paced:
            return 0.0
        piece_s = pcm.seconds(self._audio[0].pcm, self._rate_hz)
        return self.playback.ahead_s(self._clock()) + piece_s - max(self._lead_s, piece_s)

    def _hand_out(self) -> ReplyAudio:
        audio = self._audio.popleft()
        length_s = pcm.seconds(audio.pcm, self._rate_hz)
        self._waiting_s -= length_s
        self.plays_from = self.playback.send(length_s, self._clock())
        self._room_made.set()
        return audio

    async def _wait_for_change(self, wait_s: float | None) -> None:
        self._changed.clear()
        try:
            async with asyncio.timeout(wait_s):
                await self._changed.wait()
        except TimeoutError:
            pass  # the next piece is due

    async def _next_room(self) -> None:
        self._room_made.clear()
        await self._room_made.wait()
