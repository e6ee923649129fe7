"""The microphone and the loudspeaker of this machine; only this module knows PyAudio."""

import asyncio
import importlib
import os
import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Protocol, cast

from voice_client.echo_cancelling import EchoCanceller, can_cancel
from voice_client.failures import BadInputError
from voice_client.levels import Levels, peak_db
from voice_client.playback import Playback

PIECE_S = 0.02
MICROPHONE_PIECES = 50
"""A second of audio: older audio is of no use to a conversation."""
RATES_HZ = (16_000, 48_000, 44_100, 32_000, 24_000, 22_050, 8_000)

_PA_INT16 = 8
_PA_CONTINUE = 0

_INSTALL = (
    "the microphone needs PyAudio, which needs PortAudio. Install PortAudio "
    "(macOS: brew install portaudio; Debian, Ubuntu: sudo apt-get install portaudio19-dev "
    "python3-dev gcc), then: uv run --extra mic voice mic"
)

Callback = Callable[[bytes | None, int, object, int], tuple[bytes | None, int]]
DeviceInfo = Mapping[str, str | int | float]


class _Stream(Protocol):
    def close(self) -> None: ...
    def get_input_latency(self) -> float: ...
    def get_output_latency(self) -> float: ...


class _PyAudio(Protocol):
    """The part of `pyaudio.PyAudio` that is used; the package ships no types."""

    def get_device_count(self) -> int: ...
    def get_device_info_by_index(self, index: int) -> DeviceInfo: ...
    def get_default_input_device_info(self) -> DeviceInfo: ...
    def get_default_output_device_info(self) -> DeviceInfo: ...
    def is_format_supported(self, rate: float, **wanted: int) -> bool: ...
    def open(
        self,
        *,
        rate: int,
        channels: int,
        format: int,  # noqa: A002 (PyAudio's own name)
        frames_per_buffer: int,
        stream_callback: Callback,
        input: bool = ...,  # noqa: A002 (PyAudio's own name)
        output: bool = ...,
        input_device_index: int | None = ...,
        output_device_index: int | None = ...,
    ) -> _Stream: ...
    def terminate(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Device:
    """A sound device as PortAudio lists it."""

    index: int
    name: str
    inputs: int
    outputs: int
    rate_hz: int
    is_default: bool = False
    """Whether it is taken where no device is asked for."""


@dataclass(frozen=True, slots=True)
class Sound:
    """An open microphone and an open loudspeaker, both s16le mono at one rate."""

    rate_hz: int
    microphone: asyncio.Queue[bytes]
    playback: Playback
    names: tuple[str, str]
    levels: Levels
    delay_s: float
    """Seconds from the loudspeaker's queue to the microphone's audio, as the devices tell."""


def devices() -> list[Device]:
    """Return the sound devices of this machine."""
    with _pyaudio() as audio:
        return _devices(audio)


@dataclass(slots=True)
class _Wires:
    """What the devices' threads need besides the queues."""

    levels: Levels
    canceller: EchoCanceller | None


def pick(found: list[Device], wanted: str, *, output: bool) -> Device:
    """Return the device with that number, or whose name contains `wanted`."""
    usable = [each for each in found if (each.outputs if output else each.inputs) > 0]
    for each in usable:
        if wanted == str(each.index):
            return each
    for each in usable:
        if wanted.casefold() in each.name.casefold() and not wanted.isdecimal():
            return each
    side = "output" if output else "input"
    known = ", ".join(f"{each.index} ({each.name})" for each in usable) or "none"
    raise BadInputError(f"--{side}-device {wanted}: no such {side} device; there are: {known}")


@contextmanager
def open_sound(
    input_device: str = "", output_device: str = "", *, cancel_echo: bool = False
) -> Generator[Sound]:
    """Open both devices at the first rate that both can do; empty means the default device."""
    with _pyaudio() as audio, ExitStack() as streams:
        try:
            ears = _chosen(audio, input_device, output=False)
            mouth = _chosen(audio, output_device, output=True)
            rate_hz = _common_rate(audio, ears, mouth, whole_frames=cancel_echo)
            wires = _Wires(Levels(), EchoCanceller(rate_hz) if cancel_echo else None)
            playback = _open_loudspeaker(audio, mouth, rate_hz, streams, wires)
            microphone, delay_s = _open_microphone(audio, ears, rate_hz, streams, wires)
        except OSError as error:
            raise BadInputError(f"cannot open the sound devices: {error}") from None
        delay_s += playback.device_delay_s
        if wires.canceller:
            wires.canceller.delay_s = delay_s
        yield Sound(rate_hz, microphone, playback, (ears.name, mouth.name), wires.levels, delay_s)


@contextmanager
def _pyaudio() -> Generator[_PyAudio]:
    try:
        module = importlib.import_module("pyaudio")
    except ImportError as error:
        raise BadInputError(f"{error}: {_INSTALL}") from None
    with _without_alsa_messages():
        audio = cast("_PyAudio", module.PyAudio())
    try:
        yield audio
    finally:
        audio.terminate()


@contextmanager
def _without_alsa_messages() -> Generator[None]:
    """Suppress what ALSA and JACK write to standard error about devices that are not there."""
    if sys.platform != "linux":
        yield
        return
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _devices(audio: _PyAudio) -> list[Device]:
    defaults = _default_indices(audio)
    infos = map(audio.get_device_info_by_index, range(audio.get_device_count()))
    return [_device(info, is_default=info["index"] in defaults) for info in infos]


def _default_indices(audio: _PyAudio) -> list[int]:
    indices: list[int] = []
    for ask in (audio.get_default_input_device_info, audio.get_default_output_device_info):
        with suppress(OSError):
            indices.append(int(ask()["index"]))
    return indices


def _device(info: DeviceInfo, *, is_default: bool = False) -> Device:
    return Device(
        index=int(info["index"]),
        name=str(info["name"]),
        inputs=int(info["maxInputChannels"]),
        outputs=int(info["maxOutputChannels"]),
        rate_hz=int(info["defaultSampleRate"]),
        is_default=is_default,
    )


def _chosen(audio: _PyAudio, wanted: str, *, output: bool) -> Device:
    if wanted:
        return pick(_devices(audio), wanted, output=output)
    try:
        if output:
            return _device(audio.get_default_output_device_info())
        return _device(audio.get_default_input_device_info())
    except OSError:
        side = "loudspeaker" if output else "microphone"
        raise BadInputError(f"this machine has no {side} (see voice devices)") from None


def _common_rate(audio: _PyAudio, ears: Device, mouth: Device, *, whole_frames: bool) -> int:
    for rate_hz in (*RATES_HZ, ears.rate_hz, mouth.rate_hz):
        if whole_frames and not can_cancel(rate_hz):
            continue
        if _can_do(audio, rate_hz, ears, mouth):
            return rate_hz
    raise BadInputError(f"{ears.name} and {mouth.name} share no sample rate for 16-bit mono")


def _can_do(audio: _PyAudio, rate_hz: int, ears: Device, mouth: Device) -> bool:
    try:
        return audio.is_format_supported(
            rate_hz, input_device=ears.index, input_channels=1, input_format=_PA_INT16
        ) and audio.is_format_supported(
            rate_hz, output_device=mouth.index, output_channels=1, output_format=_PA_INT16
        )
    except ValueError:  # PyAudio's way to say no
        return False


def _open_loudspeaker(
    audio: _PyAudio, mouth: Device, rate_hz: int, streams: ExitStack, wires: _Wires
) -> Playback:
    playback = Playback(rate_hz)

    def play(_in: bytes | None, frames: int, _time: object, _flags: int) -> tuple[bytes, int]:
        pcm = playback.pull(frames)
        wires.levels.loudspeaker_db = peak_db(pcm)
        if wires.canceller:
            wires.canceller.played(pcm)
        return pcm, _PA_CONTINUE

    stream = audio.open(
        rate=rate_hz,
        channels=1,
        format=_PA_INT16,
        frames_per_buffer=round(PIECE_S * rate_hz),
        stream_callback=play,
        output=True,
        output_device_index=mouth.index,
    )
    streams.callback(stream.close)
    playback.device_delay_s = stream.get_output_latency()
    return playback


def _open_microphone(
    audio: _PyAudio, ears: Device, rate_hz: int, streams: ExitStack, wires: _Wires
) -> tuple[asyncio.Queue[bytes], float]:
    """Return the queue of its audio and its delay in seconds.

    PortAudio calls back on a thread of its own, which hands each piece over to the loop.
    """
    loop = asyncio.get_running_loop()
    microphone = asyncio.Queue[bytes](maxsize=MICROPHONE_PIECES)

    def deliver(pcm: bytes) -> None:
        if microphone.full():
            microphone.get_nowait()
        microphone.put_nowait(pcm)

    def hear(pcm: bytes | None, _frames: int, _time: object, _flags: int) -> tuple[None, int]:
        heard = pcm or b""
        if wires.canceller:
            heard = wires.canceller.clean(heard)
        wires.levels.microphone_db = peak_db(heard)
        loop.call_soon_threadsafe(deliver, heard)
        return None, _PA_CONTINUE

    stream = audio.open(
        rate=rate_hz,
        channels=1,
        format=_PA_INT16,
        frames_per_buffer=round(PIECE_S * rate_hz),
        stream_callback=hear,
        input=True,
        input_device_index=ears.index,
    )
    streams.callback(stream.close)
    return microphone, stream.get_input_latency()
