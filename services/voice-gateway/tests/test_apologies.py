"""What a caller hears where the model or the voice fails: the rest, and an apology, not silence."""

import asyncio
from collections.abc import AsyncGenerator, Sequence

import pytest
from voice_gateway.call.session import CallOptions
from voice_gateway.conversation import Message
from voice_gateway.conversation.policy import TurnPolicy
from voice_gateway.errors import Empty, Rejected, ServiceError, TimedOut, Unavailable
from voice_gateway.messages import (
    Adjust,
    CallConfig,
    CutOff,
    Failed,
    Interrupt,
    ModelOptions,
    ReplyText,
    Typed,
)
from voice_gateway.ports import ModelPiece, VoiceAudio
from voice_gateway.speaking.apology import Apologies
from voice_gateway.speaking.reply import ReplyOptions
from voice_gateway.testing import virtual_time
from voice_gateway.testing.scripted import (
    RATE_HZ,
    Call,
    Says,
    ScriptedModel,
    ScriptedVoice,
    Sends,
)

STORY = "Once upon a time, there was a fox. It lived in a wood."
SORRY = "Sorry, please ask again."
DOWN = Unavailable("tts", "tts.internal:50051 refused")
ASKED = [Sends(1.0, Typed("tell me a story"))]


class Breaks(str):
    """The start of an answer, after which the model fails."""


class BreakingModel(ScriptedModel):
    async def complete(
        self, history: Sequence[Message], *, system_prompt: str, asking: ModelOptions
    ) -> AsyncGenerator[ModelPiece, None]:
        breaks = bool(self._replies) and isinstance(self._replies[0], Breaks)
        answer = super().complete(history, system_prompt=system_prompt, asking=asking)
        async for piece in answer:
            yield piece
        if breaks:
            raise Unavailable("llm", "http://llm.internal/v1 dropped the stream")


class TroubledVoice(ScriptedVoice):
    """Fails at the texts that a trouble names, as often as it is named there.

    The trouble is an error, or how many words are said before one; 0 is no audio and no error.
    """

    def __init__(self, *troubles: tuple[str, ServiceError | int], for_ever: bool = False) -> None:
        super().__init__()
        self.troubles = list(troubles)
        self.for_ever = for_ever

    def _trouble(self, text: str) -> ServiceError | int | None:
        for place, (start, trouble) in enumerate(self.troubles):
            if text.startswith(start):
                if not self.for_ever:
                    del self.troubles[place]
                return trouble
        return None

    async def speak(
        self, text: str, *, language: str, voice: str, rate_hz: int
    ) -> AsyncGenerator[VoiceAudio, None]:
        trouble = self._trouble(text)
        if isinstance(trouble, ServiceError):
            self.spoken.append(text)
            await asyncio.sleep(0.05)
            raise trouble
        said = text if trouble is None else " ".join(text.split()[:trouble])
        async for audio in super().speak(said, language=language, voice=voice, rate_hz=rate_hz):
            yield audio
        if trouble:
            raise DOWN


def names(call: Call) -> list[str]:
    return [name for _, name in call.timeline() if name != "LISTENING"]


def apology(call: Call, reply: int = 1) -> str:
    shown = [m for _, m in call.received if isinstance(m, ReplyText) and m.reply == reply]
    return "".join(piece.text for piece in shown if piece.apology).strip()


def asked_next(call: Call) -> list[tuple[str, str]]:
    """What the model was told when it was asked last."""
    return [(message.role, message.text) for message in call.asked[-1]]


# A clause is asked for again.


@pytest.mark.parametrize("start", ["Once", "there was", "It lived"])
def test_a_clause_that_fails_before_its_first_audio_is_asked_for_again(start: str):
    call = Call(sends=ASKED, replies=[STORY], voice=TroubledVoice((start, DOWN))).run()
    assert names(call) == ["PROCESSING", "SPEAKING", "END_OF_TURN"]
    assert call.audio_seconds(1) == pytest.approx(13 * 0.4)
    assert len(call.voice.spoken) == 4


def test_a_clause_that_broke_off_before_any_of_it_was_sent_is_said_anew():
    voice = TroubledVoice(("It lived", 2))
    sends = [*ASKED, Sends(20.0, Typed("and then"))]
    call = Call(sends=sends, replies=[STORY, "The end."], voice=voice).run()
    assert names(call)[:3] == ["PROCESSING", "SPEAKING", "END_OF_TURN"]
    assert call.audio_seconds(1) == pytest.approx(13 * 0.4)  # nothing twice
    offsets = [piece.offset_s for _, piece in call.audio(1)]
    assert offsets == pytest.approx(sorted(offsets))
    assert asked_next(call)[1] == ("assistant", STORY)


