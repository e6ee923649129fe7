"""Reads the tables of `spoken/`: what a model writes, and each form in which a person says it.

A table's folder is the language's tag, its name says what it is about. A written text stands at
the start of a line, "⏎" in it is a line break; every right form of it is indented below. Words in
brackets may be said or left out. A line that begins with "# " is a comment. In `unchanged.txt`
each text is its own form.
"""

import re
import time
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from voice_gateway.language.speakable import speakable
from voice_gateway.speaking.clauses import Clauses
from voice_gateway.speaking.hidden import CodeBlocks

_TABLES = Path(__file__).parent / "spoken"
_MARKS = re.compile(r"[^\w\s\u0900-\u097f']|(?<!\w)'|'(?!\w)|[।॥]|_")
_MAY_BE = re.compile(r"\(([^()]*)\)")
# Hindi has several spellings of one sound, and more than one is in use.
_SAME_SOUND = {"\u093c": "", "ँ": "ं", "छः": "छह", "रुपए": "रुपये", "फीट": "फीट"}


@dataclass(frozen=True)
class Case:
    tag: str
    table: str
    written: str
    right: tuple[str, ...]

    @property
    def said(self) -> str:
        return spoken(self.written, self.tag)

    def accepts(self, said: str) -> bool:
        return any(_pattern(form).fullmatch(canonical(said)) for form in self.right)


def spoken(written: str, tag: str) -> str:
    """What a voice is given of a reply, clause after clause."""
    code, clauses = CodeBlocks(tag), Clauses(language=tag)
    parts = clauses.feed(code.feed(written) + code.flush()) + clauses.flush()
    return " ".join(filter(None, (speakable(part, tag) for part in parts)))


def canonical(text: str) -> str:
    """The words alone: marks, capitals and hyphens change nothing for the ear."""
    text = unicodedata.normalize("NFD", text)
    for spelling, same in _SAME_SOUND.items():
        text = text.replace(
            unicodedata.normalize("NFD", spelling), unicodedata.normalize("NFD", same)
        )
    return " ".join(_MARKS.sub(" ", text).casefold().split())


def _pattern(form: str) -> re.Pattern[str]:
    pattern, at = "", 0
    for found in _MAY_BE.finditer(form):
        pattern += _words(form[at : found.start()])
        pattern += f"(?:{_words(found[1])})?"
        at = found.end()
    return re.compile(pattern + _words(form[at:]) + r"\s*")


def _words(text: str) -> str:
    return "".join(rf"\s*(?<!\S){re.escape(word)}(?!\S)" for word in canonical(text).split())


def cases(tag: str) -> list[Case]:
    return [case for path in sorted((_TABLES / tag).glob("*.txt")) for case in _read(tag, path)]


def tags() -> list[str]:
    return sorted(path.name for path in _TABLES.iterdir())


def _read(tag: str, path: Path) -> Iterator[Case]:
    lines = path.read_text("utf-8").splitlines()
    used = [line for line in lines if line.strip() and not line.startswith("# ")]
    starts = [at for at, line in enumerate(used) if not line.startswith(" ")]
    for start, end in zip(starts, [*starts[1:], len(used)], strict=True):
        written = used[start].replace("⏎", "\n")
        forms = tuple(line.strip() for line in used[start + 1 : end])
        if path.stem == "unchanged":
            forms = (_MAY_BE.sub(r"\1", written),)
        yield Case(tag, path.stem, written, forms)


def _report() -> None:
    for tag in tags():
        read = cases(tag)
        for table in dict.fromkeys(case.table for case in read):
            _share(tag, table, [case for case in read if case.table == table])
        _share(tag, "all", read)
        times_ms = sorted(_time_ms(case) for case in read)
        print(f"{tag:6} median {median(times_ms):.2f} ms a text, longest {times_ms[-1]:.2f} ms")


def _share(tag: str, table: str, of: Sequence[Case]) -> None:
    right = sum(case.accepts(case.said) for case in of)
    print(f"{tag:6} {table:14} {right:3} of {len(of):3} ({right / len(of):.1%})")


def _time_ms(case: Case) -> float:
    """The shortest of a few: the machine may have other things to do."""
    times_s = [_time_s(case) for _ in range(5)]
    return min(times_s) * 1_000


def _time_s(case: Case) -> float:
    before_s = time.process_time()
    speakable(case.written, case.tag)
    return time.process_time() - before_s


if __name__ == "__main__":
    _report()
