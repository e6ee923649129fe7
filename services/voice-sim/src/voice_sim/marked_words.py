"""Words and samples that say where they come from: which answer, which clause.

Words are letters alone, so that nothing on their way to the voice has reason to change them.
Samples swing, so that nothing takes them for silence.
"""

import re
from collections import Counter
from collections.abc import Iterator

from voice_gateway.audio import pcm

_DIGITS = "abcdefghij"
_WORD = re.compile(r"r([a-j]+)q([a-j]+)")
_QUIETEST = 8192  # the value of clause 0; the n-th has n more

# What needs no model is marked as answers that no model gives.
GREETING, PROMPT, GOODBYE = CANNED = (90_001, 90_002, 90_003)


def canned(answer: int, words: int) -> str:
    """So many words of the greeting, the idle prompt or the goodbye, with a comma among them."""
    said = [reply_word(answer, n) for n in range(1, words + 1)]
    return f"{said[0]}, {' '.join(said[1:])}." if words > 1 else f"{said[0]}."


def reply_word(answer: int, number: int) -> str:
    """The n-th word of an answer: `rdqbc` is the twelfth of the third."""
    return f"r{_letters(answer)}q{_letters(number)}"


def reply_words(text: str) -> list[str]:
    """The words of answers in `text`, without what stands around them."""
    return [found[0] for found in _WORD.finditer(text)]


def answer_of(text: str) -> int:
    """Which of the model's answers these words are of; 0 where of none."""
    found = _WORD.search(text)
    return _number(found[1]) if found else 0


def sayings(text: str) -> Iterator[list[str]]:
    """The words of answers in `text`, parted where another begins; prompts are said again."""
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
    """So many bytes of the clause's samples, the last perhaps cut through."""
    value = _QUIETEST + clause
    swing = b"".join(v.to_bytes(pcm.SAMPLE_BYTES, "little", signed=True) for v in (value, -value))
    return (swing * (size_bytes // len(swing) + 1))[:size_bytes]


def clauses_in(audio: bytes) -> list[tuple[int, int]]:
    """Each clause in the audio, and how many samples of it."""
    first = abs(int.from_bytes(audio[: pcm.SAMPLE_BYTES], "little", signed=True)) - _QUIETEST
    swing = audio[: 2 * pcm.SAMPLE_BYTES]
    if audio == (swing * (len(audio) // len(swing) + 1))[: len(audio)] and first > 0:
        return [(first, len(audio) // pcm.SAMPLE_BYTES)]
    values = Counter(abs(value) - _QUIETEST for value in memoryview(audio).cast("h"))
    return list(values.items())


def _number(letters: str) -> int:
    return int("".join(str(_DIGITS.index(letter)) for letter in letters))


def _letters(number: int) -> str:
    return "".join(_DIGITS[int(digit)] for digit in str(number))
