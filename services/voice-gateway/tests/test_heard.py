"""The ledger of what was heard: words by the voice's own times, else by the sound of the audio."""

from array import array
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from voice_gateway.audio import pcm
from voice_gateway.language.speakable import speakable
from voice_gateway.language.speakable.aligned import letters, said_ends, word_ends
from voice_gateway.messages import Word
from voice_gateway.speaking.heard import Ledger
from voice_gateway.speaking.sounding import Sounding

RATE_HZ = 16_000


def tone(seconds: float) -> bytes:
    return array("h", [5_000, -5_000, 5_000, 0] * round(seconds * RATE_HZ / 4)).tobytes()


def silence(seconds: float) -> bytes:
    return pcm.silence(seconds, RATE_HZ)


def said(written: str, *audio: bytes, words: Sequence[Word] = (), skipped_s: float = 0.0) -> Ledger:
    ledger = Ledger(RATE_HZ, "en-US")
    say(ledger, written, *audio, words=words, skipped_s=skipped_s)
    return ledger


def say(
    ledger: Ledger,
    written: str,
    *audio: bytes,
    words: Sequence[Word] = (),
    skipped_s: float = 0.0,
) -> None:
    spoken = speakable(written, "en-US")
    ledger.begin(written, spoken)
    ledger.say(spoken)
    for piece in audio:
        ledger.add(piece)
    ledger.tell(words, skipped_s)
    ledger.end()


def test_what_was_heard_ends_with_a_whole_word():
    ledger = said("Once upon a time,", tone(1.6))  # 13 letters, 3 spaces: 0.1 s each
    say(ledger, "there was a fox.", tone(1.5))
    assert ledger.heard(0.0) == ""
    assert ledger.heard(0.35) == ""
    assert ledger.heard(0.45) == "Once"
    assert ledger.heard(1.2) == "Once upon a"
    assert ledger.heard(1.6) == "Once upon a time,"
    assert ledger.heard(2.2) == "Once upon a time, there"
    assert ledger.heard(9.0) == ledger.text() == "Once upon a time, there was a fox."


def test_pauses_say_nothing():
    pause = silence(2.0)
    ledger = said("Well, I see", silence(0.5), tone(0.4), pause, tone(0.5), silence(0.5))
    assert ledger.heard(0.5) == ""
    assert ledger.heard(1.0) == ledger.heard(2.8) == "Well,"
    assert ledger.heard(3.1) == "Well, I"
    assert ledger.heard(3.42) == "Well, I see"


def test_of_a_clause_that_is_still_being_made_only_its_own_audio_is_heard():
    text = "nineteen letters and more are spoken in about a second or so"
    ledger = Ledger(RATE_HZ)
    ledger.begin(text, text)
    ledger.say(text)
    ledger.add(tone(1.3))
    assert ledger.heard(1.3) == ledger.text() == "nineteen letters"
    ledger.add(tone(1.7))
    ledger.end()
    assert ledger.heard(3.0) == text


def test_how_long_a_clause_becomes_is_judged_by_how_fast_the_voice_has_spoken():
    ledger = said("This voice is slow.", tone(3.6))  # 0.2 s for a letter
    say(ledger, "This is cut off.", tone(0.1))  # and says nothing of its pace
    ledger.begin("as slow as that", "as slow as that")
    ledger.say("as slow as that")
    ledger.add(tone(1.7))
    assert ledger.text() == "This voice is slow. This is cut off. as slow"


def test_a_clause_without_audio_was_not_heard():
    ledger = Ledger(RATE_HZ)
    ledger.begin("silent", "silent")
    assert (ledger.heard(9.0), ledger.text()) == ("", "")
    ledger.say("silent")
    assert (ledger.heard(9.0), ledger.text()) == ("", "")
    ledger.end()
    assert (ledger.heard(9.0), ledger.text()) == ("", "")


WORDS = ["It", "costs", "fourteen", "dollars", "today."]


def times(words: Sequence[str], each_s: float = 0.4) -> list[Word]:
    """Each word for three quarters of its time."""
    return [Word(word, at * each_s, at * each_s + each_s * 0.75) for at, word in enumerate(words)]


def test_the_voice_is_believed_and_what_was_written_is_remembered():
    ledger = said("It costs $14 today.", tone(2.0), words=times(WORDS))
    assert ledger.heard(0.29) == ""
    assert ledger.heard(0.31) == "It"
    assert ledger.heard(1.49) == "It costs"
    assert ledger.heard(1.51) == "It costs $14"
    assert ledger.heard(1.91) == "It costs $14 today."


def test_times_count_from_where_the_voice_began():
    late = [Word(w.text, w.start_s + 0.2, w.end_s + 0.2) for w in times(WORDS)]
    ledger = said("It costs $14 today.", tone(2.0), words=late, skipped_s=0.2)
    assert ledger.heard(0.29) == ""
    assert ledger.heard(0.31) == "It"


@pytest.mark.parametrize(
    "told",
    [
        ["It", "costs", "four", "teen dol", "lars", "today"],
        ["it", "cost", "14", "dollar", "today"],
        ["It", "costs", "$", "14", "", "today."],
        ["It", "", "", "", "today"],
    ],
)
def test_words_may_be_told_in_pieces_or_spelled_in_another_way(told: list[str]):
    ledger = said("It costs $14 today.", tone(2.4), words=times(told))
    first, last = times(told)[0], times(told)[-1]
    assert ledger.heard(first.end_s + 0.01) == "It"
    assert ledger.heard(last.start_s - 0.01) in {"It", "It costs", "It costs $14"}
    assert ledger.heard(last.end_s + 0.01) == "It costs $14 today."


