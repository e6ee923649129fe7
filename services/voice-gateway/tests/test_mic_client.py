"""Talk to the voice gateway with this machine's microphone: the whole client in one file.

It is a program, not a test. In an empty folder that holds this file and voice_workflow.proto:

    uv init --app --no-workspace --name voice-client .
    uv add grpcio grpcio-tools pyaudio
    uv run python -m grpc_tools.protoc -I. --python_out=. --grpc_python_out=. voice_workflow.proto
    uv run test_mic_client.py

PyAudio is built on the spot and needs PortAudio: `brew install portaudio` on a Mac,
`sudo apt-get install portaudio19-dev python3-dev gcc` on Debian and Ubuntu.
"""

import argparse
import asyncio
import os
import re
import secrets
import shutil
import sys
import threading
from collections.abc import Generator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, cast

MISSING: ImportError | None = None
if TYPE_CHECKING:
    import grpc
    import grpc.aio
    from voice_proto import voice_workflow_pb2 as wire
    from voice_proto import voice_workflow_pb2_grpc as stubs
else:
    try:
        import grpc
        import grpc.aio
        import voice_workflow_pb2 as wire
        import voice_workflow_pb2_grpc as stubs
    except ImportError as error:
        MISSING = error

PIECE_S, CONNECT_S, WAIT_S = 0.02, 3.0, 10.0
MICROPHONE_PIECES = 50  # a second: older sound is of no use to a conversation
ROOM_RINGS_S, MOST_WAITING_S, SILENT_S = 0.3, 60.0, 3.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 10.0
RATE_HZ, PIECE = 16_000, 320
CONVERSATION = secrets.token_urlsafe()  # who dials again goes on with it, and nobody else can
KEY = [("authorization", f"Bearer {key}") for key in [os.environ.get("VOICE_API_KEY")] if key]
INT16, CONTINUE = 8, 0  # pyaudio.paInt16, pyaudio.paContinue

CHANNEL = (
    ("grpc.keepalive_time_ms", 30_000),  # a tunnel drops a silent connection
    ("grpc.http2.bdp_probe", 0),  # with a small window, little stale audio is under way
    ("grpc.http2.lookahead_bytes", 16_384),
)
REFUSED = {"INVALID_ARGUMENT", "NOT_FOUND", "PERMISSION_DENIED", "UNAUTHENTICATED", "UNIMPLEMENTED"}

GET_PARTS = """In the folder of this file and voice_workflow.proto, run:
  uv add grpcio grpcio-tools pyaudio
  uv run python -m grpc_tools.protoc -I. --python_out=. --grpc_python_out=. voice_workflow.proto"""
GET_PORTAUDIO = """\
Install PortAudio (macOS: brew install portaudio; Debian, Ubuntu: sudo apt-get install
portaudio19-dev python3-dev gcc), then run: uv add --reinstall-package pyaudio pyaudio"""
OPEN_TUNNEL = """Is the gateway running, and is the tunnel open? In two more terminals:
  on the cluster's head node
    kubectl -n voice-workflow port-forward svc/voice-gateway-gateway 50051:50051
  on this machine
    ssh -N -L 50051:localhost:50051 USER@HOST"""
ALLOW_MICROPHONE = """\
The microphone gives nothing but digital silence. On macOS: System Settings > Privacy & Security >
Microphone, allow your terminal, quit it and start it anew. Elsewhere: is the microphone muted?"""


class CannotGoOnError(Exception):
    """Trying again would not help; the text says what does."""


class GoodbyeError(Exception):
    """The gateway hung up of its own will: nobody had said anything for long."""


class LineDownError(Exception):
    """The call could not be made, or broke: what happened, and a hint where there is one."""


