"""The model's text as it is to be spoken: what is taken off, and what becomes words."""

import re

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
        ("Hello 👋🏽 world 🌍!", "Hello world!"),
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


def test_a_language_without_rules_gets_the_clean_up_and_no_english():
    assert speakable("Es kostet **3,50 €**, z.B. heute & morgen.", "de-DE") == (
        "Es kostet 3,50 €, z.B. heute & morgen."
    )
    assert speakable("कीमत **₹500** है।", "mr-IN") == "कीमत ₹500 है।"


@pytest.mark.parametrize(
    ("text", "language", "said"),
    [
        ("It costs 25 rupees.", "hi-IN", "It costs twenty-five rupees."),
        ("कीमत ₹25 है।", "en-IN", "कीमत पच्चीस रुपये है।"),
        ("२५ items", "en-IN", "twenty-five items"),
        ("5 km", "hi-IN", "पाँच किलोमीटर"),
        ("मेरे पास 2 laptop हैं।", "en-IN", "मेरे पास two laptop हैं।"),
        ("कीमत ₹25 है।", "de-DE", "कीमत ₹25 है।"),
    ],
)
def test_a_sentence_in_another_script_is_read_by_its_own_rules(text: str, language: str, said: str):
    assert speakable(text, language) == said


def test_where_the_day_stands_depends_on_the_country():
    assert speakable("3/4/2025", "en-US") == "March fourth, twenty twenty-five"
    assert speakable("3/4/2025", "en-GB") == "April third, twenty twenty-five"
    assert speakable("25/4/2025", "en-US") == "April twenty-fifth, twenty twenty-five"


_TEXT = st.text(max_size=200) | st.text(
    alphabet="0123456789.,:/-–$€%°²½*_`#~^<>|[](){}&+=@'\" \nakmhsxpvNoUS", max_size=80
)


@given(_TEXT, st.sampled_from(["", "en-US", "en-GB", "en-IN", "hi-IN"]))
def test_any_text_becomes_plain_text(text: str, language: str):
    said = speakable(text, language)
    assert not set(said) & set("*`~{}^<>#_|\\\n\u200d\ufe0f")
    assert said == " ".join(said.split())
    if language in ("en-US", "hi-IN"):
        assert not re.search(r"[0-9%=+&@]", said) or re.search(r"[^\x00-\x7f]", text)


@pytest.mark.parametrize(
    "text", ["9" * 5_000, "1" * 3_000 + "/2", "$" + "0" * 5_000 + ".00", "1:" * 2_000, "(" * 5_000]
)
@pytest.mark.parametrize("language", ["en-US", "hi-IN"])
def test_monstrous_numbers_are_read_in_reasonable_time(text: str, language: str):
    speakable(text, language)


@pytest.mark.parametrize(
    ("language", "remark"),
    [("en-US", "The code is in the text."), ("hi-IN", "कोड लिखित उत्तर में है।"), ("it-IT", "")],
)
def test_code_is_not_read_out_however_it_is_cut(language: str, remark: str):
    text = "Try this:\n```python\nprint('`hi`')\n```\nIt says `hi`."
    whole, single = CodeBlocks(language), CodeBlocks(language)
    said = whole.feed(text) + whole.flush()
    assert said == f"Try this:\n\n{remark}\n\nIt says `hi`."
    assert "".join(map(single.feed, text)) + single.flush() == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("So:\n~~~\nx = 1\n~~~\nDone.", "So:\n\nThe code is in the text.\n\nDone."),
        ("So:\n~~~\n```\nx\n```\n~~~\nDone.", "So:\n\nThe code is in the text.\n\nDone."),
        ("It is ~~wrong~~ right.", "It is ~~wrong~~ right."),
    ],
)
def test_either_fence_hides_code_and_may_stand_in_the_other(text: str, said: str):
    whole, single = CodeBlocks("en-US"), CodeBlocks("en-US")
    assert whole.feed(text) + whole.flush() == said
    assert "".join(map(single.feed, text)) + single.flush() == said


def test_code_that_never_ends_is_not_read_out_either():
    code = CodeBlocks("en-US")
    assert code.feed("So:\n```\nx = 1") + code.flush() == "So:\n\nThe code is in the text.\n"
