"""Calls that change their language, on a virtual clock, and what languages and voices there are."""

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import replace

import pytest
from voice_gateway.adapters.local_memory import LocalMemories
from voice_gateway.call.languages import CallLanguage, Languages, NotOffered, Offer, Reported
from voice_gateway.call.session import CallOptions
from voice_gateway.conversation import Message, ToolCall
from voice_gateway.conversation.policy import TurnPolicy
from voice_gateway.errors import NotPermitted, Rejected, Unavailable
from voice_gateway.messages import (
    Audio,
    CallConfig,
    Changed,
    Failed,
    ModelOptions,
    Speaks,
    Tool,
    ToolCalled,
    Transcript,
    Typed,
)
from voice_gateway.ports import CallerAudioStream, ModelPiece
from voice_gateway.principals import Rights
from voice_gateway.speaking.language_tool import language_tool
from voice_gateway.testing import virtual_time
from voice_gateway.testing.scripted import Call, Says, ScriptedModel, ScriptedRecogniser, Sends

ENGLISH = CallLanguage(
    "en-US", voice="", system_prompt="Be brief.", idle_prompt="Still there?", goodbye="Bye."
)
HINDI = CallLanguage(
    "hi-IN",
    voice="Asha",
    system_prompt="संक्षेप में उत्तर दें।",
    idle_prompt="क्या आप वहाँ हैं?",
    goodbye="नमस्ते।",
)
BOTH = Languages({"en-US": ENGLISH, "hi-IN": HINDI}, CallLanguage, closed=True)
LISTED = Offer(
    lambda: ("en-US", "de-DE", "hi-IN"),
    lambda: {"en-US": ("Ann", "Magpie.EN.Bob"), "hi-IN": ("Asha",), "de-DE": ("Uta",)},
)
OPEN = Languages({"en-US": ENGLISH}, CallLanguage, LISTED)

SPEAK_HINDI = ToolCall("call_1", "speak_language", '{"language": "hi-IN"}')
SPEAK_ENGLISH = ToolCall("call_2", "speak_language", '{"language": "English"}')
CERTAINLY = "ज़रूर, अब हम हिन्दी में बात करेंगे।"
OF_COURSE = "Of course, let us speak English again."
GLAD = "मुझे खुशी है।"


class Polyglot(ScriptedModel):
    """Gives its answers one after the other, words or tool calls, and notes how it was asked."""

    def __init__(self, answers: Sequence[str | ToolCall], *, first_s: float = 0.1) -> None:
        super().__init__((), first_s=first_s)
        self._answers = list(answers)
        self.prompts: list[str] = []
        self.tools: list[list[str]] = []

    async def complete(
        self, history: Sequence[Message], *, system_prompt: str, asking: ModelOptions
    ) -> AsyncGenerator[ModelPiece, None]:
        self.asked.append(tuple(history))
        self.prompts.append(system_prompt)
        self.tools.append([tool.name for tool in asking.tools])
        await asyncio.sleep(self._first_s)
        answer = self._answers.pop(0) if self._answers else "Yes."
        if isinstance(answer, ToolCall):
            yield answer
            return
        for word in answer.split():
            yield word + " "


class Tongues(ScriptedRecogniser):
    """Refuses a stream in a language that is none of its own."""

    def __init__(self, says: Sequence[Says], known: Sequence[str]) -> None:
        super().__init__(says)
        self._known = known

    async def listen(
        self,
        caller_audio: CallerAudioStream,
        *,
        language: str,
        rate_hz: int,
        on_transcript: Callable[[Transcript], None],
    ) -> None:
        if language not in self._known:
            self.languages.append(language)
            raise Rejected("asr", f"{language!r} is refused", f"{language!r} is not served.")
        await super().listen(
            caller_audio, language=language, rate_hz=rate_hz, on_transcript=on_transcript
        )


def told(call: Call) -> list[str]:
    return [message.language for _, message in call.received if isinstance(message, Speaks)]


def faults(call: Call) -> list[str]:
    return [message.error.sentence for _, message in call.received if isinstance(message, Failed)]


def sound(until_s: float) -> list[Sends]:
    """Audio all the time, so that a new recognition stream has something to take."""
    return [Sends(n / 2, Audio(bytes(640))) for n in range(int(2 * until_s))]


# The caller asks for another language in words.