class Loudspeaker:
    """What waits to be played: filled from the call, emptied by PortAudio's thread."""

    def __init__(self) -> None:
        self.delay_s = 0.0
        self._lock, self._waiting = threading.Lock(), bytearray()
        self._quiet_s, self.paused = LONGEST_PAUSE_S, False

    def push(self, pcm: bytes) -> None:
        with self._lock:
            self._waiting += pcm

    def flush(self) -> None:
        with self._lock:
            self._waiting.clear()
        self.paused = False

    def pull(self, _in: bytes | None, frames: int, _time: object, _flags: int) -> tuple[bytes, int]:
        """Give the device what it asks for: PyAudio's callback."""
        with self._lock:
            pcm = b"" if self.paused else bytes(self._waiting[: 2 * frames])
            del self._waiting[: len(pcm)]
        self._quiet_s = 0.0 if pcm else self._quiet_s + frames / RATE_HZ
        return pcm.ljust(2 * frames, b"\0"), CONTINUE

    @property
    def full(self) -> bool:
        return len(self._waiting) > 2 * RATE_HZ * MOST_WAITING_S

    @property
    def audible(self) -> bool:
        """Tell whether the microphone may hear it."""
        playing = bool(self._waiting) and not self.paused
        return playing or self._quiet_s < ROOM_RINGS_S + self.delay_s


class Microphone:
    """The last second of what was said, 20 ms a piece."""

    def __init__(self, muted_by: Loudspeaker | None) -> None:
        self._muted_by = muted_by
        self._loop = asyncio.get_running_loop()
        self._pieces = asyncio.Queue[bytes](MICROPHONE_PIECES)
        self._silent_s: float = 0.0  # since the start; -1 once there was sound

    def hear(self, pcm: bytes, _frames: int, _time: object, _flags: int) -> tuple[None, int]:
        """Take what the device has recorded: PyAudio's callback, on its own thread."""
        self._loop.call_soon_threadsafe(self._keep, pcm)
        return None, CONTINUE

    def _keep(self, pcm: bytes) -> None:
        if self._pieces.full():
            self._pieces.get_nowait()
        self._pieces.put_nowait(pcm)

    async def piece(self) -> bytes:
        try:
            async with asyncio.timeout(WAIT_S):
                pcm = await self._pieces.get()
        except TimeoutError:
            raise CannotGoOnError("the microphone delivers nothing: is it unplugged?") from None
        if self._silent_s >= 0:
            self._silent_s = -1.0 if any(pcm) else self._silent_s + PIECE_S
            if self._silent_s > SILENT_S:
                self._silent_s = -1.0
                print(ALLOW_MICROPHONE)
        return bytes(len(pcm)) if self._muted_by and self._muted_by.audible else pcm


@contextmanager
def open_audio() -> Generator[Any]:
    """Give PyAudio, which ships no types, or say how to get it."""
    try:
        import pyaudio  # pyright: ignore[reportMissingImports, reportMissingModuleSource]
    except ImportError as error:
        raise CannotGoOnError(f"{error}. {GET_PORTAUDIO}") from None
    audio = cast("Any", pyaudio).PyAudio()
    with ExitStack() as opened:
        opened.callback(audio.terminate)
        yield audio


def list_devices() -> None:
    with open_audio() as audio:
        for it in map(audio.get_device_info_by_index, range(audio.get_device_count())):
            channels = f"{it['maxInputChannels']} in, {it['maxOutputChannels']} out"
            print(f"{it['index']:>3}  {it['name']}  ({channels})")


def choose(audio: Any, side: str, wanted: str) -> int:
    """Return the default device's number, or that of the one named by number or part of a name."""
    if not wanted:
        return getattr(audio, f"get_default_{side}_device_info")()["index"]
    for info in map(audio.get_device_info_by_index, range(audio.get_device_count())):
        named = not wanted.isdecimal() and wanted.casefold() in info["name"].casefold()
        if info[f"max{side.title()}Channels"] and (named or wanted == str(info["index"])):
            return info["index"]
    raise CannotGoOnError(f"--{side}-device {wanted}: no such device; see --list-devices")


@contextmanager
def open_sound(options: argparse.Namespace) -> Generator[tuple[Microphone, Loudspeaker]]:
    """Open both devices, s16le mono."""
    with open_audio() as audio, ExitStack() as opened:
        loudspeaker = Loudspeaker()
        microphone = Microphone(loudspeaker if options.half_duplex else None)
        start = partial(audio.open, rate=RATE_HZ, channels=1, format=INT16, frames_per_buffer=PIECE)
        try:
            ears = choose(audio, "input", options.input_device)
            mouth = choose(audio, "output", options.output_device)
            play = start(output=True, output_device_index=mouth, stream_callback=loudspeaker.pull)
            opened.callback(play.close)
            loudspeaker.delay_s = play.get_output_latency()
            hear = start(input=True, input_device_index=ears, stream_callback=microphone.hear)
            opened.callback(hear.close)
        except OSError as error:
            raise CannotGoOnError(f"{error}: cannot open the devices; see --list-devices") from None
        yield microphone, loudspeaker