def test_what_the_voice_has_not_told_yet_is_estimated_from_there():
    ledger = said("One two three four", tone(2.0), words=[Word("One", 0.0, 1.0)])
    assert ledger.heard(0.9) == ""
    assert ledger.heard(1.05) == "One"
    assert ledger.heard(1.4) == "One two"
    assert ledger.heard(1.99) == "One two three"
    assert ledger.heard(2.0) == "One two three four"


@pytest.mark.parametrize(
    "told",
    [
        [Word("One", 0.5, 0.4), Word("two", 0.6, 0.7)],
        [Word("One", 0.5, 0.6), Word("two", 0.1, 0.2)],
        [Word("One", 0.0, 0.0), Word("two", 0.0, 0.0)],
        [Word("One", 0.0, 400.0), Word("two", 500.0, 900.0)],
    ],
)
def test_times_that_cannot_be_are_not_believed(told: list[Word]):
    ledger = said("One two", tone(0.7), words=told)
    assert ledger.heard(0.29) == ""
    assert ledger.heard(0.35) == "One"
    assert ledger.heard(0.7) == "One two"


def test_marks_between_words_wait_for_the_next_word():
    ledger = said("Paris — or “Rome” — is it", tone(1.8))
    assert ledger.heard(0.6) == "Paris"
    assert ledger.text() == "Paris — or “Rome” — is it"


def test_in_a_script_without_spaces_a_character_is_a_word():
    text = "今天天气很好。"
    ledger = Ledger(RATE_HZ, "zh-CN")
    ledger.begin(text, text)
    ledger.say(text)
    ledger.add(tone(1.1))
    ledger.end()
    assert ledger.heard(0.75) == "今天天气"
    assert ledger.heard(1.1) == text


def test_vowel_signs_are_letters():
    assert letters("कि, की!") == "किकी"
    assert word_ends("हाँ, ठीक है।") == [4, 8, 12]


@pytest.mark.parametrize(
    ("written", "aloud"),
    [
        ("It costs $14.50 or €3.", "it costs fourteendollarsandfiftycents or threeeuros"),
        ("Open 9:30 to 5 PM.", "open ninethirty to five pm"),
        ("It is 22 °C on March 5th.", "it is twentytwo degreescelsius on march fifth"),
        ("Mail help@example.com now", "mail helpatexampledotcom now"),
        ("In 2024, 8.5 % of 384,400", "in twentytwentyfour eightpointfive percent of "
         "threehundredeightyfourthousandfourhundred"),
    ],
)  # fmt: skip
def test_every_written_word_is_found_in_what_is_said(written: str, aloud: str):
    spoken = speakable(written, "en-US")
    ends = [0, *map(round, said_ends(written, spoken, "en-US"))]
    parts = [letters(spoken)[start:end] for start, end in pairwise(ends)]
    assert " ".join(parts) == aloud


def test_words_that_are_said_together_share_the_time_by_their_length():
    written = "Call (555) 123-4567 now"
    spoken = speakable(written, "en-US")
    call, area, number, now = said_ends(written, spoken, "en-US")
    assert (call, now) == (4, len(letters(spoken)))
    assert number == now - 3
    assert area - call == pytest.approx((number - call) * 3 / 10)


TEXTS = st.text(alphabet="ab c1,.$%—€/-:", min_size=1, max_size=60)


@given(TEXTS)
def test_said_ends_rise_to_all_that_is_said(text: str):
    written, spoken = speakable(text), speakable(text, "en-US")
    if not written:
        return
    ends = said_ends(written, spoken, "en-US")
    assert ends == sorted(ends)
    assert len(ends) == len(word_ends(written))
    assert ends[-1] == len(letters(spoken))


@given(
    st.floats(0, 5),
    st.floats(0, 5),
    st.lists(
        st.tuples(st.sampled_from(["some", "words", "x", "", "to"]), st.floats(0, 3)), max_size=6
    ),
    st.integers(0, 4),
)
def test_what_was_heard_only_grows(
    earlier: float, later: float, told: list[tuple[str, float]], pieces: int
):
    words = [Word(text, at_s, at_s + 0.1) for text, at_s in told]
    ledger = said("some words — to be $5", *[tone(0.5)] * pieces, silence(0.3), words=words)
    say(ledger, "and more of them", tone(2.0))
    earlier, later = sorted((earlier, later))
    assert ledger.heard(later).startswith(ledger.heard(earlier))
    assert ledger.text().endswith("and more of them")


def test_short_closures_are_part_of_the_speech_and_pauses_are_not():
    sounding = Sounding(RATE_HZ)
    for piece in (silence(0.2), tone(0.2), silence(0.06), tone(0.2), silence(0.2), tone(0.1)):
        sounding.feed(piece)
    assert sounding.until(0.2) == 0.0
    assert sounding.until(0.66) == pytest.approx(0.46)
    assert sounding.until(0.86) == pytest.approx(0.46)
    assert sounding.until(9.0) == pytest.approx(0.56)


def test_what_never_sounds_counts_as_sound():
    sounding = Sounding(RATE_HZ)
    sounding.feed(silence(1.0))
    assert sounding.until(0.5) == pytest.approx(0.5)
