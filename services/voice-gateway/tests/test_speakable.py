"""The model's text as it is to be spoken: what is taken off, and what becomes words."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from voice_gateway.language.speakable import speakable
from voice_gateway.speaking.hidden import CodeBlocks


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("**Bold** and _soft_ `code`", "Bold and soft code"),
        ("***both*** and ~~gone~~ and __dunder__", "both and gone and dunder"),
        ("# Title", "Title"),
        ("### Title ###", "Title"),
        ("- first", "first"),
        ("  * second\n+ third", "second third"),
        ("- [x] done", "done"),
        ("1. first", "1. first"),  # its number may be referred to
        ("> quoted\n> on", "quoted on"),
        ("---", ""),
        ("[a link](http://example.org)", "a link"),
        ("![a picture](x.png) and [a][1] and a fact [2]", "a picture and a and a fact"),
        ("Hello 👋🏽 world 🌍!", "Hello world !"),
        ("a <b>tag</b> and {braces}", "a tag and braces"),
        ("<https://example.org>", "https://example.org"),
        ("salt &amp; pepper &lt;3", "salt & pepper 3"),
        ("| Name | Age |\n|------|----:|\n| Ann | 5 |", "Name, Age Ann, 5"),
        ("snake_case and a|b", "snake case and a b"),
        ("```python", ""),
        ("...", ""),
        ("नमस्ते, आप कैसे हैं?", "नमस्ते, आप कैसे हैं?"),
        ("5 € or £3 at 20°", "5 € or £3 at 20°"),
        ("2 < 3", "2 3"),
    ],
)
def test_only_what_can_be_spoken_is(text: str, said: str):
    assert speakable(text) == said


def test_other_languages_get_the_clean_up_and_no_english():
    assert (
        speakable("**कीमत** ₹500 है, 25% कम, 10:30 बजे।", "hi-IN") == "कीमत ₹500 है, 25% कम, 10:30 बजे।"
    )
    assert speakable("२५ **डिग्री**", "hi-IN") == "२५ डिग्री"
    assert speakable("२५ and 25", "en-IN") == "२५ and twenty-five"
    assert speakable("Es kostet 3,50 €, z.B. heute & morgen.", "de-DE") == (
        "Es kostet 3,50 €, z.B. heute & morgen."
    )


def _pairs() -> dict[str, str]:
    lines = (Path(__file__).parent / "spoken_english.txt").read_text("utf-8").splitlines()
    table = [line for line in lines if line and not line.startswith("# ")]
    return {text: said.strip() for text, said in zip(table[::2], table[1::2], strict=True)}


ENGLISH = _pairs()


@pytest.mark.parametrize("text", ENGLISH)
def test_english_is_written_out(text: str):
    assert speakable(text, "en-US") == ENGLISH[text]


def test_where_the_day_stands_depends_on_the_country():
    assert speakable("3/4/2025", "en-US") == "March fourth, twenty twenty-five"
    assert speakable("3/4/2025", "en-GB") == "April third, twenty twenty-five"
    assert speakable("25/4/2025", "en-US") == "April twenty-fifth, twenty twenty-five"


@pytest.mark.parametrize("text", ENGLISH)
def test_what_is_spoken_stays_as_it_is(text: str):
    said = speakable(text, "en-US")
    assert not re.search(r"[0-9]", said)
    assert speakable(said, "en-US") == said


_TEXT = st.text(max_size=200) | st.text(
    alphabet="0123456789.,:/-–$€%°²½*_`#~^<>|[](){}&+=@'\" \nakmhsxpvNoUS", max_size=80
)


@given(_TEXT, st.sampled_from(["", "en-US", "en-GB", "hi-IN"]))
def test_any_text_becomes_plain_text(text: str, language: str):
    said = speakable(text, language)
    assert not set(said) & set("*`~{}^<>#_|\\\n\u200d\ufe0f")
    assert said == " ".join(said.split())
    if language == "en-US":
        assert not re.search(r"[0-9%=+&@]", said) or re.search(r"[^\x00-\x7f]", text)


@pytest.mark.parametrize(
    "text", ["9" * 5_000, "1" * 3_000 + "/2", "$" + "0" * 5_000 + ".00", "1:" * 2_000, "(" * 5_000]
)
def test_monstrous_numbers_are_read_in_reasonable_time(text: str):
    speakable(text, "en-US")


@pytest.mark.parametrize(
    ("language", "remark"),
    [("en-US", "The code is in the text."), ("hi-IN", "कोड लिखित उत्तर में है।"), ("de-DE", "")],
)
def test_code_is_not_read_out_however_it_is_cut(language: str, remark: str):
    text = "Try this:\n```python\nprint('`hi`')\n```\nIt says `hi`."
    whole, single = CodeBlocks(language), CodeBlocks(language)
    said = whole.feed(text) + whole.flush()
    assert said == f"Try this:\n\n{remark}\n\nIt says `hi`."
    assert "".join(map(single.feed, text)) + single.flush() == said


def test_code_that_never_ends_is_not_read_out_either():
    code = CodeBlocks("en-US")
    assert code.feed("So:\n```\nx = 1") + code.flush() == "So:\n\nThe code is in the text.\n"
