"""How people say what a model writes: the tables of `spoken/`, and the share of them that is right.

uv run python services/voice-gateway/tests/spoken_tables.py     # the share, table by table
"""

import re

import pytest
from voice_gateway.language.speakable import speakable
from voice_gateway.language.speakable.aligned import letters, said_ends, word_ends

from .spoken_tables import Case, cases, spoken, tags

ALL = [case for tag in tags() for case in cases(tag)]
FEWEST = {"en": 300, "hi": 200}


def _name(case: Case) -> str:
    return f"{case.tag}: {case.table}: {case.written}"


@pytest.mark.parametrize("case", ALL, ids=_name)
def test_it_is_said_as_a_person_says_it(case: Case):
    assert case.right, "a written text without a spoken form"
    said = case.said
    assert case.accepts(said), f"{said!r} is none of {case.right}"


@pytest.mark.parametrize("language", FEWEST)
def test_the_tables_are_large_enough_to_say_something(language: str):
    written = {case.written for case in ALL if case.tag.startswith(language)}
    assert len(written) >= FEWEST[language]


def test_no_text_is_in_the_tables_of_a_language_twice():
    seen = [(case.tag, case.written) for case in ALL]
    assert len(seen) == len(set(seen))


def test_what_is_said_has_no_figures_and_is_said_alike_once_more():
    said = [(case.said, case.tag) for case in ALL]
    assert not [each for each, _ in said if re.search(r"[0-9०-९%=&@€₹]", each)]
    assert not [each for each, tag in said if speakable(each, tag) != each]


def test_every_written_word_has_its_place_in_what_is_said():
    for case in ALL:
        written, said = speakable(case.written), speakable(case.written, case.tag)
        ends = said_ends(written, said, case.tag) if written else []
        assert ends == sorted(ends), case
        assert len(ends) == len(word_ends(written)), case
        assert not ends or ends[-1] == len(letters(said)), case


@pytest.mark.parametrize(
    ("text", "tag", "said"),
    [
        ("It costs $3.50, I think.", "en-US", "It costs three dollars and fifty cents, I think."),
        ("Is it 5 km? Yes!", "en-US", "Is it five kilometers? Yes!"),
        (
            "Call (555) 123-4567.",
            "en-US",
            "Call five five five, one two three, four five six seven.",
        ),
        ("e.g. this, i.e. that", "en-US", "for example, this, that is, that"),
        ("कीमत ₹500 है, 25% कम।", "hi-IN", "कीमत पाँच सौ रुपये है, पच्चीस प्रतिशत कम।"),
        ("क्या यह 5 किमी है?", "hi-IN", "क्या यह पाँच किलोमीटर है?"),
    ],
)
def test_marks_stay_where_a_voice_makes_a_pause(text: str, tag: str, said: str):
    assert speakable(text, tag) == said


def test_a_reply_is_said_clause_by_clause_as_it_is_whole():
    assert spoken("At 9:30PM, pay $5. Then call 911.", "en-US") == (
        "At nine thirty P M, pay five dollars. Then call nine one one."
    )
