"""Where utterances begin, pause and end, in frames of 32 ms; which audio is theirs; the wording."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from voice_local.engines import VAD_FRAME, Samples, Transcript, Word
from voice_local.riva import wording
from voice_local.riva.asking import Wanted, check
from voice_local.riva.coding import Encoding
from voice_local.riva.endpointing import Endpointer, Turn, Windows
from voice_local.riva.refusal import RefusedError
from voice_local.riva.utterance import (
    CUT_AT_FRAMES,
    LEAD_FRAMES,
    Cut,
    Ended,
    Event,
    Part,
    Paused,
    Utterances,
)

SPEECH, SILENCE = 0.9, 0.1


def turns(pattern: str, windows: Windows | None = None) -> list[tuple[int, Turn]]:
    """What a pattern brings about, with the count of frames at which it does: s is speech."""
    endpointer = Endpointer(windows or Windows())
    return [
        (at, turn)
        for at, char in enumerate(pattern, start=1)
        for turn in endpointer.hear(SPEECH if char == "s" else SILENCE)
    ]


def test_an_utterance_starts_pauses_and_ends() -> None:
    assert turns("...sss" + "." * 30) == [
        (6, Turn.STARTED),
        (12, Turn.PAUSED),
        (31, Turn.ENDED),
    ]


def test_clicks_do_not_start_one() -> None:
    assert turns("s......s......ss......" * 4) == []


def test_what_is_never_sure_starts_none() -> None:
    endpointer = Endpointer(Windows())
    assert [turn for _ in range(50) for turn in endpointer.hear(0.65)] == []
    assert endpointer.hear(0.7) == [Turn.STARTED]


def test_speech_in_a_pause_goes_on() -> None:
    assert turns("sss" + "." * 20 + "s" + "." * 30) == [
        (3, Turn.STARTED),
        (9, Turn.PAUSED),
        (30, Turn.PAUSED),
        (49, Turn.ENDED),
    ]


def test_speech_goes_on_down_to_a_lower_chance_than_it_starts_with() -> None:
    endpointer = Endpointer(Windows())
    for chance in (0.9, 0.9, 0.9, 0.4, 0.4):
        endpointer.hear(chance)
    assert endpointer.spoke_until == 5
    for chance in (0.3, 0.4, 0.4):
        endpointer.hear(chance)
    assert endpointer.spoke_until == 5


def test_two_passes() -> None:
    windows = Windows(stop_ms=640, settle_ms=320)
    assert turns("sss" + "." * 25, windows) == [
        (3, Turn.STARTED),
        (9, Turn.PAUSED),
        (13, Turn.SETTLED),
        (23, Turn.ENDED),
    ]


def test_a_first_pass_as_long_as_the_second_is_none() -> None:
    windows = Windows(stop_ms=320, settle_ms=320)
    assert [turn for _, turn in turns("sss" + "." * 25, windows)] == [
        Turn.STARTED,
        Turn.PAUSED,
        Turn.ENDED,
    ]


def test_a_first_pass_comes_again_after_more_speech() -> None:
    windows = Windows(settle_ms=320)
    found = [turn for _, turn in turns("sss" + "." * 12 + "ss" + "." * 40, windows)]
    assert found == [
        Turn.STARTED,
        Turn.PAUSED,
        Turn.SETTLED,
        Turn.PAUSED,
        Turn.SETTLED,
        Turn.ENDED,
    ]


def test_a_share_of_the_window_is_enough() -> None:
    windows = Windows(stop_ms=320, stop_share=0.8)
    assert turns("sss....ss..........", windows)[-1] == (13, Turn.ENDED)


@given(st.text("s.", max_size=300), st.integers(1, 30), st.integers(0, 30))
def test_turns_come_in_order(pattern: str, stop: int, settle: int) -> None:
    windows = Windows(stop_ms=stop * 32, settle_ms=settle * 32 or None)
    is_open = False
    for _, turn in turns(pattern, windows):
        assert is_open == (turn is not Turn.STARTED)
        is_open = turn is not Turn.ENDED


def frame(value: int) -> Samples:
    return np.full(VAD_FRAME, value, np.float32)


def events(pattern: str, utterances: Utterances | None = None) -> list[Event]:
    """Hear a pattern of frames whose samples are the frames' own numbers."""
    utterances = utterances or Utterances(Windows())
    first = utterances.position // VAD_FRAME
    return [
        event
        for at, char in enumerate(pattern, start=first)
        for event in utterances.hear(frame(at), SPEECH if char == "s" else SILENCE)
    ]


