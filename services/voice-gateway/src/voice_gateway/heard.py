"""What the caller has heard of a reply: its clauses, joined with the audio they became.

Pure. Seconds count from the reply's first sample.
"""

from dataclasses import dataclass, replace

_CHARACTERS_PER_S = 15.0  # of speech at an ordinary pace


@dataclass(frozen=True, slots=True)
class SpokenClause:
    text: str
    start_s: float
    end_s: float
    complete: bool = False
    """All of its audio is here; until then its length is not known."""


class Ledger:
    """One reply's clauses, in the order they are spoken."""

    def __init__(self) -> None:
        self._clauses: list[SpokenClause] = []
        self._length_s = 0.0

    def begin(self, text: str) -> None:
        """The audio added from here on says `text`."""
        self._clauses.append(SpokenClause(text, self._length_s, self._length_s))

    def add(self, seconds: float) -> None:
        """This much more audio of the clause begun last."""
        self._length_s += seconds
        self._clauses[-1] = replace(self._clauses[-1], end_s=self._length_s)

    def end(self) -> None:
        """The clause begun last has all of its audio."""
        self._clauses[-1] = replace(self._clauses[-1], complete=True)

    def text(self) -> str:
        """Everything that became audio."""
        return self.heard(self._length_s)

    def heard(self, played_s: float) -> str:
        """The words heard when `played_s` of the reply have left the loudspeaker.

        Within a clause, words are taken to be spoken at an even pace per character; a word counts
        once all of it was heard. The pace of a clause whose audio is still coming is a guess.
        """
        return " ".join(filter(None, (_words_heard(c, played_s) for c in self._clauses)))


def _words_heard(clause: SpokenClause, played_s: float) -> str:
    if clause.end_s == clause.start_s or played_s <= clause.start_s:
        return ""
    if clause.complete and played_s >= clause.end_s:
        return clause.text
    share = (min(played_s, clause.end_s) - clause.start_s) / _length_s(clause)
    reached = int(len(clause.text) * share)
    ends_word = clause.text[reached : reached + 1].isspace()
    return clause.text[:reached] if ends_word else clause.text[:reached].rpartition(" ")[0]


def _length_s(clause: SpokenClause) -> float:
    """How long the whole clause is, or seems to become: always longer than what is here of it."""
    so_far_s = clause.end_s - clause.start_s
    if clause.complete:
        return so_far_s
    return max(so_far_s * 1.05, len(clause.text) / _CHARACTERS_PER_S)