class Screen:
    """Lines, of which the last may be an interim transcript or a reply in the making."""

    def __init__(self) -> None:
        self._on_terminal = sys.stdout.isatty()
        self._open, self._interim = "", ""

    def line(self, text: str) -> None:
        self._show("", f"{text}\n")

    def heard(self, text: str, *, final: bool) -> None:
        """Show a transcript; on a terminal an interim is one line that is rewritten."""
        known, self._interim = self._interim, "" if final else text
        if final:
            self.line(f"you: {text}")
        elif text != known and not self._on_terminal:
            self.line(f"  ... {text}")
        elif text != known:
            self._show("interim", f"  ... {text[7 - shutil.get_terminal_size().columns :]}")

    def settle(self) -> None:
        """What was only an interim has become what was said."""
        if self._interim:
            self.heard(self._interim, final=True)

    def reply(self, text: str) -> None:
        self._show("reply", text if self._open == "reply" else f"reply: {text.lstrip()}")

    def _show(self, opened: str, text: str) -> None:
        before = "\r\x1b[K" if self._open == "interim" else ""
        before = "\n" if self._open == "reply" and opened != "reply" else before
        print(f"{before}{text}", end="", flush=True)
        self._open = opened


@dataclass(slots=True)
class Call:
    """One call to the gateway, from the config to the end of the line."""

    stream: Any
    microphone: Microphone
    loudspeaker: Loudspeaker
    screen: Screen
    accepted: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, language: str) -> None:
        config = wire.VoiceConfig(language_code=language, sample_rate=RATE_HZ, can_pause=True)
        config.conversation_id = CONVERSATION
        await self.send(wire.ClientMessage(config=config))
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self.listen())
                await self.speak()
        except BaseExceptionGroup as failed:
            raise failed.exceptions[0] from None

    async def send(self, message: "wire.ClientMessage") -> None:
        """Write one message; only one task does, gRPC takes one at a time."""
        try:
            async with asyncio.timeout(WAIT_S):
                await self.stream.write(message)
        except TimeoutError:
            raise LineDownError("the gateway takes no more audio") from None
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            raise await self.ended() from None

    async def speak(self) -> None:
        try:
            async with asyncio.timeout(WAIT_S):
                await self.accepted.wait()  # a refused call must be able to say so
        except TimeoutError:
            raise LineDownError("the gateway does not take the call") from None
        while True:
            await self.send(wire.ClientMessage(audio_chunk=await self.microphone.piece()))

    async def listen(self) -> None:
        with suppress(grpc.aio.AioRpcError):
            while (message := await self.stream.read()) is not grpc.aio.EOF:
                self.accepted.set()
                if message.event.type == wire.GOODBYE:
                    await self.play_out()
                    raise GoodbyeError("the gateway has ended the call")
                self.take(message)
                while self.loudspeaker.full:  # noqa: ASYNC110 (emptied by PortAudio's thread)
                    await asyncio.sleep(PIECE_S)
        raise await self.ended()

    async def play_out(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(FIRST_PAUSE_S + ROOM_RINGS_S):
                while self.loudspeaker.audible:  # noqa: ASYNC110 (by PortAudio's thread)
                    await asyncio.sleep(PIECE_S)

    async def ended(self) -> Exception:
        """Tell how the call ended: for good, or such that dialling again may help."""
        code, details = await self.stream.code(), await self.stream.details()
        if code.name in REFUSED:
            return CannotGoOnError(f"the gateway refused the call: {code.name}: {details}")
        return LineDownError(f"the call ended: {code.name} {details}".rstrip())

    def take(self, message: "wire.ServerMessage") -> None:
        match message.WhichOneof("content"):
            case "transcript_chunk":
                text = clean(message.transcript_chunk).strip()
                self.screen.heard(text, final=message.transcript.is_final)
            case "llm_response_chunk":
                self.screen.reply(clean(message.llm_response_chunk))
            case "audio_chunk":
                self.loudspeaker.push(message.audio_chunk)
            case "event":
                self.follow(message.event)
            case _:
                pass  # from a later version of the contract

    def follow(self, event: "wire.ServerEvent") -> None:
        match event.type:
            case wire.VOICE_PAUSED | wire.VOICE_RESUMED:
                self.loudspeaker.paused = event.type == wire.VOICE_PAUSED
            case wire.LISTENING if event.HasField("interruption"):
                self.loudspeaker.flush()
                self.screen.line(f"[interrupted after {event.interruption.heard_ms} ms]")
            case wire.LISTENING:
                self.screen.line("[listening] speak; Ctrl-C ends")
            case wire.PROCESSING:
                self.screen.settle()
            case wire.ERROR:
                where = f"{event.fault.stage} {event.fault.code}".strip() or "gateway"
                self.screen.line(f"error: {where}: {clean(event.message)}")
            case wire.END_OF_TURN if event.HasField("latency"):
                self.screen.line(latency(event.latency))
            case _:
                pass


def clean(text: str) -> str:
    """Control characters from the network must not steer the terminal."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f]+", " ", text)


def latency(it: "wire.TurnLatency") -> str:
    """Put where the turn's time went into a line."""
    names = {"total_ms": "latency", "endpoint_ms": "end of turn", "model_ms": "model"}
    names |= {"clause_ms": "clause", "voice_ms": "voice"}
    told = (f"{name} {getattr(it, key)} ms" for key, name in names.items() if it.HasField(key))
    return ", ".join(told)


async def one_call(
    options: argparse.Namespace, microphone: Microphone, loudspeaker: Loudspeaker, screen: Screen
) -> None:
    """Dial and talk until the line drops, which raises LineDownError."""
    async with grpc.aio.insecure_channel(options.server, options=CHANNEL) as channel:
        try:  # first of all: a missing tunnel is another trouble than a call that broke
            async with asyncio.timeout(CONNECT_S):
                await channel.channel_ready()
        except TimeoutError:
            raise LineDownError(f"nothing answers at {options.server}", OPEN_TUNNEL) from None
        stream = cast("Any", stubs.VoiceGatewayStub(channel)).StreamAudio(metadata=KEY)
        try:
            await Call(stream, microphone, loudspeaker, screen).run(options.language)
        finally:
            stream.cancel()
            loudspeaker.flush()


async def converse(options: argparse.Namespace) -> None:
    """Talk until Ctrl-C; dial again, with growing pauses, when the line drops."""
    screen, pause_s, hinted = Screen(), FIRST_PAUSE_S, False
    now = asyncio.get_running_loop().time
    with open_sound(options) as (microphone, loudspeaker):
        while True:
            dialled = now()
            try:
                await one_call(options, microphone, loudspeaker, screen)
            except LineDownError as down:
                pause_s = FIRST_PAUSE_S if now() - dialled > LONGEST_PAUSE_S else pause_s
                text, *hint = down.args
                again = f"{text}; dialling again in {pause_s:g} s"
                screen.line("\n".join([again] if hinted else [again, *hint]))
                hinted = bool(hint)
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Talk to the voice gateway with a microphone.")
    add = parser.add_argument
    add("--server", default="localhost:50051", metavar="HOST:PORT", help="default localhost:50051")
    add("--language", default="", help="such as en-US (default: the server's)")
    add("--list-devices", action="store_true", help="show the sound devices and end")
    add("--input-device", default="", metavar="N|NAME", help="number or part of its name")
    add("--output-device", default="", metavar="N|NAME", help="number or part of its name")
    add("--half-duplex", action="store_true", help="mute the microphone while a reply plays")
    return parser.parse_args()


def main() -> None:
    options = read_options()
    if MISSING:
        sys.exit(f"{MISSING}. {GET_PARTS}")
    try:
        if options.list_devices:
            list_devices()
        else:
            asyncio.run(converse(options))
    except CannotGoOnError as error:
        sys.exit(f"\n{error}")
    except GoodbyeError as goodbye:
        print(f"\n{goodbye}")
    except KeyboardInterrupt:
        print("\nbye")


if __name__ == "__main__":
    main()