def numbers(event: Event) -> list[int]:
    return [int(value) for value in event.span.samples[::VAD_FRAME]]


def test_an_utterance_has_its_lead_and_a_little_silence() -> None:
    paused, ended = events("." * 20 + "sssss" + "." * 30)
    assert isinstance(paused, Paused)
    assert isinstance(ended, Ended)
    assert numbers(ended) == list(range(20 - LEAD_FRAMES, 31))
    assert ended.decided_at == 50 * VAD_FRAME
    assert (paused.span.start, paused.span.end) == (ended.span.start, ended.span.end)


def test_no_audio_is_used_twice() -> None:
    utterances = Utterances(Windows(stop_ms=192))
    events("." * 20 + "sssss..", utterances)
    (first,) = utterances.force_end()
    second = events("sss" + "." * 30, utterances)[-1]
    assert numbers(first)[-1] == 26
    assert numbers(second)[0] == 27


def test_a_forced_end_without_an_utterance_is_told() -> None:
    (ended,) = Utterances(Windows()).force_end()
    assert isinstance(ended, Ended)
    assert ended.utterance is None
    assert ended.forced


def test_a_forced_end_does_not_swallow_a_word_that_begins() -> None:
    utterances = Utterances(Windows())
    assert events("." * 20 + "ss", utterances) == []
    utterances.force_end()
    *_, ended = events("ssss" + "." * 30, utterances)
    assert numbers(ended)[0] == 20 - LEAD_FRAMES


def test_the_end_of_the_stream_ends_the_utterance_only() -> None:
    utterances = Utterances(Windows())
    events("....sssss.", utterances)
    (ended,) = utterances.finish()
    assert numbers(ended) == list(range(10))
    assert utterances.finish() == []


def test_speech_resumed_makes_the_pause_stale() -> None:
    utterances = Utterances(Windows())
    (paused,) = events("sssss" + "." * 6, utterances)
    assert isinstance(paused, Paused)
    assert paused.utterance.paused_at == paused.span.end
    events("s", utterances)
    assert paused.utterance.paused_at is None


def test_long_speech_is_cut_at_its_quietest_place() -> None:
    utterances = Utterances(Windows())
    found: list[Event] = []
    for at in range(CUT_AT_FRAMES + 50):
        loud = np.full(VAD_FRAME, 0.01 if 250 <= at < 255 else 0.5, np.float32)
        found += utterances.hear(loud, SPEECH)
    (cut,) = found
    (ended,) = utterances.finish()
    assert isinstance(cut, Cut)
    assert 250 * VAD_FRAME <= cut.span.end <= 255 * VAD_FRAME
    assert ended.span.start == cut.span.end


def test_speech_without_end_is_ended_at_some_time() -> None:
    found = events("s" * 5_000)
    ends = [event for event in found if isinstance(event, Ended)]
    assert ends
    spans = [event.span for event in found]
    assert all(a.end == b.start for a, b in pairwise(spans))


@given(st.text("s.", max_size=400), st.integers(0, 400))
def test_spans_never_overlap(pattern: str, force_at: int) -> None:
    utterances = Utterances(Windows(stop_ms=160))
    found = events(pattern[:force_at], utterances)
    found += utterances.force_end()
    found += events(pattern[force_at:], utterances) + utterances.finish()
    spans = [event.span for event in found if isinstance(event, Ended) and event.utterance]
    assert all(a.end <= b.start for a, b in pairwise(spans))