def test_a_call_goes_to_hindi_and_back_by_words_and_remembers_all_of_it():
    model = Polyglot(["Hello.", SPEAK_HINDI, CERTAINLY, GLAD, SPEAK_ENGLISH, OF_COURSE])
    memories = LocalMemories(600)
    call = Call(
        says=[
            Says(1.0, "hello my name is Ravi"),
            Says(5.0, "let us speak hindi"),
            Says(12.0, "मेरा नाम क्या है"),
            Says(18.0, "let us speak english"),
        ],
        sends=sound(24.0),
        model=model,
        rules=CallOptions(languages=BOTH),
        conversation_id="ravi",
        memory=memories.open,
        hangs_up=26.0,
    ).run()
    assert call.error is None
    assert told(call) == ["hi-IN", "en-US"]
    assert [call.text(reply) for reply in (1, 2, 3, 4)] == ["Hello.", CERTAINLY, GLAD, OF_COURSE]
    assert call.recogniser
    assert call.recogniser.languages == ["en-US", "hi-IN", "en-US"]
    assert call.voice.spoken_by[0] == ("en-US", "")
    assert call.voice.spoken_by[1] == ("hi-IN", "Asha")
    assert call.voice.spoken_by[-1] == ("en-US", "")
    brief, hindi = ENGLISH.system_prompt, HINDI.system_prompt
    assert model.prompts == [brief, brief, hindi, hindi, hindi, brief]
    assert not [message for _, message in call.received if isinstance(message, ToolCalled)]
    assert model.asked[3] == (
        Message("user", "hello my name is Ravi"),
        Message("assistant", "Hello."),
        Message("user", "let us speak hindi"),
        Message("assistant", CERTAINLY),
        Message("user", "मेरा नाम क्या है"),
    )
    kept = virtual_time.run(memories.open("ravi").recall())
    assert [message.language for message in kept] == [
        *("en-US", "en-US", "en-US", "hi-IN"),
        *("hi-IN", "hi-IN", "hi-IN", "en-US"),
    ]


@pytest.mark.parametrize(("named", "language"), [(False, "hi-IN"), (True, "en-US")])
def test_a_conversation_goes_on_in_its_language_unless_the_client_names_one(
    named: bool, language: str
):
    memories = LocalMemories(600)

    async def earlier() -> None:
        said = [
            Message("user", "hi", language="en-US"),
            Message("assistant", GLAD, language="hi-IN"),
        ]
        await memories.open("ravi").keep(said)

    virtual_time.run(earlier())
    call = Call(
        sends=[Sends(1.0, Typed("और"))],
        replies=[GLAD],
        rules=CallOptions(languages=BOTH),
        conversation_id="ravi",
        memory=memories.open,
        language_named=named,
        hangs_up=5.0,
    ).run()
    assert {spoken for spoken, _ in call.voice.spoken_by} == {language}
    assert told(call) == ([] if named else ["hi-IN"])


def test_the_model_goes_on_with_what_came_of_its_call():
    model = Polyglot([SPEAK_HINDI, CERTAINLY])
    Call(
        says=[Says(1.0, "speak hindi please")], model=model, rules=CallOptions(languages=BOTH)
    ).run()
    assert model.tools == [["speak_language"], []]
    question, asked, output = model.asked[1]
    assert question == Message("user", "speak hindi please")
    assert asked.calls == (SPEAK_HINDI,)
    assert (output.role, output.call_id) == ("tool", "call_1")
    assert output.text == "The call is in hi-IN now. Answer in it."


def test_no_language_is_changed_before_the_turn_is_over():
    """An answer that is prepared may be to half a sentence."""
    call = Call(
        says=[
            Says(1.0, "speak hindi", final=False),
            Says(1.9, "speak hindi or rather do not"),
        ],
        voiced=[(0.2, True), (1.0, False), (1.15, True), (1.8, False)],
        model=Polyglot([SPEAK_HINDI, "As you like."]),
        rules=CallOptions(languages=BOTH),
        hangs_up=10.0,
    ).run()
    assert told(call) == []
    assert [language for language, _ in call.voice.spoken_by] == ["en-US"]


def test_a_prepared_answer_changes_the_language_once_it_is_released():
    call = Call(
        says=[Says(1.0, "let us speak hindi", final=False), Says(1.7, "let us speak hindi")],
        voiced=[(0.2, True), (1.0, False)],
        model=Polyglot([SPEAK_HINDI, CERTAINLY], first_s=0.01),
        rules=CallOptions(languages=BOTH),
        hangs_up=10.0,
    ).run()
    changed_at = next(at for at, message in call.received if isinstance(message, Speaks))
    assert next(at for at, name in call.timeline() if name == "PROCESSING") <= changed_at
    assert call.text(1) == CERTAINLY
    assert set(call.voice.spoken_by) == {("hi-IN", "Asha")}


