"""What the caller has heard of a reply: its clauses, joined with the audio they became.

Pure. Seconds count from the reply's first sample.
"""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class SpokenClause:
    text: str
    start_s: float
    end_s: float


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

    def text(self) -> str:
        """Everything that became audio."""
        return " ".join(clause.text for clause in self._clauses if clause.end_s > clause.start_s)

    def heard(self, played_s: float) -> str:
        """The words heard when `played_s` of the reply have left the loudspeaker.

        Within a clause, words are taken to be spoken at an even pace per character; a word counts
        once all of it was heard.
        """
        return " ".join(filter(None, (_words_heard(c, played_s) for c in self._clauses)))


def _words_heard(clause: SpokenClause, played_s: float) -> str:
    if played_s >= clause.end_s > clause.start_s:
        return clause.text
    if played_s <= clause.start_s or clause.end_s == clause.start_s:
        return ""
    share = (played_s - clause.start_s) / (clause.end_s - clause.start_s)
    reached = int(len(clause.text) * share)
    ends_word = clause.text[reached : reached + 1].isspace()
    return clause.text[:reached] if ends_word else clause.text[:reached].rpartition(" ")[0]
