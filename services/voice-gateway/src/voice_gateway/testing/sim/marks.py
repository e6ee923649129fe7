"""Words and samples that say where they come from: which answer, which clause.

Words are letters alone, so that nothing on their way to the voice has reason to change them.
Samples swing, so that nothing takes them for silence.
"""

import re
from collections import Counter

from voice_gateway.audio import pcm

_DIGITS = "abcdefghij"
_WORD = re.compile(r"r([a-j]+)q[a-j]+")
_QUIETEST = 8192  # the value of clause 0; the n-th has n more


def reply_word(answer: int, number: int) -> str:
    """The n-th word of an answer: `rdqbc` is the twelfth of the third."""
    return f"r{_letters(answer)}q{_letters(number)}"


def reply_words(text: str) -> list[str]:
    """The words of answers in `text`, without what stands around them."""
    return [found[0] for found in _WORD.finditer(text)]


def answer_of(text: str) -> int:
    """Which of the model's answers these words are of; 0 where of none."""
    found = _WORD.search(text)
    return int("".join(str(_DIGITS.index(letter)) for letter in found[1])) if found else 0


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


def _letters(number: int) -> str:
    return "".join(_DIGITS[int(digit)] for digit in str(number))