@pytest.mark.parametrize(
    "call",
    [
        ToolCall("c", "speak_language", '{"language": "xx"}'),
        ToolCall("c", "speak_language", '{"tongue": "hi-IN"}'),
        ToolCall("c", "speak_language", "hindi"),
        ToolCall("c", "speak_language", '["hi-IN"]'),
        ToolCall("c", "speak_language", '{"language": null}'),
    ],
)
def test_a_call_of_the_tool_that_names_no_language_changes_nothing(call: ToolCall):
    model = Polyglot([call, "I cannot speak that."])
    made = Call(says=[Says(1.0, "speak x")], model=model, rules=CallOptions(languages=BOTH)).run()
    assert told(made) == []
    assert made.text(1) == "I cannot speak that."
    assert model.asked[1][-1].text == "There is no such language. Say so."


def test_what_the_model_says_before_it_changes_the_language_is_said_in_the_old_one():
    class Polite(Polyglot):
        async def complete(
            self, history: Sequence[Message], *, system_prompt: str, asking: ModelOptions
        ) -> AsyncGenerator[ModelPiece, None]:
            if not self.asked:
                yield "One moment please. "
            async for piece in super().complete(
                history, system_prompt=system_prompt, asking=asking
            ):
                yield piece

    call = Call(
        says=[Says(1.0, "speak hindi")],
        model=Polite([SPEAK_HINDI, CERTAINLY]),
        rules=CallOptions(languages=BOTH),
    ).run()
    assert call.voice.spoken[0] == "One moment please."
    assert call.voice.spoken_by == [("en-US", ""), ("hi-IN", "Asha")]


@pytest.mark.parametrize(
    ("languages", "asking"),
    [
        (replace(BOTH, has_tool=False), ModelOptions()),
        (OPEN, ModelOptions()),
        (None, ModelOptions()),
        (BOTH, ModelOptions(tool_choice="none")),
        (BOTH, ModelOptions(tools=(Tool("speak_language", "The program's own.", {}),))),
    ],
)
def test_the_tool_is_offered_only_where_it_has_a_choice(
    languages: Languages | None, asking: ModelOptions
):
    model = Polyglot(["Hello."])
    call = Call(says=[Says(1.0, "hello")], model=model, rules=CallOptions(languages=languages))
    call.asking = asking
    call.run()
    assert model.tools == [[tool.name for tool in asking.tools]]


# The caller's client changes its config.


def test_a_new_config_changes_the_language_within_the_call():
    model = Polyglot(["Hello.", GLAD])
    call = Call(
        says=[Says(1.0, "hello"), Says(6.0, "मैं ठीक हूँ")],
        sends=sorted([*sound(9.0), Sends(3.0, Changed("hi"))], key=lambda sent: sent.at),
        model=model,
        rules=CallOptions(languages=BOTH),
        hangs_up=10.0,
    ).run()
    assert call.error is None
    assert told(call) == ["hi-IN"]
    assert call.recogniser
    assert call.recogniser.languages == ["en-US", "hi-IN"]
    assert call.voice.spoken_by == [("en-US", ""), ("hi-IN", "Asha")]
    assert model.prompts == [ENGLISH.system_prompt, HINDI.system_prompt]


def test_the_word_lists_change_with_the_language():
    """ "अच्छा" only shows that the caller listens; in an English call nobody knows that."""
    story = "एक बार एक राजा था। वह बहुत दूर रहता था। उसका एक बेटा था।"
    for sends, cut in (([], True), ([Sends(0.5, Changed("hi-IN"))], False)):
        call = Call(
            says=[Says(1.0, "a story"), Says(3.0, "अच्छा", final=False), Says(3.2, "अच्छा")],
            sends=sends,
            replies=[story, "Yes."],
            rules=CallOptions(languages=BOTH),
        ).run()
        assert bool(call.cut_offs()) is cut


