"""A sound card that is not there: a microphone to speak into, loudspeakers to listen at.

PulseAudio with two null sinks, and an ALSA configuration that leads PortAudio there; the
microphone is the monitor of the one, the loudspeakers are the other. Nothing of it touches the
sound of the machine: the server, its socket and its settings live in the test's folder.
"""

import asyncio
import os
import shutil
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from glob import glob
from pathlib import Path

import numpy as np
from owned_processes import program

RATE_HZ = 16_000
WINDOW_S = 0.02
LOUD = 300
"""The loudest sample of a window that is no silence; a null sink adds no noise."""
PATIENCE_S = 120.0

IN_TIME = ("nice", "-n", "-11")
"""Put before a command, gives it the priority of sound, where this user may ask for that."""

_ALSA = "pcm.!default { type pulse }\nctl.!default { type pulse }\n"
_PROGRAMS = ("pulseaudio", "pactl", "pacat", "parec", "gcc")
_PACKAGES = "pulseaudio pulseaudio-utils libasound2-plugins portaudio19-dev python3-dev gcc"


def what_is_missing() -> str:
    """Say what keeps this machine from having a virtual sound card; empty where nothing does."""
    missing = [name for name in _PROGRAMS if shutil.which(name) is None]
    if not Path("/usr/include/portaudio.h").exists():
        missing.append("portaudio.h")
    if not glob("/usr/lib/*/alsa-lib/libasound_module_pcm_pulse.so"):
        missing.append("ALSA's pulse plugin")
    return f"{', '.join(missing)} missing: apt-get install {_PACKAGES}" if missing else ""


@dataclass(slots=True)
class Recording:
    """What has left the loudspeakers so far: s16le mono at RATE_HZ, silence included."""

    pcm: bytearray = field(default_factory=bytearray)
    _grown: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def end_s(self) -> float:
        return len(self.pcm) / 2 / RATE_HZ

    async def keep(self, stream: asyncio.StreamReader) -> None:
        """Record until the stream ends."""
        while piece := await stream.read(4096):
            async with self._grown:
                self.pcm += piece
                self._grown.notify_all()

    async def until(self, second: float) -> None:
        """Wait until the recording is so long."""
        async with asyncio.timeout(PATIENCE_S), self._grown:
            await self._grown.wait_for(lambda: self.end_s >= second)

    async def until_sound(self, since_s: float) -> float:
        """Wait for sound after `since_s`; return the second of its end so far."""
        async with asyncio.timeout(PATIENCE_S), self._grown:
            await self._grown.wait_for(lambda: self.last_sound_s(since_s) is not None)
        return self.last_sound_s(since_s) or since_s

    async def until_quiet(self, since_s: float, for_s: float) -> bytes:
        """Wait for sound after `since_s` and then for so much silence; return what was said."""
        end_s = await self.until_sound(since_s)
        while self.end_s - end_s < for_s:
            await self.until(end_s + for_s)
            end_s = self.last_sound_s(since_s) or end_s
        return self.cut(since_s, self.end_s)

    def last_sound_s(self, since_s: float) -> float | None:
        """Return where the last sound after `since_s` ends; None for silence."""
        samples = np.abs(np.frombuffer(self.cut(since_s, self.end_s), "<i2").astype(np.int32))
        size = round(WINDOW_S * RATE_HZ)
        windows = samples[: len(samples) // size * size].reshape(-1, size).max(axis=1)
        loud = np.flatnonzero(windows > LOUD)
        return since_s + (int(loud[-1]) + 1) * WINDOW_S if loud.size else None

    def cut(self, start_s: float, end_s: float) -> bytes:
        return bytes(self.pcm[2 * round(start_s * RATE_HZ) : 2 * round(end_s * RATE_HZ)])


@dataclass(frozen=True, slots=True)
class Room:
    """Where a program's microphone and loudspeakers stand."""

    environment: dict[str, str]
    """What makes a program use them."""
    loudspeakers: Recording

    async def say(self, pcm: bytes, rate_hz: int) -> None:
        """Say it into the microphone, in its own time."""
        said = ("--device=microphone", "--raw", f"--rate={rate_hz}", *_MONO)
        await _run(self.environment, "pacat", "--playback", *said, given=pcm)

    async def hear_the_loudspeakers(self, delay_ms: int) -> None:
        """Let the microphone hear them from now on, as in a room without headphones."""
        path = ("source=loudspeakers.monitor", "sink=microphone", f"latency_msec={delay_ms}")
        await _run(self.environment, "pactl", "load-module", "module-loopback", *path)


_MONO = ("--format=s16le", "--channels=1", "--latency-msec=20")


@asynccontextmanager
async def room(folder: Path, latency_ms: int = 100) -> AsyncGenerator[Room]:
    """Set the room up; it is gone on the way out.

    `latency_ms` is what the devices buffer: a busy machine breaks the sound up where it is short.
    """
    socket = folder / "sound"
    (folder / "asound.conf").write_text(_ALSA)
    environment = {
        **os.environ,
        "ALSA_CONFIG_PATH": str(folder / "asound.conf"),
        "PULSE_SERVER": f"unix:{socket}",
        "PULSE_COOKIE": str(folder / "cookie"),
        "PULSE_LATENCY_MSEC": str(latency_ms),
    }
    async with program(
        *(*IN_TIME, "pulseaudio", "-n"),
        *("--daemonize=no", "--use-pid-file=no", "--exit-idle-time=-1"),
        *("--disable-shm=yes", "--realtime=no", "--high-priority=no"),
        *("-L", "module-null-sink sink_name=loudspeakers rate=48000 channels=1"),
        *("-L", "module-null-sink sink_name=microphone rate=48000 channels=1"),
        *("-L", f"module-native-protocol-unix socket={socket} auth-anonymous=1"),
        env=environment
        | {"XDG_RUNTIME_DIR": str(folder), "XDG_CONFIG_HOME": str(folder), "HOME": str(folder)},
        stderr=asyncio.subprocess.DEVNULL,
    ):
        await _answers(socket)
        await _run(environment, "pactl", "set-default-source", "microphone.monitor")
        await _run(environment, "pactl", "set-default-sink", "loudspeakers")
        async with _recorded(environment) as recording:
            yield Room(environment, recording)


@asynccontextmanager
async def _recorded(environment: dict[str, str]) -> AsyncGenerator[Recording]:
    recording = Recording()
    async with (
        program(
            *(*IN_TIME, "parec", "--device=loudspeakers.monitor"),
            *("--raw", f"--rate={RATE_HZ}", *_MONO),
            env=environment,
            stdout=asyncio.subprocess.PIPE,
        ) as recorder,
        asyncio.TaskGroup() as tasks,
    ):
        assert recorder.stdout
        keeping = tasks.create_task(recording.keep(recorder.stdout))
        await recording.until(0.1)
        yield recording
        keeping.cancel()


async def _answers(socket: Path) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                _, writer = await asyncio.open_unix_connection(socket)
            except OSError:
                await asyncio.sleep(0.05)  # the server tells nobody that it is up
                continue
            writer.close()
            return


async def _run(environment: dict[str, str], *command: str, given: bytes = b"") -> None:
    pipes = {"stdin": asyncio.subprocess.PIPE, "stderr": asyncio.subprocess.PIPE}
    async with program(*command, env=environment, **pipes) as running:
        _, complaints = await running.communicate(given)
    assert running.returncode == 0, f"{command}: {complaints.decode()}"
