"""The doctor's checks of this machine's microphone and loudspeaker."""

import asyncio
from dataclasses import dataclass

from voice_client.doctor import Finding, failed, fine, warning
from voice_client.failures import BadInputError
from voice_client.levels import peak_db
from voice_client.melody import MELODY_S, hears_melody, melody
from voice_client.mic import PERMISSION
from voice_client.sound import Sound, open_sound

LISTEN_S = 1.5
DEAD_S = 3.0
QUIET_DB = -60.0
OFF_CLOCK = 0.05
MELODY_DB = -20.0
LATE_S = 0.3
"""Seconds by which devices may be later than they say, as those with Bluetooth are."""


@dataclass(frozen=True, slots=True)
class SoundChecks:
    """The checks of two sound devices; empty means the default one."""

    input_device: str
    output_device: str

    async def microphone(self) -> Finding:
        """Record for a moment: check that sound comes, that it is not silence, and its clock."""
        try:
            with open_sound(self.input_device, self.output_device) as sound:
                return await _listen(sound)
        except BadInputError as error:
            return failed("cannot be used", str(error))

    async def loudspeaker(self) -> Finding:
        """Play a few notes, and tell whether the microphone picks them up."""
        try:
            with open_sound(self.input_device, self.output_device) as sound:
                return await _play(sound)
        except BadInputError as error:
            return failed("cannot be used", str(error))


async def _listen(sound: Sound) -> Finding:
    name, now = sound.names[0], asyncio.get_running_loop().time
    await _recorded(sound, 0.2)  # the content of the device's buffer comes at once
    began = now()
    pcm = await _recorded(sound, LISTEN_S)
    took_s = now() - began
    if not pcm:
        return failed(f"{name} delivers nothing", "is it unplugged, or taken by another program?")
    if not any(pcm):
        return failed(f"{name} gives digital silence", PERMISSION)
    delivered_hz = len(pcm) / 2 / took_s
    if abs(delivered_hz / sound.rate_hz - 1) > OFF_CLOCK:
        found = f"{name} delivers {delivered_hz:.0f} samples a second instead of {sound.rate_hz}"
        return warning(
            found, "the voice may break up; try another device, or one without Bluetooth"
        )
    found = f"{name}, {sound.rate_hz} Hz, peak {peak_db(pcm):.0f} dB"
    if peak_db(pcm) < QUIET_DB:
        return warning(found, "very quiet: is its level turned down, or is it covered?")
    return fine(found)


async def _play(sound: Sound) -> Finding:
    name = sound.names[1]
    sound.playback.push(1, melody(sound.rate_hz, MELODY_DB))
    heard = await _recorded(sound, MELODY_S + sound.delay_s + LATE_S)
    _, played_ms = sound.playback.played()
    if not played_ms:
        return failed(f"{name} takes no sound", "is it unplugged, or taken by another program?")
    found = f"{name}, {sound.rate_hz} Hz, {sound.delay_s * 1000:.0f} ms from mouth to ear"
    if hears_melody(heard, sound.rate_hz):
        return warning(
            f"{found}; the microphone hears it",
            "use headphones, voice mic --echo-cancellation, or voice mic --half-duplex",
        )
    return fine(f"{found}; notes were played, and the microphone did not hear them")


async def _recorded(sound: Sound, seconds: float) -> bytes:
    """Return `seconds` of microphone audio; less where it delivers no more."""
    pcm = bytearray()
    try:
        while len(pcm) < 2 * seconds * sound.rate_hz:
            async with asyncio.timeout(DEAD_S):
                pcm += await sound.microphone.get()
    except TimeoutError:
        pass
    return bytes(pcm)