def test_a_reply_that_is_under_way_ends_in_its_own_language():
    call = Call(
        says=[Says(1.0, "a story")],
        sends=[Sends(1.3, Changed("hi-IN"))],
        replies=["Once upon a time, there was a fox. It lived in a wood. The end."],
        rules=CallOptions(languages=BOTH),
    ).run()
    assert {language for language, _ in call.voice.spoken_by} == {"en-US"}
    assert call.timeline()[-1][1] == "END_OF_TURN"


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (
            Changed("xx"),
            "config.language_code is 'xx', which is not offered; allowed: en-US, hi-IN",
        ),
        (Changed("de-DE"), "'de-DE', which is not offered; allowed: en-US, hi-IN"),
        (Changed(voice="Asha"), "config.voice_name is 'Asha', which is not offered; allowed: for"),
        (Changed("hi-IN", "Ann"), "config.voice_name is 'Ann', which is not offered; allowed: for"),
        (
            Changed(rate_hz=8000),
            "config.sample_rate is '8000', which is not offered; allowed: 16000",
        ),
    ],
)
def test_a_change_that_cannot_be_is_told_and_the_call_goes_on(asked: Changed, said: str):
    call = Call(
        says=[Says(1.0, "hello"), Says(4.0, "and you")],
        sends=[*sound(6.0)[:5], Sends(2.5, asked), *sound(6.0)[5:]],
        replies=["Hello.", "Fine."],
        rules=CallOptions(languages=replace(BOTH, offer=LISTED)),
        hangs_up=8.0,
    ).run()
    assert call.error is None
    assert said in faults(call)[0]
    assert told(call) == []
    assert call.recogniser
    assert call.recogniser.languages == ["en-US"]
    assert call.text(2) == "Fine."


def test_a_recogniser_that_refuses_the_new_language_leaves_the_call_in_the_old_one():
    says = [Says(1.0, "hello"), Says(7.0, "and you")]
    call = Call(
        says=says,
        sends=[*sound(9.0)[:5], Sends(2.5, Changed("hi-IN")), *sound(9.0)[5:]],
        replies=["Hello.", "Fine."],
        recogniser=Tongues(says, ["en-US"]),
        rules=CallOptions(languages=BOTH),
        hangs_up=10.0,
    ).run()
    assert call.error is None
    assert told(call) == ["hi-IN", "en-US"]
    assert faults(call) == ["'hi-IN' is not served."]
    assert call.recogniser
    assert call.recogniser.languages == ["en-US", "hi-IN", "en-US"]
    assert call.text(2) == "Fine."
    assert set(call.voice.spoken_by) == {("en-US", "")}


def test_what_no_final_covers_is_heard_again_in_the_new_language():
    class Deaf(ScriptedRecogniser):
        """Notes how much audio each of its streams gets."""

        def __init__(self) -> None:
            super().__init__([])
            self.taken: dict[str, int] = {}

        async def listen(
            self,
            caller_audio: CallerAudioStream,
            *,
            language: str,
            rate_hz: int,
            on_transcript: Callable[[Transcript], None],
        ) -> None:
            while (piece := await caller_audio.take()) is not None:
                self.taken[language] = self.taken.get(language, 0) + len(piece.pcm)

    recogniser = Deaf()
    Call(
        sends=[*sound(2.0), Sends(2.1, Changed("hi-IN"))],
        recogniser=recogniser,
        rules=CallOptions(languages=BOTH),
        hangs_up=3.0,
    ).run()
    assert recogniser.taken["hi-IN"] == recogniser.taken["en-US"] == 4 * 640


# The recogniser reports what is spoken.


def test_a_caller_who_just_speaks_hindi_is_answered_in_it():
    multi = replace(
        BOTH,
        table={tag: replace(each, asr_code="multi") for tag, each in BOTH.table.items()},
    )
    call = Call(
        says=[
            Says(1.0, "hello there you", language="en-US"),
            Says(4.0, "नमस्ते", language="hi-IN"),
            Says(7.0, "मौसम कैसा है आज", language="hi-IN"),
        ],
        replies=["Hello.", "Hm.", GLAD],
        rules=CallOptions(languages=multi),
        hangs_up=12.0,
    ).run()
    assert told(call) == ["hi-IN"]
    assert [language for language, _ in call.voice.spoken_by] == ["en-US", "en-US", "hi-IN"]
    assert call.recogniser
    assert call.recogniser.languages == ["en-US"], "one stream is good for both"


def test_a_recogniser_that_repeats_what_it_was_asked_for_reports_nothing():
    now = CallConfig("test", "en-US", 16_000, "", "Be brief.")
    for code in ("en-US", "EN-us", "en-GB", "fr-FR"):
        assert not BOTH.reported(code, now)
    assert not replace(BOTH, follows=False).reported("hi-IN", now)
    assert not OPEN.reported("hi-IN", now)
    assert not BOTH.reported("hi-IN", replace(now, rights=Rights(language=False)))
    assert BOTH.reported("hi", now) == BOTH.reported("hi-IN", now) == "hi-IN"


