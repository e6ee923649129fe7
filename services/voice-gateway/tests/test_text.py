"""From the model's pieces of text to clauses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from voice_gateway.language import languages
from voice_gateway.speaking.clauses import LONGEST_CHARS, Clauses, fitting


def cut(*pieces: str, min_words: int = 1) -> list[str]:
    clauses = Clauses(min_words, "en-US")
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
    clauses = Clauses(language="en-US")
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
        "It takes 20 U.S. dollars and more.",
        "Come at 5 p.m. on Monday.",
        "Version v1.2 is at https://example.org/a?b=c now.",
        "See No. 5 on the list.",
        "Acme Inc. and Co.",
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
    assert all(0 < len(clause) <= LONGEST_CHARS for clause in said)


@given(st.text(alphabet="abN5o .,!?-。\n", max_size=300), st.data(), st.integers(1, 3))
def test_how_the_model_cuts_its_text_does_not_matter(
    text: str, data: st.DataObject, min_words: int
):
    at = data.draw(st.integers(0, len(text)))
    assert cut(text[:at], text[at:], min_words=min_words) == cut(text, min_words=min_words)


def test_no_is_an_answer_unless_a_number_follows():
    assert cut("No. It is not. See No. 5.") == ["No.", "It is not.", "See No. 5."]


def test_full_width_marks_end_sentences_without_a_space():
    assert cut("今日は。元気ですか？はい！？そう") == [
        "今日は。",
        "元気ですか？",
        "はい！？",
        "そう",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Sure! Yes. I can do that. OK. Bye.", ["Sure! Yes.", "I can do that.", "OK. Bye."]),
        ("It is Paris. Yes.", ["It is Paris.", "Yes."]),  # the first piece does not wait
        ("One two. Three four. Five.", ["One two.", "Three four. Five."]),
        ("Yes", ["Yes"]),
        ("# Title\n- one two\n- three\n", ["# Title\n- one two", "- three"]),
    ],
)
def test_pieces_below_the_fewest_words_are_joined(text: str, said: list[str]):
    assert cut(text, min_words=2) == said


@given(st.text(alphabet="ab ", max_size=900))
def test_what_grew_too_long_is_cut_between_words(text: str):
    parts = fitting(text)
    assert all(0 < len(part) <= LONGEST_CHARS for part in parts)
    assert "".join("".join(parts).split()) == "".join(text.split())


def test_a_text_without_any_end_is_cut_between_words():
    said = cut("word " * 100)
    assert all(len(clause) <= LONGEST_CHARS for clause in said)
    assert all(set(clause.split()) == {"word"} for clause in said)


def test_english_words_open_no_clause_of_another_language():
    cutter = Clauses(language="fr-FR")
    assert cutter.feed("Il a marqué un très beau but hier soir. ") == [
        "Il a marqué un très beau but hier soir."
    ]


@pytest.mark.parametrize("language", [*(each.tag for each in languages()), "qaa", ""])
def test_titles_are_abbreviated_in_any_language(language: str):
    cutter = Clauses(language=language)
    assert cutter.feed("Prof. Rossi kam. Ja. ") == ["Prof. Rossi kam.", "Ja."]