def test_a_clause_that_is_being_heard_is_not_begun_again():
    call = Call(sends=ASKED, replies=[STORY], voice=TroubledVoice(("Once", 2)), apology=SORRY).run()
    assert names(call) == ["PROCESSING", "SPEAKING", "ERROR tts unavailable", "END_OF_TURN"]
    assert call.voice.spoken == ["Once upon", SORRY]
    assert apology(call) == SORRY


def test_a_second_failure_is_not_tried_a_third_time():
    voice = TroubledVoice(("It lived", DOWN), ("It lived", DOWN))
    sends = [*ASKED, Sends(20.0, Typed("and then"))]
    call = Call(sends=sends, replies=[STORY, "The end."], voice=voice, apology=SORRY).run()
    assert voice.spoken.count("It lived in a wood.") == 2
    assert apology(call) == SORRY
    assert asked_next(call) == [
        ("user", "tell me a story"),
        ("assistant", "Once upon a time, there was a fox."),
        ("user", "and then"),
    ]


def test_what_a_voice_refuses_is_not_asked_for_again():
    refused = Rejected("tts", "config.voice_name 'Nobody' is refused")
    voice = TroubledVoice(("Once", refused))
    call = Call(sends=ASKED, replies=[STORY], voice=voice).run()
    assert voice.spoken == ["Once upon a time,"]
    assert "ERROR tts rejected" in names(call)


def test_both_tries_together_have_the_time_of_one():
    slow = ScriptedVoice(first_s=3.0)
    silent = TroubledVoice(("Once", DOWN))
    silent._first_s = 9.9  # pyright: ignore[reportPrivateUsage]
    for voice, told_at in ((slow, None), (silent, 11.2)):
        call = Call(sends=ASKED, replies=[STORY], voice=voice).run()
        errors = [round(at, 1) for at, m in call.received if isinstance(m, Failed)]
        assert errors == ([told_at] if told_at else [])


def test_a_clause_that_waited_for_room_has_not_used_up_its_time():
    long = "It " + "rained and rained " * 6 + "on."
    last = "Then " + "it snowed and " * 5 + "stopped."
    voice = TroubledVoice(("Then", 14))
    quick = CallOptions(reply=ReplyOptions(voice_timeout_s=2.0))
    call = Call(sends=ASKED, replies=[f"{long} {long} {last}"], voice=voice, rules=quick).run()
    assert names(call) == ["PROCESSING", "SPEAKING", "END_OF_TURN"]
    assert voice.spoken[-1] == last


def test_one_clause_without_audio_does_not_silence_the_rest():
    voice = TroubledVoice(("there was", 0), ("there was", 0))
    sends = [*ASKED, Sends(20.0, Typed("and then"))]
    call = Call(sends=sends, replies=[STORY, "The end."], voice=voice, apology=SORRY).run()
    assert names(call)[:4] == ["PROCESSING", "SPEAKING", "ERROR tts empty", "END_OF_TURN"]
    assert apology(call) == SORRY
    assert asked_next(call)[1] == ("assistant", "Once upon a time, It lived in a wood.")


# A reply that fails ends with an apology.


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (Unavailable("llm", "http://llm.internal/v1 is down"), "unavailable"),
        (TimedOut("llm", "http://llm.internal/v1 is late"), "timed_out"),
        ("  ", "empty"),
    ],
)
def test_a_model_without_an_answer_is_apologised_for(reply: str | ServiceError, code: str):
    call = Call(sends=ASKED, replies=[reply], apology=SORRY).run()
    assert names(call) == ["PROCESSING", f"ERROR llm {code}", "SPEAKING", "END_OF_TURN"]
    assert (call.voice.spoken, apology(call)) == ([SORRY], SORRY)
    assert call.audio_seconds(1) == pytest.approx(4 * 0.4 + 0.2)