def test_what_it_reports_is_followed_where_the_model_has_no_tool():
    call = Call(
        says=[Says(1.0, "मौसम कैसा है आज", language="hi-IN")],
        replies=[GLAD],
        rules=CallOptions(languages=replace(BOTH, has_tool=False)),
        hangs_up=8.0,
    ).run()
    assert told(call) == ["hi-IN"]


def test_one_word_is_believed_the_second_time():
    reported = Reported()
    assert not reported.believed("hi-IN", "नमस्ते")
    assert not reported.believed("", "hello")
    assert not reported.believed("hi-IN", "नमस्ते")
    assert reported.believed("hi-IN", "हाँ")
    assert Reported().believed("hi-IN", "मौसम कैसा है")


# What a silent caller is asked, and an answer in the wrong language.


def test_what_is_said_unasked_is_in_the_language_of_the_call():
    policy = TurnPolicy(idle_prompt_s=5.0, idle_end_s=5.0)
    call = Call(
        sends=[Sends(0.5, Changed("hi-IN"))],
        rules=CallOptions(policy=policy, languages=BOTH),
        hangs_up=None,
    ).run()
    assert [call.text(1), call.text(2)] == [HINDI.idle_prompt, HINDI.goodbye]
    assert set(call.voice.spoken_by) == {("hi-IN", "Asha")}


def test_an_answer_in_the_wrong_language_is_spoken_and_told_in_the_log(
    caplog: pytest.LogCaptureFixture,
):
    with caplog.at_level(logging.WARNING):
        call = Call(
            sends=[Sends(0.5, Changed("hi-IN")), Sends(1.0, Typed("मौसम कैसा है"))],
            replies=["The weather in Delhi is sunny today."],
            rules=CallOptions(languages=BOTH),
            hangs_up=8.0,
        ).run()
    assert call.voice.spoken_by == [("hi-IN", "Asha")]
    assert call.timeline()[-1][1] == "END_OF_TURN"
    assert "the answer is in Latin, and not in hi-IN" in caplog.text


# What there is.


@pytest.mark.parametrize(
    ("asked", "tag"),
    [
        ("en-US", "en-US"),
        ("EN-us", "en-US"),
        ("en", "en-US"),
        ("hi", "hi-IN"),
        ("DE", "de-DE"),
        ("xx", "xx"),
        ("en-GB", "en-GB"),
    ],
)
def test_a_tag_may_lack_its_region(asked: str, tag: str):
    assert OPEN.named(asked) == tag


@pytest.mark.parametrize(
    ("language", "voice"),
    [
        ("en-US", ""),
        ("en-US", "Ann"),
        ("en-US", "Magpie.EN.Bob"),
        ("en-US", "Magpie.EN.Bob.Calm"),
        ("en-US", "Magpie.EN"),
        ("de-DE", "Uta"),
        ("hi-IN", ""),
    ],
)
def test_what_the_services_list_is_offered(language: str, voice: str):
    OPEN.check(language, voice)


@pytest.mark.parametrize(
    ("language", "voice", "what", "allowed"),
    [
        ("xx", "", "language", "en-US, de-DE, hi-IN"),
        ("en-GB", "", "language", "en-US, de-DE, hi-IN"),
        ("en-US", "nobody", "voice", "for en-US Ann, Magpie.EN.Bob, or empty"),
        ("de-DE", "Ann", "voice", "for de-DE Uta, or empty"),
    ],
)
def test_what_they_do_not_is_refused_with_what_they_do(
    language: str, voice: str, what: str, allowed: str
):
    with pytest.raises(NotOffered) as refused:
        OPEN.check(language, voice)
    assert (refused.value.what, refused.value.allowed) == (what, allowed)


def test_as_long_as_nothing_is_listed_everything_may_be_there():
    Languages({"en-US": ENGLISH}, CallLanguage).check("fi-FI", "Aino")
    silent = Offer(lambda: (), lambda: {"": ("Somebody",)})
    Languages({"en-US": ENGLISH}, CallLanguage, silent).check("fi-FI", "Somebody")


def test_only_what_is_both_heard_and_spoken_is_offered():
    offer = Offer(lambda: ("en-US", "fr-FR"), lambda: {"en-US": ("Ann",), "de-DE": ("Uta",)})
    assert Languages({"en-US": ENGLISH}, CallLanguage, offer).offered() == ["en-US"]


