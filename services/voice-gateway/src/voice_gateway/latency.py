"""The latency of a turn: the moments of one reply, and the stages between them.

The module is pure. Moments are event loop times in seconds; a moment that did not come is None.
"""

from dataclasses import asdict, dataclass


@dataclass(slots=True)
class TurnMoments:
    turn_end: float
    speech_end: float | None = None
    """When the end of the caller's last word arrived; None for a typed turn."""
    first_text: float | None = None
    first_clause: float | None = None
    first_audio: float | None = None

    def release(self, turn_end: float, speech_end: float | None) -> None:
        """Move the moments of a draft to its release, the first time that it can be heard."""
        self.turn_end, self.speech_end = turn_end, speech_end
        if self.first_audio is not None:
            self.first_audio = turn_end

    def stages(self) -> "TurnStages":
        return TurnStages(
            endpoint_s=_between(self.speech_end, self.turn_end),
            model_s=_between(self.turn_end, self.first_text),
            clause_s=_between(self.first_text, self.first_clause),
            voice_s=_between(self.first_clause, self.first_audio),
            total_s=_between(
                self.turn_end if self.speech_end is None else self.speech_end, self.first_audio
            ),
        )


@dataclass(frozen=True, slots=True)
class TurnStages:
    """Seconds of each stage; None for one that did not take place."""

    endpoint_s: float | None
    model_s: float | None
    clause_s: float | None
    voice_s: float | None
    total_s: float | None

    def __str__(self) -> str:
        spent = ((name.removesuffix("_s"), of) for name, of in asdict(self).items())
        return ", ".join(f"{name} {of * 1000:.0f} ms" for name, of in spent if of is not None)


def _between(start: float | None, end: float | None) -> float | None:
    return None if start is None or end is None else max(0.0, end - start)