def test_an_answer_that_breaks_off_is_kept_as_heard_and_the_apology_is_not():
    sends = [*ASKED, Sends(20.0, Typed("go on"))]
    model = BreakingModel([Breaks("Once upon a time, there was"), "The end."])
    call = Call(sends=sends, model=model, apology=SORRY).run()
    assert names(call)[:4] == ["PROCESSING", "SPEAKING", "ERROR llm unavailable", "END_OF_TURN"]
    assert call.text(1) == f"Once upon a time, there was  {SORRY}"
    assert asked_next(call) == [
        ("user", "tell me a story"),
        ("assistant", "Once upon a time, there was"),
        ("user", "go on"),
    ]


def test_no_gap_is_heard_before_the_apology():
    model = BreakingModel([Breaks("Once upon a time, there was a fox.")])
    call = Call(sends=ASKED, model=model, apology=SORRY).run()
    audio = call.audio(1)
    began = audio[0][0]
    assert all(at - began <= piece.offset_s + 1e-6 for at, piece in audio)


def test_every_failed_turn_is_told_and_none_twice():
    sends = [Sends(at, Typed("hello")) for at in (1.0, 10.0, 20.0)]
    down = Unavailable("llm", "down")
    call = Call(sends=sends, replies=[down, down, down], apology=SORRY).run()
    assert [apology(call, reply) for reply in (1, 2, 3)] == [SORRY] * 3
    assert [name for name in names(call) if "ERROR" in name] == ["ERROR llm unavailable"] * 3
    assert call.voice.spoken == [SORRY]  # it was kept
    assert asked_next(call) == [("user", "hello hello hello")]  # and no answer


def test_an_apology_is_interrupted_like_any_reply_and_what_was_heard_has_no_word_of_it():
    model = BreakingModel([Breaks("It rains."), "As you like."])
    sends = [*ASKED, Sends(2.6, Interrupt()), Sends(5.0, Typed("and now"))]
    call = Call(sends=sends, model=model, apology=SORRY).run()
    cut = call.cut_offs()[0]
    assert cut == CutOff(1, cut.heard_s, "It rains.")
    assert cut.heard_s > 2 * 0.4
    assert asked_next(call)[1] == ("assistant", "It rains.")


def test_the_echo_of_an_apology_is_not_taken_for_the_caller():
    call = Call(
        says=[Says(1.0, "hello"), Says(2.2, "sorry please ask again")],
        replies=[Unavailable("llm", "down"), Unavailable("llm", "down"), "What else?"],
        apology=SORRY,
        voiced=[(0.5, True), (1.0, False)],
        loudspeaker=True,
    ).run()
    assert len(call.asked) == 2  # for the draft, and for the turn


@pytest.mark.parametrize("apology_setting", ["off", SORRY])
def test_a_failure_before_the_voice_ever_worked_is_told_at_least(apology_setting: str):
    voice = TroubledVoice(("", DOWN), for_ever=True)
    call = Call(sends=ASKED, replies=[STORY], voice=voice, apology=apology_setting).run()
    assert names(call) == ["PROCESSING", "ERROR tts unavailable", "END_OF_TURN"]
    assert apology(call) == ""


def test_an_apology_that_takes_too_long_is_left_out():
    voice = ScriptedVoice(first_s=4.0)
    call = Call(sends=ASKED, replies=[Unavailable("llm", "down")], voice=voice, apology=SORRY).run()
    over = next(at for at, name in call.timeline() if name == "END_OF_TURN")
    assert over == pytest.approx(1.1 + 3.0)
    assert call.audio_seconds(1) == 0


def test_text_only_programs_and_what_is_said_unasked_get_no_apology():
    silent = CallConfig("test", "en-US", RATE_HZ, "", "", spoken=False)
    sends = [Sends(0.5, Adjust(silent)), *ASKED]
    call = Call(sends=sends, replies=[Unavailable("llm", "down")], apology=SORRY).run()
    assert (apology(call), call.voice.spoken) == ("", [])


# What is said unasked fails, too.

QUIET = CallOptions(
    policy=TurnPolicy(
        greeting="Welcome.", idle_prompt_s=2.0, idle_prompt="Hello?", idle_end_s=2.0, goodbye="Bye."
    )
)


def test_a_greeting_a_prompt_and_a_goodbye_that_fail_are_told_and_the_call_goes_its_way():
    voice = TroubledVoice(*[(text, DOWN) for text in ("Welcome", "Hello", "Bye")] * 2)
    call = Call(voice=voice, rules=QUIET, apology=SORRY, hangs_up=None).run()
    failed = ["PROCESSING", "ERROR tts unavailable", "END_OF_TURN"]
    assert names(call) == [*failed * 3, "GOODBYE"]
    assert SORRY not in voice.spoken
    assert call.error is None