def test_what_is_only_heard_is_enough_for_who_wants_no_voice():
    offer = Offer(lambda: ("en-US", "fr-FR"), lambda: {"en-US": ("Ann",)})
    languages = Languages({"en-US": ENGLISH}, CallLanguage, offer)
    languages.check("fr-FR", "", spoken=False)
    with pytest.raises(NotOffered, match="'fr-FR', which is not offered; allowed: en-US"):
        languages.check("fr-FR", "")


def test_a_service_may_know_a_language_by_another_code():
    indian = CallLanguage("en-IN", asr_code="en-US", tts_code="en")
    offer = Offer(lambda: ("en-US",), lambda: {"en": ("Ann",)})
    languages = Languages({"en-US": ENGLISH, "en-IN": indian}, CallLanguage, offer, closed=True)
    assert languages.offered() == ["en-US", "en-IN"]
    assert languages.same_stream("en-US", "en-IN")
    languages.check("en-IN", "Ann")


def test_what_is_configured_and_not_there_is_told():
    gone = Languages(
        {"en-US": replace(ENGLISH, voice="Nobody"), "fi-FI": CallLanguage("fi-FI")},
        CallLanguage,
        LISTED,
        closed=True,
    )
    first, second = gone.missing()
    assert first.startswith("en-US: voice 'Nobody', which is not offered; allowed: for en-US Ann")
    assert second.startswith("fi-FI: language 'fi-FI', which is not offered; allowed: en-US")


def test_a_prompt_of_the_callers_own_stays_and_answers_in_the_language():
    own = CallConfig("test", "en-US", 16_000, "", "You sell tickets.")
    there = BOTH.moved(own, "hi-IN")
    assert there.system_prompt == "You sell tickets. हमेशा हिन्दी में, देवनागरी में उत्तर दें।"
    assert BOTH.moved(there, "en-US").system_prompt == "You sell tickets. Always answer in English."


def test_a_move_to_where_the_call_is_changes_nothing():
    chosen = CallConfig("test", "hi-IN", 16_000, "Chosen.Voice", "You sell tickets.")
    assert BOTH.moved(chosen, "hi-IN") is chosen


@pytest.mark.parametrize(
    ("rights", "asked", "named"),
    [
        (Rights(language=False), Changed("hi-IN"), "language_code"),
        (Rights(voice=False), Changed(voice="Asha"), "voice_name"),
        (Rights(system_prompt=False), Changed(system_prompt="Be rude."), "system_prompt"),
    ],
)
def test_a_caller_changes_only_what_it_may(rights: Rights, asked: Changed, named: str):
    config = CallConfig("test", "en-US", 16_000, "", "Be brief.", rights=rights)
    with pytest.raises(NotPermitted, match=named):
        BOTH.changed(config, asked)
    assert BOTH.changed(config, Changed("en")) == config


def test_who_may_choose_no_language_is_offered_no_tool():
    config = CallConfig("test", "en-US", 16_000, "", "Be brief.")
    assert BOTH.choices(config) == {"en-US": "English", "hi-IN": "Hindi"}
    assert BOTH.choices(replace(config, rights=Rights(language=False))) == {}


def test_a_stream_that_is_lost_after_a_change_is_opened_in_the_new_language():
    says = [Says(1.0, "hello"), Says(7.0, "और आप")]
    call = Call(
        says=says,
        sends=[*sound(9.0)[:5], Sends(2.5, Changed("hi-IN")), *sound(9.0)[5:]],
        replies=["Hello.", GLAD],
        rules=CallOptions(languages=BOTH),
        hangs_up=10.0,
    )
    call.recogniser = ScriptedRecogniser(says[:1], Unavailable("asr", "it died"), fails_at=4.0)
    call.run()
    assert call.error is None
    assert call.recogniser.languages[0] == "en-US"
    assert set(call.recogniser.languages[1:]) == {"hi-IN"}


def test_the_tool_is_described_with_what_there_is():
    config = CallConfig("test", "hi-IN", 16_000, "", "")
    tool = language_tool(config, BOTH.choices(config))
    assert tool
    assert "en-US (English), hi-IN (Hindi). The call is in hi-IN now." in tool.description
    assert json.loads(json.dumps(tool.parameters))["properties"]["language"]["enum"] == [
        "en-US",
        "hi-IN",
    ]
