"""From the model's pieces of text to clauses fit to be spoken."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from voice_gateway.clauses import LONGEST, Clauses
from voice_gateway.speakable import Thoughts, speakable


def cut(*pieces: str) -> list[str]:
    clauses = Clauses()
    return [clause for piece in pieces for clause in clauses.feed(piece)] + clauses.flush()


def test_the_first_piece_is_a_clause_and_later_ones_are_sentences():
    said = cut("Once upon a time, there was a fox, in a wood. It ran, and ran. The end.")
    assert said == [
        "Once upon a time,",
        "there was a fox, in a wood.",
        "It ran, and ran.",
        "The end.",
    ]


def test_a_clause_is_given_as_soon_as_it_is_known_to_be_complete():
    clauses = Clauses()
    assert clauses.feed("Once upon a time,") == []
    assert clauses.feed(" there") == ["Once upon a time,"]


def test_a_very_short_clause_waits_for_more():
    assert cut("Well, that depends on a lot, really.")[0] == "Well, that depends on a lot,"


def test_a_long_clause_without_a_comma_ends_before_a_connecting_word():
    said = cut("Language processing is a field that helps computers and people. So it is, and so.")
    assert said == [
        "Language processing is a field",
        "that helps computers and people.",
        "So it is, and so.",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "Dr. Smith met J. Doe, e.g. at noon.",
        "It costs 3.50 dollars in total.",
        "Ask at 10:30 sharp please.",
    ],
)
def test_points_inside_a_sentence_do_not_end_it(text: str):
    whole = cut("Here is the whole answer. " + text)
    assert whole == ["Here is the whole answer.", text]


def test_a_sentence_may_end_with_a_number():
    assert cut("It was built then. It was 1961. It stands.")[1] == "It was 1961."


def test_lines_end_clauses_and_blank_text_says_nothing():
    assert cut("one two three\n\nfour", "\n") == ["one two three", "four"]
    assert cut("", "  ", "\n") == []


@given(st.lists(st.text(alphabet="ab .,!?\n", max_size=40), max_size=30))
def test_no_text_is_lost_and_no_clause_is_too_long(pieces: list[str]):
    said = cut(*pieces)
    assert "".join("".join(said).split()) == "".join("".join(pieces).split())
    assert all(0 < len(clause) <= LONGEST for clause in said)


@given(st.text(alphabet="ab .,!?", max_size=300), st.data())
def test_how_the_model_cuts_its_text_does_not_matter(text: str, data: st.DataObject):
    at = data.draw(st.integers(0, len(text)))
    assert cut(text[:at], text[at:]) == cut(text)


def test_a_text_without_any_end_is_cut_between_words():
    said = cut("word " * 100)
    assert all(len(clause) <= LONGEST for clause in said)
    assert all(set(clause.split()) == {"word"} for clause in said)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("**Bold** and _soft_ `code`", "Bold and soft code"),
        ("# Title", "Title"),
        ("- first", "first"),
        ("1. first", "first"),
        ("[a link](http://example.org)", "a link"),
        ("Hello 👋🏽 world 🌍!", "Hello world !"),
        ("a <b>tag</b> and {braces}", "a tag and braces"),
        ("```python", ""),
        ("...", ""),
        ("नमस्ते, आप कैसे हैं?", "नमस्ते, आप कैसे हैं?"),
        ("5 € or £3 at 20°", "5 € or £3 at 20"),
        ("2 < 3", "2 3"),
    ],
)
def test_only_what_can_be_spoken_is(text: str, said: str):
    assert speakable(text) == said


def test_thoughts_are_not_spoken_however_they_are_cut():
    for pieces in (
        ["<think>hm</think>Yes."],
        ["<thi", "nk>h", "m</thi", "nk>Ye", "s."],
        list("<think>hm</think>Yes."),
    ):
        thoughts = Thoughts()
        assert "".join(map(thoughts.feed, pieces)) + thoughts.flush() == "Yes."


def test_what_only_looks_like_a_thought_is_spoken():
    thoughts = Thoughts()
    assert "".join(map(thoughts.feed, ["a <thin", "g> b <th"])) + thoughts.flush() == (
        "a <thing> b <th"
    )
