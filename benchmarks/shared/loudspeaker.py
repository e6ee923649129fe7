"""How much of a reply a caller has heard: audio plays on after it has arrived."""


class Loudspeaker:
    """One reply's audio on the caller's side."""

    def __init__(self, buffer_s: float) -> None:
        self._buffer_s = buffer_s
        self._pieces: list[tuple[float, float]] = []

    def add(self, seconds: float, at: float) -> None:
        """Queue `seconds` of audio that arrived at `at`: it plays after what arrived before."""
        begins_at = at + self._buffer_s
        if self._pieces:
            last_at, length_s = self._pieces[-1]
            begins_at = max(at, last_at + length_s)
        self._pieces.append((begins_at, seconds))

    def played_s(self, at: float) -> float:
        return sum(min(max(at - start, 0.0), length) for start, length in self._pieces)
