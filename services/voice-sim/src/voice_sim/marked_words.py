"""Makes words and samples that identify their answer and their clause.

Words are letters only, so that nothing on their way to the voice changes them. Samples alternate in
sign, so that they are not taken for silence.
"""

import re
from collections import Counter
from collections.abc import Iterator

from voice_gateway.audio import pcm

_DIGITS = "abcdefghij"
_WORD = re.compile(r"r([a-j]+)q([a-j]+)")
_CLAUSE_0_SAMPLE = 8192  # the n-th clause has n more

# Texts that need no model are marked as answers that no model gives.
GREETING, PROMPT, GOODBYE, AGAIN = CANNED = (90_001, 90_002, 90_003, 90_004)
APOLOGY = 90_005
APOLOGY_CLAUSE = 20_000  # no call has as many clauses
_SILENCE = -_CLAUSE_0_SAMPLE  # what a sample of silence counts as


def canned(answer: int, words: int) -> str:
    """A text of so many words that needs no model, with a comma."""
    said = [reply_word(answer, n) for n in range(1, words + 1)]
    return f"{said[0]}, {' '.join(said[1:])}." if words > 1 else f"{said[0]}."


def reply_word(answer: int, number: int) -> str:
    """The n-th word of an answer: `rdqbc` is the twelfth of the third."""
    return f"r{_letters(answer)}q{_letters(number)}"


def reply_words(text: str) -> list[str]:
    """The words of answers in `text`, without punctuation."""
    return [found[0] for found in _WORD.finditer(text)]


def answer_of(text: str) -> int:
    """The answer that these words belong to; 0: none."""
    found = _WORD.search(text)
    return _number(found[1]) if found else 0


def sayings(text: str) -> Iterator[list[str]]:
    """The words in `text`, split where another answer begins or a prompt is repeated."""
    saying: list[str] = []
    last = 0
    for found in _WORD.finditer(text):
        answer = _number(found[1])
        again = answer in CANNED and _number(found[2]) == 1
        if saying and (answer != last or again):
            yield saying
            saying = []
        saying.append(found[0])
        last = answer
    if saying:
        yield saying


def clause_audio(clause: int, size_bytes: int) -> bytes:
    """So many bytes of the clause's samples; the last sample may be incomplete."""
    value = _CLAUSE_0_SAMPLE + clause
    swing = b"".join(v.to_bytes(pcm.SAMPLE_BYTES, "little", signed=True) for v in (value, -value))
    return (swing * (size_bytes // len(swing) + 1))[:size_bytes]


def clauses_in(audio: bytes) -> list[tuple[int, int]]:
    """Each clause in the audio, with the number of its samples; silence is of none."""
    return [(value, count) for value, count in _values_in(audio) if value != _SILENCE]


def _values_in(audio: bytes) -> list[tuple[int, int]]:
    first = abs(int.from_bytes(audio[: pcm.SAMPLE_BYTES], "little", signed=True)) - _CLAUSE_0_SAMPLE
    swing = audio[: 2 * pcm.SAMPLE_BYTES]
    if audio == (swing * (len(audio) // len(swing) + 1))[: len(audio)] and first > 0:
        return [(first, len(audio) // pcm.SAMPLE_BYTES)]
    values = Counter(abs(value) - _CLAUSE_0_SAMPLE for value in memoryview(audio).cast("h"))
    return list(values.items())


def _number(letters: str) -> int:
    return int("".join(str(_DIGITS.index(letter)) for letter in letters))


def _letters(number: int) -> str:
    return "".join(_DIGITS[int(digit)] for digit in str(number))
