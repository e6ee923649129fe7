"""The table of LANGUAGES: how it is written, what is wrong with it, and what comes of it."""

import json
from typing import Any, cast

import pytest
from voice_gateway import wiring
from voice_gateway.adapters.riva_asr import RecognisedLanguage
from voice_gateway.call.languages import Languages, Offer
from voice_gateway.language import language_of
from voice_gateway.settings import BadSetting, Settings, read_settings

HINDI = language_of("hi")


def settings(**given: Any) -> Settings:
    return cast(Any, Settings)(_env_file=None, **given)


def languages(**given: Any) -> Languages:
    return wiring.languages(settings(**given), Offer())


@pytest.mark.parametrize(
    "text", ["hi-IN, de-DE", "hi-IN de-DE", '{"hi-IN": {}, "de-DE": {"tts_voice": ""}}']
)
def test_a_list_or_a_table_names_the_languages(text: str):
    assert list(languages(languages=text).table) == ["en-US", "hi-IN", "de-DE"]
    assert languages(languages=text).closed


def test_without_a_table_there_is_one_language_and_any_may_be_asked_for():
    found = languages()
    assert (list(found.table), found.closed) == (["en-US"], False)


def test_the_usual_language_may_have_a_row_of_its_own():
    found = languages(languages='{"EN-us": {}, "hi-IN": {}}')
    assert list(found.table) == ["en-US", "hi-IN"]
    found = languages(languages='{"en-US": {"tts_voice": "Ann"}}', tts_voice="Bob")
    assert found.of("en-US").voice == "Ann"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hi-IN please!", "'please!' is no language; allowed: BCP-47 tags, such as hi-IN"),
        ('{"hi-IN": ', "it is no JSON: "),
        ('{"hi_IN": {}}', "'hi_IN' is no language; allowed: BCP-47 tags"),
        ('{"hi-IN": {"voice": "V"}}', "hi-IN.voice: is not allowed; allowed: asr_language, "),
        ('{"hi-IN": {"tts_voice": 1}}', "hi-IN.tts_voice: Input should be a valid string"),
        ('{"hi-IN": {"asr_rate_hz": 96000}}', "hi-IN.asr_rate_hz: Input should be less than"),
        ('{"hi-IN": {"asr_rate_hz": 100}}', "hi-IN.asr_rate_hz: it is 100; allowed: 8000 to 48000"),
        ('{"hi-IN": "V"}', "hi-IN: Input should be a valid dictionary"),
        (" ".join(f"a{chr(97 + n % 26)}{chr(97 + n // 26)}" for n in range(33)), "33 languages"),
    ],
)
def test_a_table_that_is_wrong_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any, text: str, said: str
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LANGUAGES", text)
    with pytest.raises(BadSetting) as error:
        read_settings()
    assert str(error.value).startswith("LANGUAGES is ")
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_a_language_has_its_own_voice_and_texts():
    hindi = languages(languages="hi-IN", tts_voice="Ann", greeting="Hello.").of("hi-IN")
    assert hindi.voice == "", "the voice of English speaks no Hindi"
    assert hindi.system_prompt == HINDI.system_prompt
    assert (hindi.greeting, hindi.idle_prompt) == (HINDI.greeting, HINDI.idle_prompt)
    assert hindi.goodbye == HINDI.goodbye


def test_the_settings_are_those_of_the_usual_language_and_its_kin():
    given = {"system_prompt": "Be kind.", "greeting": "Hi.", "idle_prompt": "Well?"}
    found = languages(tts_voice="Ann", idle_goodbye="Bye.", **given)
    for tag in ("en-US", "en-GB"):
        one = found.of(tag)
        said = (one.system_prompt, one.greeting, one.idle_prompt, one.goodbye)
        assert said == ("Be kind.", "Hi.", "Well?", "Bye.")
    assert found.of("en-US").voice == "Ann"


def test_an_operators_prompt_holds_in_every_language():
    hindi = languages(languages="hi-IN", system_prompt="You sell tickets.").of("hi-IN")
    assert hindi.system_prompt == f"You sell tickets. {HINDI.answer_in}"


def test_a_row_says_what_is_special():
    row = {
        "asr_language": "multi",
        "asr_model": "parakeet",
        "asr_rate_hz": 8000,
        "tts_language": "hi",
        "tts_voice": "Asha",
        "tts_normalise": False,
        "system_prompt": "P",
        "greeting": "G",
        "idle_prompt": "I",
        "idle_goodbye": "B",
    }
    given = settings(languages=json.dumps({"hi-IN": row}), greeting="Hello.", asr_model="english")
    hindi = wiring.languages(given, Offer()).of("hi-IN")
    assert (hindi.asr_code, hindi.tts_code, hindi.voice) == ("multi", "hi", "Asha")
    said = (hindi.system_prompt, hindi.greeting, hindi.idle_prompt, hindi.goodbye)
    assert said == ("P", "G", "I", "B")
    asked = wiring.recogniser_options(given)
    assert asked.language("hi-IN", 16_000) == RecognisedLanguage("multi", "parakeet", 8000)
    assert asked.language("en-US", 16_000) == RecognisedLanguage("en-US", "english", 16_000)
    reply = wiring.call_options(given).reply
    assert (reply.normalises("hi-IN"), reply.normalises("en-US")) == (False, True)


def test_a_model_of_the_usual_language_is_asked_for_no_other_of_the_table():
    asked = wiring.recogniser_options(settings(languages="en-US hi-IN", asr_model="english"))
    assert asked.language("en-US", 16_000).model == "english"
    assert asked.language("hi-IN", 16_000).model == ""


def test_what_is_off_is_off_in_every_language():
    found = languages(languages="hi-IN", idle_goodbye="off")
    assert [found.of(tag).goodbye for tag in ("en-US", "hi-IN")] == ["", ""]
    assert [found.of(tag).greeting for tag in ("en-US", "hi-IN")] == ["", ""]


def test_another_usual_language_speaks_its_own_words():
    german = languages(asr_language="de-DE").of("de-DE")
    own = language_of("de")
    said = (german.system_prompt, german.idle_prompt, german.goodbye)
    assert said == (own.system_prompt, own.idle_prompt, own.goodbye)


def test_a_language_without_a_folder_is_told_in_english():
    finnish = languages(languages="fi-FI").of("fi-FI")
    english = language_of("en")
    assert finnish.system_prompt == english.system_prompt
    assert (finnish.idle_prompt, finnish.goodbye) == (english.idle_prompt, english.goodbye)
