"""Which of the recogniser's words are certainly the caller's, and not the gateway's, come back."""

from dataclasses import dataclass

_RECOGNISER_S = 1.0  # that words come after the voice that said them
_SPLIT_S = 0.4  # between two finals of one voice
_FEW = 3  # words that recognisers may make of silence


def few(text: str) -> bool:
    """Whether a recogniser may have made it of silence."""
    return len(text.split()) <= _FEW


@dataclass(slots=True)
class Utterance:
    """Whether the recogniser's words until its next final may be the gateway's own, come back."""

    over: bool = False
    voiced: bool = False
    theirs: bool = False
    doubtful: bool = False
    silent_at: float = -_RECOGNISER_S

    def notice(self, at: float, *, voiced: bool) -> None:
        self._next()
        self.voiced, self.silent_at = voiced, at
        self.theirs = self.theirs or voiced

    def take(self, at: float, *, final: bool) -> bool:
        """Whether all of its words so far are certainly the caller's."""
        self._next()
        self.theirs = self.theirs or self.voiced or at - self.silent_at <= _RECOGNISER_S
        self.doubtful = self.doubtful or not self.theirs
        self.over = final
        if final:
            self._understood(at)
        return not self.doubtful

    def _understood(self, at: float) -> None:
        """Final words are there, perhaps the caller's: more of them comes at once, or never."""
        self.silent_at = min(self.silent_at, at + _SPLIT_S - _RECOGNISER_S)

    def _next(self) -> None:
        if self.over:
            self.over = self.theirs = self.doubtful = False
