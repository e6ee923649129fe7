"""The delays that scripted upstreams add on purpose; the rest of a turn's time is the gateway's."""

from dataclasses import dataclass

AUDIO_S_PER_CHAR = 0.06


@dataclass(frozen=True, slots=True)
class Delays:
    """The delays of the recogniser, the model and the voice."""

    endpoint_s: float
    """Silence after which the recogniser finalises by itself."""
    first_token_s: float
    token_s: float
    voice_s: float
    asr_s: float = 0.0
    """Seconds from the audio that makes words certain to the words."""
    voice_real_time_factor: float = 0.1
