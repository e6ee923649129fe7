"""Names that lead through recogniser, model and voice, and tie the processes' records together."""

_TURNS_PER_CALL = 1000
_CONSONANTS, _VOWELS = "bdfgklmnprstvz", "aeiou"


def tag_of(call: int, turn: int) -> str:
    """A word that no other turn of this run has."""
    number = call * _TURNS_PER_CALL + turn
    syllables: list[str] = []
    while number or len(syllables) < 3:
        number, syllable = divmod(number, len(_CONSONANTS) * len(_VOWELS))
        consonant, vowel = divmod(syllable, len(_VOWELS))
        syllables.append(_CONSONANTS[consonant] + _VOWELS[vowel])
    return "".join(syllables)


def language_of(call: int) -> str:
    """A language that names the call: it reaches the recogniser whatever stands between."""
    return f"en-US-call{call:04}"


def call_of(language: str) -> int:
    return int(language.rpartition("call")[2])
