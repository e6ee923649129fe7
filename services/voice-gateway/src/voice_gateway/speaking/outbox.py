"""What is waiting to be sent to one caller.

Notices never wait; audio waits for room, and is handed out at most `lead_s` ahead of the caller's
loudspeaker: whatever has left here cannot be taken back. One reply's audio is in here at a time.
"""

import asyncio
from collections import deque
from collections.abc import Callable

from voice_gateway.audio import pcm
from voice_gateway.messages import Notice, ReplyAudio, ReplyText, ToCaller, ToolCalled
from voice_gateway.speaking.playback import Playback

_NOTICES = 4096  # a caller this far behind does not read any more
_SOON_S = 0.001  # due; a timer for less would only be rounding


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
        self._open = True
        self._stirred = asyncio.Event()
        self._emptier = asyncio.Event()
        self.playback = Playback()
        self.plays_from = 0.0
        """When the audio handed out last leaves the caller's loudspeaker."""

    def post(self, notice: Notice) -> None:
        """Queue a notice, ahead of any audio; calls `on_full` where too many wait already.

        The text and the tool calls of a draft wait with its audio.
        """
        if isinstance(notice, ReplyText | ToolCalled) and notice.reply != self._reply:
            return  # its reply was dropped in this very moment
        if self._draft and isinstance(notice, ReplyText | ToolCalled):
            self._draft_texts.append(notice)
        elif len(self._notices) < _NOTICES:
            self._notices.append(notice)
            self._stirred.set()
        else:
            self._on_full()

    def begin(self, reply: int, *, draft: bool = False) -> None:
        """From now on, only this reply is taken in; of a draft, nothing is handed out yet."""
        self.drop()
        self._reply = reply
        self._draft = draft
        self.playback = Playback()

    def release(self) -> None:
        """Hand out the reply that was a draft until now."""
        self._draft = False
        for text in self._draft_texts:
            self.post(text)
        self._draft_texts.clear()
        self._stirred.set()
        self._emptier.set()

    def pause(self, *, at_loudspeaker: bool) -> None:
        """Hand out no audio for now; where the loudspeaker stops as well, so does its clock."""
        self._paused = True
        if at_loudspeaker:
            self.playback.stop(self._clock())

    def resume(self) -> None:
        """Go on where `pause` stopped."""
        self._paused = False
        self.playback.go_on(self._clock())
        self._stirred.set()
        self._emptier.set()

    async def play(self, audio: ReplyAudio) -> None:
        """Queue audio of the live reply, once there is room; any other's is thrown away."""
        while audio.reply == self._reply and self._waiting_s >= self._room_s:
            await self._next_room()
        if audio.reply != self._reply:
            return
        self._audio.append(audio)
        self._waiting_s += pcm.seconds(audio.pcm, self._rate_hz)
        self._stirred.set()

    async def drained(self) -> None:
        """Wait until all of the reply has been handed out."""
        while self._audio or self._draft or self._paused:
            await self._next_room()

    def drop(self) -> None:
        """Throw away what waits of the reply: nothing of it is handed out after this."""
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
        self._emptier.set()

    def unpace(self) -> None:
        """Nobody can interrupt any more: audio need not wait for the loudspeaker."""
        self._paced = False
        self._stirred.set()

    def close(self) -> None:
        """Hand out the notices that wait, then end."""
        self.drop()
        self._open = False
        self._stirred.set()

    async def take(self) -> ToCaller | None:
        """The next message that is due; None when closed and empty."""
        while True:
            if self._notices:
                return self._notices.popleft()
            if not self._open:
                return None
            wait_s = self._due_in() if self._audio and not (self._draft or self._paused) else None
            if wait_s is not None and wait_s < _SOON_S:
                return self._hand_out()
            await self._stir(wait_s)

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
        self._emptier.set()
        return audio

    async def _stir(self, wait_s: float | None) -> None:
        self._stirred.clear()
        try:
            async with asyncio.timeout(wait_s):
                await self._stirred.wait()
        except TimeoutError:
            pass  # the next piece is due

    async def _next_room(self) -> None:
        self._emptier.clear()
        await self._emptier.wait()
