"""Languages as data: every folder is whole, any tag finds its own, a new one is only a folder."""

import importlib
import re
import sys
from collections.abc import Generator
from pathlib import Path
from unicodedata import name as unicode_name

import pytest
from voice_gateway import language
from voice_gateway.conversation.policy import TurnPolicy
from voice_gateway.language import (
    Language,
    language_of,
    languages,
    sounds_finished,
    written_in,
)
from voice_gateway.language.speakable import speakable
from voice_gateway.speaking.clauses import LONGEST_CHARS, Clauses
from voice_gateway.speaking.hidden import CodeBlocks

SPOKEN = (
    "backchannels",
    "answers",
    "stops",
    "asks_for_more",
    "asks_much",
    "opens_question",
    "joins",
    "verbs",
)
LISTS = (*SPOKEN[:6], "common", "abbreviations", "sentence_marks", "clause_marks")
TEXTS = (
    "apology",
    "say_again",
    "greeting",
    "idle_prompt",
    "goodbye",
    "system_prompt",
    "answer_in",
    "code_remark",
)
WRITTEN = ("opens_clause", "abbreviations", "numbered")

# qaa is a tag for local use: no real language will ever have a folder of that name.
ITALIAN = """
from voice_gateway.language.shape import Language, words

LANGUAGE = Language(
    tag="qaa",
    backchannels=words("sì certo capisco"),
    stops=words("aspetta fermo"),
    asks_for_more=words("vorrei di il"),
    opens_question=words("quanto dove"),
    opens_clause=words("perché"),
    abbreviations=words("sig"),
    code_remark="Il codice è nel testo.",
    in_words=lambda text, region: text.replace("2", "due" if region == "it" else "doi"),
)
"""
SWISS = ITALIAN.replace('"qaa",', '"qaa-ch",').replace("sì certo", "sì okay")


@pytest.fixture(params=languages(), ids=lambda each: each.tag)
def known(request: pytest.FixtureRequest) -> Language:
    return request.param


@pytest.fixture
def more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Path]:
    """A folder somewhere else in which languages are found, too."""
    monkeypatch.setattr(language, "__path__", [*language.__path__, str(tmp_path)])
    language_of.cache_clear()
    yield tmp_path
    language_of.cache_clear()
    for name in [name for name in sys.modules if name.startswith(f"{language.__name__}.qaa")]:
        del sys.modules[name]


def add(folder: Path, text: str) -> None:
    folder.mkdir()
    (folder / "__init__.py").write_text(text, "utf-8")
    importlib.invalidate_caches()


def test_there_are_these_languages():
    assert {each.tag for each in languages()} >= {"en", "en-in", "de", "es", "fr", "hi"}


def test_a_folder_is_found_by_its_own_tag(known: Language):
    assert language_of(known.tag) is known
    assert language_of(known.tag.upper()) is known


def test_a_language_knows_who_only_listens_and_who_wants_the_floor(known: Language):
    assert known.backchannels
    assert known.stops
    assert not known.stops & known.backchannels


def test_a_language_knows_which_small_words_answer_a_question(known: Language):
    assert known.answers & known.backchannels, "yes"
    assert known.answers & known.stops, "no"
    assert known.backchannels - known.answers, "mm-hm"


def test_a_language_can_say_that_something_failed(known: Language):
    for sentence in (known.apology, known.say_again):
        assert sentence.endswith(known.sentence_marks)
        assert len(sentence) <= LONGEST_CHARS


@pytest.mark.parametrize("field", TEXTS)
def test_a_folder_has_all_that_is_said_in_its_language(known: Language, field: str):
    text: str = getattr(known, field)
    assert text, f"{known.tag}: {field}"
    assert text.endswith(known.sentence_marks), f"{known.tag}: {field}"
    assert not written_in(text, known, languages()), f"{known.tag}: {field}"


@pytest.mark.parametrize("field", LISTS)
def test_a_folder_has_all_lists(known: Language, field: str):
    assert getattr(known, field), f"{known.tag}: {field}"


def test_a_folder_says_what_its_language_is_and_looks_like(known: Language):
    assert known.name
    script = [
        unicode_name(letter).partition(" ")[0] for letter in known.apology if letter.isalpha()
    ]
    assert {known.script} == set(script)


def test_a_language_opens_and_leaves_open_what_others_do_not(known: Language):
    policy = TurnPolicy(language=known.tag)
    for word in known.asks_for_more:
        assert policy.sounds_open(f"x {word}"), f"{known.tag}: {word}"
    opens = next(iter(known.opens_question))
    assert sounds_finished(f"{opens} x y", known)


@pytest.mark.parametrize(
    ("tag", "text", "found"),
    [
        ("hi-IN", "The weather is nice today.", "Latin"),
        ("hi-IN", "मौसम बहुत अच्छा है।", ""),
        ("hi-IN", "OK, 10 GB.", ""),
        ("hi-IN", "आपका Wi-Fi password बदल दिया गया है।", ""),
        ("en-US", "मौसम बहुत अच्छा है।", "Devanagari"),
        ("en-US", "Das Wetter ist heute nicht schön und ich bleibe hier.", "German"),
        ("en-US", "Guten Tag.", ""),
        ("en-US", "Aaj mausam achha hai aur garmi nahi.", "Hindi"),
        ("de-DE", "Das Wetter ist heute schön und warm.", ""),
        ("de-DE", "The weather is nice and it will stay so.", "English"),
        ("fr-FR", "El tiempo está muy bueno para los niños y las niñas.", "Spanish"),
        ("es-US", "Le temps est très beau et je vous invite dans le parc.", "French"),
        ("en-US", "Paris, Berlin, Madrid, Roma, Wien, Praha.", ""),
        ("fi-FI", "The weather is nice and it will stay so.", "English"),
    ],
)
def test_a_text_in_another_language_is_noticed(tag: str, text: str, found: str):
    assert written_in(text, language_of(tag), languages()) == found


