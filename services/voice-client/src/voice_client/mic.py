"""Calls with the microphone and the loudspeaker, and dials again when the connection drops."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass

from voice_client.call import Call, Gateway, Hello, dial
from voice_client.failures import (
    BadInputError,
    CallBrokenError,
    ClientError,
    UnreachableError,
    first_failure,
)
from voice_client.messages import (
    Goodbye,
    Listening,
    Message,
    Reconnected,
    ReplyAudio,
    TurnEnded,
    VoicePaused,
    VoiceResumed,
)
from voice_client.screen import Audience
from voice_client.sound import PIECE_S, Sound
from voice_client.turns import Turns

REPORT_EVERY_S = 0.2
FULL_QUEUE_POLL_S = 0.05
SILENT_MICROPHONE_S = 3.0
DEAD_MICROPHONE_S = 5.0
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 10.0
GOODBYE_S = 3.0
DIAL_ATTEMPTS = 8
"""The attempts take a minute: a pod that is replaced is back by then."""

_HOPELESS = {
    "INVALID_ARGUMENT",
    "NOT_FOUND",
    "PERMISSION_DENIED",
    "UNAUTHENTICATED",
    "UNIMPLEMENTED",
}
PERMISSION = (
    "the microphone gives nothing but digital silence. On macOS: System Settings > Privacy & "
    "Security > Microphone, allow your terminal, then start it anew; elsewhere: is it muted?"
)


@dataclass(slots=True)
class MicCall:
    """One call with the microphone: it plays replies, sends audio, and reports what was played."""

    call: Call
    sound: Sound
    screen: Audience
    half_duplex: bool = False
    """Send silence while the loudspeaker plays, whose sound the microphone would pick up."""
    greeted: bool = False
    """Whether the gateway has sent a message."""

    async def run(self) -> None:
        """Talk until the call ends; raise CallBrokenError when it does so badly."""
        while not self.sound.microphone.empty():
            self.sound.microphone.get_nowait()  # audio from before the call
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._speak(), name="speak")
                tasks.create_task(self._report(), name="report")
                await self._listen()  # until the goodbye is over
                raise CallBrokenError("the gateway has ended the call", code="OK")
        except BaseExceptionGroup as group:
            raise first_failure(group) from None

    async def _listen(self) -> None:
        turns, now = Turns(self.sound.rate_hz), asyncio.get_running_loop().time
        turns.say("microphone")
        async for message in self.call.messages():
            if isinstance(message, Goodbye):
                return
            self.greeted = True
            self.screen.see(message)
            ended = turns.see(message, now())
            if ended:
                self.screen.turn_over(ended)
                turns.forget_ended()
            await self._play(message)

    async def _play(self, message: Message) -> None:
        match message:
            case ReplyAudio(reply_id=reply_id, pcm=pcm):
                # PortAudio's thread empties the queue, and can set no event here.
                while self.sound.playback.full:  # noqa: ASYNC110
                    await asyncio.sleep(FULL_QUEUE_POLL_S)
                self.sound.playback.push(reply_id, pcm)
            case Listening(interruption=cut) if cut:
                self.sound.playback.flush()
            case Reconnected(anew=True):
                self.sound.playback.begin_anew()
            case VoicePaused():
                self.sound.playback.pause()
            case VoiceResumed() | Listening() | TurnEnded():
                self.sound.playback.go_on()
            case _:
                pass

    async def _speak(self) -> None:
        silent_s: float | None = 0.0
        while True:
            piece = await self._piece()
            if silent_s is not None:
                silent_s = self._watch_silence(piece, silent_s)
            if self.half_duplex and self.sound.playback.audible:
                piece = bytes(len(piece))
            await self.call.speak(piece)

    async def _piece(self) -> bytes:
        try:
            async with asyncio.timeout(DEAD_MICROPHONE_S):
                return await self.sound.microphone.get()
        except TimeoutError:
            name = self.sound.names[0]
            raise BadInputError(f"{name} delivers no sound any more: is it unplugged?") from None

    def _watch_silence(self, piece: bytes, silent_s: float) -> float | None:
        """Return the digital silence so far; None once there was sound or the hint was given."""
        if any(piece):
            return None
        if silent_s < SILENT_MICROPHONE_S:
            return silent_s + PIECE_S
        self.screen.note(PERMISSION)
        return None

    async def _report(self) -> None:
        told = (0, 0)
        while True:
            await asyncio.sleep(REPORT_EVERY_S)
            reply_id, played_ms = self.sound.playback.played()
            if reply_id and (reply_id, played_ms) != told:
                told = (reply_id, played_ms)
                await self.call.played(reply_id, played_ms)


@dataclass(frozen=True, slots=True)
class Line:
    """How to call: the gateway, the call's beginning, and how long to wait."""

    gateway: Gateway
    hello: Hello
    patience_s: float


async def converse(line: Line, sound: Sound, screen: Audience, *, half_duplex: bool) -> None:
    """Hold a conversation until Ctrl-C or goodbye; dial again when an accepted call breaks."""
    ever_greeted, failures = False, 0
    while True:
        talk, failure = await _one_call(line, sound, screen, half_duplex)
        if _is_goodbye(failure):
            await _play_out(sound)
            screen.close()
            return screen.note(str(failure))
        sound.playback.flush()
        screen.close()
        greeted = talk is not None and talk.greeted
        ever_greeted = ever_greeted or greeted
        failures = 0 if greeted else failures + 1
        if not ever_greeted or failures > DIAL_ATTEMPTS or _is_final(failure):
            raise failure
        pause_s = min(FIRST_PAUSE_S * 2**failures, LONGEST_PAUSE_S)
        screen.note(f"{failure}\ndialling again in {pause_s:g} s")
        await asyncio.sleep(pause_s)


async def _one_call(
    line: Line, sound: Sound, screen: Audience, half_duplex: bool
) -> tuple[MicCall | None, ClientError]:
    """Return the call, where one was accepted, and what ended it."""
    talk: MicCall | None = None
    try:
        async with dial(line.gateway, line.hello, line.patience_s) as call:
            if said := await call.trouble():
                screen.note(said)
            talk = MicCall(call, sound, screen, half_duplex)
            await talk.run()
    except ClientError as failure:
        return talk, failure
    raise AssertionError("a microphone call only ends by failing")


def _is_goodbye(failure: ClientError) -> bool:
    """Tell whether the gateway hung up of its own accord, after a long silence."""
    return isinstance(failure, CallBrokenError) and failure.code == "OK"


async def _play_out(sound: Sound) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(GOODBYE_S):
            while sound.playback.audible:  # noqa: ASYNC110 (PortAudio's thread empties it)
                await asyncio.sleep(FULL_QUEUE_POLL_S)


def _is_final(failure: ClientError) -> bool:
    """Tell whether dialling again would meet the same refusal."""
    if isinstance(failure, CallBrokenError):
        return failure.code in _HOPELESS
    return not isinstance(failure, UnreachableError)
