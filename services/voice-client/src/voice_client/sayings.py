"""Makes the sayings of one call from the command line's files and texts."""

from collections.abc import Sequence

from voice_client import speech
from voice_client.failures import BadInputError
from voice_client.talk import Saying, Spoken, Typed
from voice_client.turn_latency import speech_end
from voice_client.wavfile import Wav, read_wav

TYPED_RATE_HZ = 16_000


def read_sayings(files: Sequence[str], texts: Sequence[str]) -> tuple[list[Saying], int]:
    """Return what to say and the call's rate in Hz; raise BadInputError for what does not fit."""
    if not files:
        return [Typed(text) for text in texts], TYPED_RATE_HZ
    wavs = [(file, read_wav(speech.find(file))) for file in files]
    rate_hz = wavs[0][1].rate_hz
    for file, wav in wavs:
        if wav.rate_hz != rate_hz:
            raise BadInputError(
                f"{file}: sample rate is {wav.rate_hz} Hz, allowed is {rate_hz} Hz, "
                f"as in {wavs[0][0]}: a call has one rate"
            )
    return [_spoken(file, wav) for file, wav in wavs], rate_hz


def _spoken(file: str, wav: Wav) -> Saying:
    return Spoken(file, wav.pcm, speech_end(wav.pcm, wav.rate_hz))