def test_words_are_written_as_they_are_looked_up(known: Language):
    for field in SPOKEN:
        for word in getattr(known, field):
            assert known.words_of(word) == [word], f"{known.tag}: {field}"


def test_words_of_a_text_stand_alone(known: Language):
    for field in WRITTEN:
        for word in getattr(known, field):
            assert word.split() == [word], f"{known.tag}: {field}"
            assert not word.endswith("."), f"{known.tag}: {field}"


def test_verbs_come_with_what_joins_on(known: Language):
    assert bool(known.joins) == bool(known.verbs)


@pytest.mark.parametrize("tag", ["en", "EN", "en-US", "en-gb", "en-Latn-GB", "en-US-u-co-phonebk"])
def test_a_region_falls_back_to_its_language(tag: str):
    assert language_of(tag).tag == "en"


@pytest.mark.parametrize(
    "tag",
    [
        *("", "xx", "xx-YY", "eng", "en_US", "e", "en-", "en--US", "-en", "../en", "en.spoken"),
        *("phrases", "shape", "speakable", "en-US-" + "a" * 500, "हि", "en\n"),
    ],
)
def test_a_language_that_is_not_there_has_no_words_and_is_no_error(tag: str):
    found = language_of(tag)
    assert found.tag == ""
    assert not any(getattr(found, field) for field in SPOKEN)
    assert speakable("**25** items", tag) == "25 items"
    policy = TurnPolicy(language=tag)
    assert policy.interrupts("mm-hm")
    assert policy.silence_after("I want to") == policy.unsure_silence_s


def test_any_number_of_unknown_tags_is_not_kept():
    for number in range(1000):
        language_of(f"x{number}")
    assert language_of.cache_info().currsize < 1000


def test_a_new_language_is_one_new_folder(more: Path):
    assert not language_of("qaa-IT").stops
    language_of.cache_clear()

    add(more / "qaa", ITALIAN)

    assert language_of("qaa-IT").stops == {"aspetta", "fermo"}
    assert "qaa" in {each.tag for each in languages()}
    policy = TurnPolicy(language="qaa-IT")
    assert not policy.interrupts("Sì, certo.")
    assert policy.interrupts("Aspetta!")
    assert policy.sounds_open("Vorrei")
    assert policy.silence_after("Quanto costa questo") == policy.silence_s
    assert speakable("Ne ho **2**.", "qaa-IT") == "Ne ho due."
    assert speakable("Ne ho **2**.", "qaa-CH") == "Ne ho doi."
    assert "Il codice è nel testo." in CodeBlocks("qaa-IT").feed("```x```")
    cutter = Clauses(language="qaa-IT")
    assert cutter.feed("Il sig. Rossi resta oggi a casa perché piove. ") == [
        "Il sig. Rossi resta oggi a casa",
        "perché piove.",
    ]


def test_a_region_may_have_a_folder_of_its_own(more: Path):
    add(more / "qaa", ITALIAN)
    add(more / "qaa_ch", SWISS)
    assert language_of("qaa-CH").tag == "qaa-ch"
    assert language_of("qaa-CH-u-co").tag == "qaa-ch"
    assert language_of("qaa-IT").tag == "qaa"


def test_what_is_left_of_a_folder_is_no_language(more: Path):
    (more / "qaa" / "__pycache__").mkdir(parents=True)
    assert language_of("qaa").tag == ""


def test_a_folder_that_does_not_work_says_so(more: Path):
    add(more / "qaa", "import voice_gateway.nowhere")
    with pytest.raises(ModuleNotFoundError, match="nowhere"):
        language_of("qaa")


def test_a_script_with_marks_of_its_own_is_cut_by_them(more: Path):
    add(
        more / "qaa",
        'from voice_gateway.language.shape import Language\nLANGUAGE = Language(tag="qaa", '
        'sentence_marks=(".", "؟"), question_marks=("؟",), clause_marks=("،",))',
    )
    policy = TurnPolicy(language="qaa")
    assert policy.silence_after("كيف حالك؟") == policy.silence_s
    assert policy.sounds_open("نعم،")
    assert language_of("qaa").words_of("نعم، نعم؟") == ["نعم", "نعم"]
    assert Clauses(language="qaa").feed("كيف حالك اليوم؟ أنا بخير") == ["كيف حالك اليوم؟"]


def test_the_guide_adds_a_language_that_works(more: Path):
    """What stands in the guide is followed word for word."""
    guide = (Path(__file__).parents[3] / "docs" / "guides" / "languages.md").read_text("utf-8")
    written = re.findall(r"```python\n(.*?)```", guide, re.DOTALL)
    assert len(written) == 1, "the one folder that the guide makes"
    add(more / "qaa", written[0].replace('tag="it"', 'tag="qaa"'))
    added = language_of("qaa-IT")
    for field in (*LISTS, *TEXTS, "name", "script"):
        assert getattr(added, field), field
    policy = TurnPolicy(language="qaa-IT")
    assert not policy.interrupts("Sì, certo.")
    assert policy.interrupts("Aspetta!")
    assert policy.sounds_open("Vorrei un")
    assert policy.silence_after("Quanto costa questo") == policy.silence_s
    assert not written_in(added.system_prompt, added, languages())