def part(text: str, start_s: float = 0.0, words: Sequence[Word] = ()) -> Part:
    return Part(Transcript(text, tuple(words), 0.5 if text else 0.0), start_s)


def test_a_final_joins_its_parts() -> None:
    first = part("Hello there.", 1.0, [Word("Hello", 0.1, 0.4, 0.9), Word("there.", 0.5, 0.9, 0.7)])
    second = part("Bye.", 13.0, [Word("Bye.", 0.25, 0.5, 0.8)])
    result = wording.final([first, part(""), second], 20.0, punctuated=True)
    assert result.text == "Hello there. Bye."
    assert [(word.text, word.start_s) for word in result.words] == [
        ("Hello", 1.1),
        ("there.", 1.5),
        ("Bye.", 13.25),
    ]
    assert result.confidence == 0.5


def test_without_punctuation() -> None:
    words = [Word("It's", 0, 1, 0.9), Word("-", 1, 2, 0.9), Word("3.5%,", 2, 3, 0.9)]
    result = wording.final([part("It's — 3.5%, OK?", words=words)], 1.0, punctuated=False)
    assert result.text == "it's 3.5% ok"
    assert [word.text for word in result.words] == ["it's", "3.5%"]


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        ("Well-known, isn't it?", "well-known isn't it"),
        ("'Tis the season.", "tis the season"),
        ("At 10:30, 1,000 people…", "at 10:30 1,000 people"),
        ("नमस्ते, आप कैसे हैं।", "नमस्ते आप कैसे हैं"),
        ("...", ""),
    ],
)
def test_bare_words(text: str, bare: str) -> None:
    assert wording.bare(text) == bare


def test_interims_are_steadier_when_they_agree() -> None:
    first = wording.interim([part("What is.")], 1.0, None, punctuated=True)
    second = wording.interim([part("What is natural.")], 1.5, first, punctuated=True)
    third = wording.interim([part("what is Natural")], 2.0, second, punctuated=True)
    assert [each.text for each in (first, second)] == ["What is", "What is natural"]
    assert [each.stability for each in (first, second, third)] == [0.1, 0.1, 0.9]


def test_what_a_client_leaves_open() -> None:
    asked = check(Wanted(), ("en-US", "hi-IN"), "online")
    assert asked.language == "en-US"
    assert asked.encoding is Encoding.ENCODING_UNSPECIFIED
    assert asked.windows == Windows()


def test_languages_are_found_in_any_case() -> None:
    assert check(Wanted("HI-in"), ("en-US", "hi-IN"), "online").language == "hi-IN"


def test_endpointing_that_is_set_is_respected() -> None:
    endpointing = {
        "start_history": 160,
        "start_threshold": 0.5,
        "stop_history": 320,
        "stop_threshold": -1,
        "stop_history_eou": 240,
    }
    asked = check(Wanted(endpointing=endpointing), ("en-US",), "online")
    assert asked.windows == Windows(start_ms=160, start_share=0.5, stop_ms=320, settle_ms=240)


@pytest.mark.parametrize(
    ("wanted", "text"),
    [
        (
            Wanted("ru-RU", rate_hz=8_000),
            "Unavailable model requested given these parameters: "
            "language_code=ru-RU; sample_rate=8000; type=online; ",
        ),
        (Wanted("en"), "language_code=en; sample_rate=16000"),
        (Wanted(encoding=9), "encoding is 9; allowed are"),
        (Wanted(diarization=True), "enable_speaker_diarization is true"),
        (Wanted(separate_channels=True), "enable_separate_recognition_per_channel is true"),
        (Wanted(endpointing={"stop_history": 20_000}), "endpointing_config.stop_history is 20000"),
        (Wanted(endpointing={"stop_threshold": 2.0}), "endpointing_config.stop_threshold is 2.0"),
    ],
)
def test_what_cannot_be_had_is_refused_by_name(wanted: Wanted, text: str) -> None:
    with pytest.raises(RefusedError) as caught:
        check(wanted, ("en-US",), "online")
    assert text in caught.value.text