def test_a_greeting_that_fails_once_is_heard_all_the_same():
    voice = TroubledVoice(("Welcome", DOWN))
    call = Call(voice=voice, rules=QUIET, hangs_up=1.5).run()
    assert names(call)[:3] == ["PROCESSING", "SPEAKING", "END_OF_TURN"]


# The audio is made while the voice is there.


def config(language: str = "en-US", voice: str = "") -> CallConfig:
    return CallConfig("test", language, RATE_HZ, voice, "")


async def made_in_advance(apologies: Apologies, *configs: CallConfig) -> None:
    for each in configs:
        apologies.prepare(each)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(apologies.run())
        await asyncio.sleep(30.0)
        running.cancel()


def test_a_voice_that_is_gone_has_left_its_apology():
    voice = TroubledVoice()

    async def main() -> bytes:
        apologies = Apologies(voice, SORRY)
        await made_in_advance(apologies, config(), config())
        voice.troubles.append(("", DOWN))
        voice.for_ever = True
        return await apologies.audio(config())

    assert len(virtual_time.run(main())) == 2 * round((4 * 0.4 + 0.2) * RATE_HZ)
    assert voice.spoken == [SORRY]


def test_it_is_made_as_soon_as_the_voice_comes_up():
    voice = TroubledVoice(("", DOWN), ("", DOWN))
    virtual_time.run(made_in_advance(Apologies(voice, SORRY), config()))
    assert voice.spoken == [SORRY] * 3


def test_a_bug_in_the_voice_ends_neither_the_gateway_nor_the_call():
    class Broken(ScriptedVoice):
        async def speak(
            self, text: str, *, language: str, voice: str, rate_hz: int
        ) -> AsyncGenerator[VoiceAudio, None]:
            self.spoken.append(text)
            raise KeyError(text)
            yield VoiceAudio(b"")

    virtual_time.run(made_in_advance(Apologies(Broken(), SORRY), config()))
    call = Call(sends=ASKED, replies=[STORY], voice=Broken(), apology=SORRY).run()
    assert names(call) == ["PROCESSING", "ERROR gateway unavailable", "END_OF_TURN"]
    assert call.error is None


def test_a_voice_that_is_refused_leaves_the_apology_to_the_usual_one():
    refused = Rejected("tts", "config.voice_name 'Nobody' is refused")

    class Picky(ScriptedVoice):
        async def speak(
            self, text: str, *, language: str, voice: str, rate_hz: int
        ) -> AsyncGenerator[VoiceAudio, None]:
            if voice:
                self.spoken.append(voice)
                raise refused
            async for audio in super().speak(text, language=language, voice=voice, rate_hz=rate_hz):
                yield audio

    voice = Picky()
    apologies = Apologies(voice, SORRY)
    virtual_time.run(made_in_advance(apologies, config(voice="Nobody"), config()))
    assert virtual_time.run(apologies.audio(config(voice="Nobody")))
    assert voice.spoken.count("Nobody") == 2  # in advance, and when it was needed


def test_no_more_than_so_many_are_kept():
    voice = ScriptedVoice()

    async def main() -> None:
        apologies = Apologies(voice, SORRY)
        for number in (*range(40), 39, 0):
            await apologies.audio(config(voice=f"Voice {number}"))

    virtual_time.run(main())
    assert len(voice.spoken) == 41  # 39 was kept, 0 was made again


@pytest.mark.parametrize(
    ("language", "start"),
    [("en-GB", "Sorry"), ("de-DE", "Entschuldigung"), ("hi-IN", "माफ़"), ("it-IT", "Sorry")],
)
def test_each_language_has_its_own_words(language: str, start: str):
    assert Apologies(ScriptedVoice()).text(language).startswith(start)
    assert Apologies(ScriptedVoice(), SORRY).text(language) == SORRY
    assert Apologies(ScriptedVoice(), "off").text(language) == ""


def test_a_voice_that_says_nothing_has_no_apology():
    voice = TroubledVoice((SORRY, 0))
    with pytest.raises(Empty):
        virtual_time.run(Apologies(voice, SORRY).audio(config()))


def test_a_voice_that_says_nothing_is_not_asked_for_it_again_and_again():
    voice = TroubledVoice(("", 0), for_ever=True)
    virtual_time.run(made_in_advance(Apologies(voice, SORRY), config()))
    assert voice.spoken == [""]
