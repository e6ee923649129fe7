"""A stand-in for PyAudio, put on PYTHONPATH by tests of the microphone clients.

It exists to exercise their wiring on machines without sound: callbacks on threads of their own,
a microphone that plays the file STAND_IN_SAYS and then silence, a loudspeaker that writes what it
is given to STAND_IN_HEARS. Its clock runs four times as fast as a real device's.
"""

import os
import threading
from collections.abc import Callable
from pathlib import Path

PERIOD_S = 0.005

Callback = Callable[[bytes | None, int, object, int], tuple[bytes | None, int]]

DEVICES: list[dict[str, str | int | float]] = [
    {"index": 0, "name": "Desk Microphone", "maxInputChannels": 1, "maxOutputChannels": 0},
    {"index": 1, "name": "Desk Speaker", "maxInputChannels": 0, "maxOutputChannels": 2},
]


class Stream:
    def __init__(self, turn: Callable[[], None]) -> None:
        self._stopped = threading.Event()
        self._turn = turn
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stopped.set()
        self._thread.join()

    def get_input_latency(self) -> float:
        return 0.01

    def get_output_latency(self) -> float:
        return 0.01

    def _run(self) -> None:
        while not self._stopped.wait(PERIOD_S):
            self._turn()


class PyAudio:
    def get_device_count(self) -> int:
        return len(DEVICES)

    def get_device_info_by_index(self, index: int) -> dict[str, str | int | float]:
        return {"defaultSampleRate": 48_000.0, **DEVICES[index]}

    def get_default_input_device_info(self) -> dict[str, str | int | float]:
        if "STAND_IN_NO_MICROPHONE" in os.environ:
            raise OSError("No Default Input Device Available")
        return self.get_device_info_by_index(0)

    def get_default_output_device_info(self) -> dict[str, str | int | float]:
        return self.get_device_info_by_index(1)

    def is_format_supported(self, rate: float, **wanted: int) -> bool:
        if rate > 48_000:
            raise ValueError("Invalid sample rate", -9997)
        return bool(wanted)

    def open(
        self,
        *,
        rate: int,
        channels: int,
        format: int,  # noqa: A002
        frames_per_buffer: int,
        stream_callback: Callback,
        input: bool = False,  # noqa: A002
        output: bool = False,
        input_device_index: int | None = None,
        output_device_index: int | None = None,
    ) -> Stream:
        assert (rate, channels, format) == (16_000, 1, 8)
        if output:
            assert (input, output_device_index) == (False, 1)
            return Stream(_loudspeaker(stream_callback, frames_per_buffer))
        assert (input, input_device_index) == (True, 0)
        return Stream(_microphone(stream_callback, frames_per_buffer))

    def terminate(self) -> None: ...


def _loudspeaker(callback: Callback, frames: int) -> Callable[[], None]:
    hears = Path(os.environ["STAND_IN_HEARS"])

    def play() -> None:
        pcm, _ = callback(None, frames, {}, 0)
        assert pcm is not None
        assert len(pcm) == 2 * frames
        with hears.open("ab") as heard:
            heard.write(pcm)

    return play


def _microphone(callback: Callback, frames: int) -> Callable[[], None]:
    says = Path(os.environ["STAND_IN_SAYS"]).read_bytes()
    at = 0

    def record() -> None:
        nonlocal at
        pcm = says[at : at + 2 * frames].ljust(2 * frames, b"\0")
        at += 2 * frames
        callback(pcm, frames, {}, 0)

    return record
