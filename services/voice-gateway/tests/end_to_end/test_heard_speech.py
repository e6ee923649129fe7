"""What counts as heard of real synthesised speech, by the words that a recogniser hears in it."""

from bisect import bisect_right
from collections.abc import Sequence
from difflib import SequenceMatcher
from itertools import accumulate

import numpy as np
import pytest
import soxr
from voice_gateway.language.speakable import speakable
from voice_gateway.language.speakable.aligned import letters, word_ends
from voice_gateway.messages import Word
from voice_gateway.speaking.heard import Ledger
from voice_local.engines import ASR_RATE_HZ, Recogniser, Said, Voice
from voice_local.loading import load_recogniser, load_voice

pytestmark = [pytest.mark.models, pytest.mark.timeout(600)]

STEP_S = 0.05
SENTENCES = (
    "A ticket costs $14.50, and it is $7 for students.",
    "The next train leaves at 7:45 and arrives at 11:20.",
    "In 1995, he moved to Paris with 3 cats and $250 in his pocket.",
    "It weighs 12 kg, which is 3 kg less than in 2019.",
    "Natural language processing helps computers to understand us.",
)


@pytest.fixture(scope="module")
def voice() -> Voice:
    return load_voice("hibari")


@pytest.fixture(scope="module")
def recogniser() -> Recogniser:
    return load_recogniser("whisper-base")


def ledger_of(written: str, said: Said, rate_hz: int, *, told: bool) -> Ledger:
    spoken = speakable(written, "en-US")
    ledger = Ledger(rate_hz, "en-US")
    ledger.begin(written, spoken)
    ledger.say(spoken)
    ledger.add(np.rint(np.clip(said.samples, -1, 1) * 32_767).astype("<i2").tobytes())
    words = [Word(word.text, word.start_s, word.end_s) for word in said.words]
    ledger.tell(words if told else (), 0.0)
    ledger.end()
    return ledger


def truth(written: str, said: Said, rate_hz: int, recogniser: Recogniser) -> list[float]:
    """When each written word ends, as far as the recogniser wrote the same; else the word after."""
    at_16k = soxr.resample(said.samples, rate_hz, ASR_RATE_HZ).astype(np.float32)
    heard = recogniser.transcribe(at_16k, "en-US").words
    told = [letters(word.text) for word in heard]
    ends, mine = list(accumulate(map(len, told))), letters(written)
    blocks = SequenceMatcher(None, mine, "".join(told), autojunk=False).get_matching_blocks()
    places = {block.a + n: block.b + n for block in blocks for n in range(block.size)}
    found: list[float] = []
    for end in word_ends(written):
        last = next(at for at in range(len(letters(written[:end])) - 1, -1, -1) if at in places)
        found.append(heard[bisect_right(ends, places[last])].end_s)
    return found


def off(ledger: Ledger, written: str, true_ends: Sequence[float], length_s: float) -> list[int]:
    """Words too many at moments throughout the speech."""
    moments = np.arange(0.0, length_s, STEP_S)
    words = [len(ledger.heard(float(at_s)).split()) for at_s in moments]
    return [
        count - sum(end_s <= at_s for end_s in true_ends)
        for count, at_s in zip(words, moments, strict=True)
    ]


@pytest.mark.parametrize("told", [True, False], ids=["word times", "estimated"])
def test_the_ledger_hears_what_a_recogniser_hears(voice: Voice, recogniser: Recogniser, told: bool):
    """A recogniser's times are off by a tenth of a second themselves: half a word."""
    offs: list[int] = []
    for written in SENTENCES:
        (said,) = voice.speak(speakable(written, "en-US"), "heart")
        true_ends = truth(written, said, voice.rate_hz, recogniser)
        ledger = ledger_of(written, said, voice.rate_hz, told=told)
        offs += off(ledger, written, true_ends, len(said.samples) / voice.rate_hz)
    within = sum(abs(each) <= 1 for each in offs) / len(offs)
    print(f"at most one word off at {within:.1%} of {len(offs)} moments")
    assert within >= 0.98
