"""What a caller's program may ask of a call, on a virtual clock and as pure steps."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import replace

import pytest
from voice_gateway import conversation as c
from voice_gateway.conversation import Message, ToolCall
from voice_gateway.conversation.policy import TurnPolicy
from voice_gateway.errors import Rejected
from voice_gateway.messages import (
    Adjust,
    Answer,
    Audio,
    CallConfig,
    EndOfUtterance,
    Failed,
    Interrupt,
    ModelOptions,
    Noted,
    Transcript,
    Truncated,
    Typed,
    Withdrawn,
)
from voice_gateway.messages import ToolCalled as Called
from voice_gateway.ports import CallerAudioStream, ModelPiece
from voice_gateway.testing.scripted import (
    Call,
    Says,
    ScriptedModel,
    ScriptedRecogniser,
    Sends,
)

POLICY = TurnPolicy()
CALL = ToolCall("call_1", "get_weather", "{}")
STORY = "One two three four five six seven eight."
BY_HAND = c.CallerChose(
    0.0, by_hand=True, answers=False, interruptible=False, silence_s=None, patience=1.0
)
DEAF = c.CallerChose(
    0.0, by_hand=False, answers=True, interruptible=False, silence_s=None, patience=1.0
)


def play(*events: c.Event) -> tuple[c.Conversation, list[c.Command]]:
    now, commands = c.Conversation(), list[c.Command]()
    for event in events:
        now, decided = c.step(now, event, POLICY)
        commands += decided
    return now, commands


class ToolUser(ScriptedModel):
    """Calls its tool in the first answer."""

    async def complete(
        self, history: Sequence[Message], *, system_prompt: str, asking: ModelOptions
    ) -> AsyncGenerator[ModelPiece, None]:
        self.asked.append(tuple(history))
        await asyncio.sleep(0.05)
        if len(self.asked) == 1:
            yield CALL
        else:
            yield "It rains."


class Listed(ScriptedModel):
    """Notes how it was asked."""

    def __init__(self, replies: Sequence[str]) -> None:
        super().__init__(replies)
        self.prompts: list[str] = []

    def complete(
        self, history: Sequence[Message], *, system_prompt: str, asking: ModelOptions
    ) -> AsyncGenerator[ModelPiece, None]:
        self.prompts.append(system_prompt)
        return super().complete(history, system_prompt=system_prompt, asking=asking)


def test_by_hand_no_silence_ends_a_turn():
    now, commands = play(BY_HAND, c.CallerSpoke(1.0, "hello", True), c.TimerFired(60.0))
    assert now.wake_at is None
    assert commands == []
    now, commands = c.step(now, c.CallerAsked(61.0), POLICY)
    assert commands == (c.StartReply(1, (Message("user", "hello"),), request=1),)


def test_by_hand_an_answer_waits_for_the_final_words_it_is_owed():
    now, _ = play(BY_HAND, c.CallerSpoke(1.0, "hel", False), c.CallerEnded(1.5), c.CallerAsked(1.5))
    assert now.wake_at == 1.5 + POLICY.final_wait_s
    now, commands = c.step(now, c.CallerSpoke(1.6, "hello", True), POLICY)
    assert commands == (c.StartReply(1, (Message("user", "hello"),), request=1),)


def test_by_hand_an_answer_waits_for_the_finals_of_all_utterances_that_were_sent():
    now, _ = play(BY_HAND, c.CallerEnded(1.0), c.CallerEnded(1.0), c.CallerAsked(1.0))
    now, commands = c.step(now, c.CallerSpoke(1.5, "hello", True, ended=True, awaits=True), POLICY)
    assert (commands, now.wake_at) == ((), 1.5 + POLICY.final_wait_s)
    _, commands = c.step(now, c.CallerSpoke(2.0, "and you", True, ended=True), POLICY)
    assert commands == (c.StartReply(1, (Message("user", "hello and you"),), request=1),)
    assert now.wake_at
    _, commands = c.step(now, c.TimerFired(now.wake_at), POLICY)  # the other has no words
    assert commands == (c.StartReply(1, (Message("user", "hello"),), request=1),)


def test_by_hand_an_answer_does_not_wait_for_ever():
    now, _ = play(BY_HAND, c.CallerEnded(1.5), c.CallerNoted(1.5, Message("user", "hi")))
    now, _ = c.step(now, c.CallerAsked(1.5), POLICY)
    assert now.wake_at
    _, commands = c.step(now, c.TimerFired(now.wake_at), POLICY)
    assert commands == (c.StartReply(1, (Message("user", "hi"),), request=1),)


def test_words_into_an_answer_that_takes_none_are_answered_after_it():
    now, commands = play(
        DEAF,
        c.CallerSpoke(1.0, "hello", True),
        c.TimerFired(1.0),
        c.ReplyAudioStarted(1.2, 1),
        c.CallerSpoke(2.0, "and you", True),
        c.ReplyEnded(3.0, 1, "Hi."),
    )
    assert not any(isinstance(command, c.CancelReply) for command in commands)
    assert now.wake_at
    _, commands = c.step(now, c.TimerFired(now.wake_at), POLICY)
    asked = (Message("user", "hello"), Message("assistant", "Hi."), Message("user", "and you"))
    assert commands == (c.StartReply(2, asked),)


def test_a_note_during_an_answer_comes_after_it():
    now, _ = play(
        c.CallerTyped(1.0, "hello"),
        c.CallerNoted(1.5, Message("tool", "rain", call_id="call_1")),
        c.ReplyEnded(2.0, 1, "", (CALL,)),
    )
    assert now.history == (
        Message("user", "hello"),
        Message("assistant", "", calls=(CALL,)),
        Message("tool", "rain", call_id="call_1"),
    )


def test_forgotten_words_are_not_answered():
    now, commands = play(c.CallerSpoke(1.0, "never mind", False), c.CallerForgot(1.1))
    assert (now.question(), now.wake_at) == ("", None)
    assert commands == [c.DropWords("never mind", "forgotten")]


def test_a_tool_is_not_called_before_the_turn_is_over():
    call = Call(
        says=[Says(1.0, "what is the weather", final=False), Says(1.6, "what is the weather")],
        voiced=[(0.5, True), (1.1, False)],
        model=ToolUser([]),
        hangs_up=5.0,
    ).run()
    released = next(at for at, name in call.timeline() if name == "PROCESSING")
    told = [(at, m) for at, m in call.received if isinstance(m, Called)]
    assert len(call.asked) == 1
    assert [m.call for _, m in told] == [CALL]
    assert told[0][0] >= released - 0.005  # a timeline's times are rounded


def test_a_tools_output_is_answered_when_that_is_asked_for():
    output = Message("tool", "rain", call_id=CALL.call_id)
    call = Call(
        says=[Says(1.0, "what is the weather")],
        sends=[Sends(3.0, Noted(output)), Sends(3.1, Answer())],
        model=ToolUser([]),
        hangs_up=6.0,
    ).run()
    assert call.asked[-1] == (
        Message("user", "what is the weather"),
        Message("assistant", "", calls=(CALL,)),
        output,
    )
    assert call.text(2) == "It rains."


def test_what_is_withdrawn_is_forgotten():
    call = Call(
        sends=[
            Sends(0.1, Noted(Message("system", "My number is 7.", name="a"))),
            Sends(0.2, Noted(Message("user", "Hello.", name="b"))),
            Sends(0.3, Withdrawn("a")),
            Sends(0.4, Answer()),
        ],
        replies=["Hi."],
        hangs_up=3.0,
    ).run()
    assert call.asked == [(Message("user", "Hello."),)]


def test_truncation_of_a_live_answer_ends_it_and_of_an_old_one_corrects_the_memory():
    call = Call(
        says=[Says(1.0, "tell me a story")],
        sends=[
            Sends(3.0, Truncated(1, 0.45)),
            Sends(3.5, Noted(Message("user", "again"))),
            Sends(3.5, Answer()),
            Sends(5.0, Interrupt()),
            Sends(5.1, Truncated(2, 0.85)),
            Sends(5.2, Noted(Message("user", "thanks"))),
            Sends(5.2, Answer()),
        ],
        replies=[STORY, STORY, "Bye."],
        hangs_up=8.0,
    ).run()
    assert [message.text for message in call.asked[-1]] == [
        "tell me a story",
        "One",
        "again",
        "One two",
        "thanks",
    ]


def test_no_truncation_makes_more_heard_than_was_sent():
    call = Call(
        says=[Says(1.0, "tell me a story")],
        sends=[
            Sends(3.0, Interrupt()),
            Sends(3.1, Truncated(1, 60.0)),
            Sends(3.2, Noted(Message("user", "again"))),
            Sends(3.2, Answer()),
        ],
        replies=[STORY, "Bye."],
        hangs_up=8.0,
    ).run()
    assert call.audio_seconds(1) < 2.5
    assert call.asked[-1][1].text == "One two three four five"


def test_a_program_changes_how_answers_are_made():
    config = CallConfig("test", "en-US", 16_000, "", "Rhyme.", spoken=False)
    call = Call(
        sends=[
            Sends(0.1, Adjust(config)),
            Sends(0.2, Noted(Message("user", "Hello."))),
            Sends(0.2, Answer()),
            Sends(2.0, EndOfUtterance()),
        ],
        replies=["Hi there."],
        hangs_up=3.0,
    ).run()
    assert call.text(1) == "Hi there."
    assert call.audio(1) == []
    assert call.timeline()[-1][1] == "END_OF_TURN"


class OneLanguage(ScriptedRecogniser):
    """Refuses a stream in any language but the first."""

    async def listen(
        self,
        caller_audio: CallerAudioStream,
        *,
        language: str,
        rate_hz: int,
        on_transcript: Callable[[Transcript], None],
    ) -> None:
        if self.languages and language != self.languages[0]:
            raise Rejected("asr", f"{language!r} is refused", f"{language!r} is not served.")
        await super().listen(
            caller_audio, language=language, rate_hz=rate_hz, on_transcript=on_transcript
        )


def test_a_language_that_was_only_asked_for_is_none_that_was_served():
    finnish = CallConfig("test", "fi-FI", 16_000, "", "Rhyme.")
    call = Call(
        says=[Says(1.0, "hello"), Says(3.0, "and so on")],
        sends=[Sends(2.0, Adjust(finnish)), *(Sends(n / 2, Audio(bytes(640))) for n in range(12))],
        replies=["Hi.", "Yes."],
    )
    call.recogniser = OneLanguage(call.says)
    call.run()
    assert call.error is None
    assert [m.error.sentence for _, m in call.received if isinstance(m, Failed)] == [
        "'fi-FI' is not served."
    ]
    assert call.text(2) == "Yes.", "the call goes on in the language that was served"


def test_how_one_answer_is_wished_for_is_not_how_the_next_is_made():
    rhymes = CallConfig("test", "en-US", 16_000, "", "Rhyme.")
    model = Listed(["One.", "Two.", "Three."])
    Call(
        sends=[
            Sends(0.1, Typed("hello")),
            Sends(0.2, Answer(rhymes)),  # too late: an answer is under way
            Sends(3.0, Typed("and now")),
            Sends(6.0, Answer(rhymes)),
        ],
        model=model,
        hangs_up=9.0,
    ).run()
    assert model.prompts == ["Be brief.", "Be brief.", "Rhyme."]


def test_an_answer_that_is_made_again_for_late_words_is_made_as_it_was_asked_for():
    rhymes = CallConfig("test", "en-US", 16_000, "", "Rhyme.")
    model = Listed(["One.", "Two.", "Three."])
    Call(
        says=[Says(1.0, "hello", final=False), Says(2.1, "Hello there.")],
        voiced=[(0.5, True), (1.1, False)],
        sends=[Sends(1.15, Answer(rhymes)), Sends(6.0, Typed("and now"))],
        model=model,
        hangs_up=9.0,
    ).run()
    assert [asked[-1].text for asked in model.asked][-3:] == ["hello", "Hello there.", "and now"]
    assert model.prompts[-3:] == ["Rhyme.", "Rhyme.", "Be brief."]


def test_an_answer_that_is_asked_for_is_not_the_one_that_was_prepared():
    now, commands = play(
        c.CallerVoiced(0.5),
        c.CallerSpoke(1.0, "what is the weather", False),
        c.CallerQuiet(1.2, 1.1),
        c.CallerAsked(1.25),
        c.CallerSpoke(1.3, "what is the weather", True),
    )
    prepared, asks, dropped, started = commands
    assert isinstance(prepared, c.PrepareReply)
    assert (asks, dropped) == (c.AskFinal(), c.CancelReply(1))
    assert started == c.StartReply(2, (Message("user", "what is the weather"),), request=1)
    assert now.floor == c.Replying(request=1)


def test_an_answer_may_be_about_something_else_than_the_conversation():
    about = (Message("user", "Say OK."),)
    config = CallConfig("test", "en-US", 16_000, "", "", asking=ModelOptions(about=about))
    call = Call(
        sends=[
            Sends(0.1, Typed("hello")),
            Sends(3.0, Answer(config)),
            Sends(6.0, Typed("what did you say")),
        ],
        replies=["Hi.", "OK.", "OK."],
        hangs_up=9.0,
    ).run()
    assert call.asked[1] == about
    assert [m.text for m in call.asked[2]] == ["hello", "Hi. OK.", "what did you say"]


def silent_after(idle_s: float | None) -> c.CallerChose:
    return replace(BY_HAND, by_hand=False, answers=True, idle_s=idle_s)


@pytest.mark.parametrize(("idle_s", "asked_s"), [(5.0, 5.0), (None, 8.0)])
def test_a_program_says_after_what_silence_the_caller_is_asked(
    idle_s: float | None, asked_s: float
):
    policy = TurnPolicy(idle_prompt_s=8.0)
    now, _ = c.step(c.Conversation(), silent_after(idle_s), policy)
    assert now.wake_at == asked_s
    now, commands = c.step(now, c.TimerFired(asked_s), policy)
    assert commands == (c.Say(1, policy.idle_prompt, asked_s),)


def test_another_wait_for_silence_begins_when_it_is_chosen():
    now, _ = play(silent_after(5.0), replace(silent_after(9.0), at=4.0))
    assert now.wake_at == 13.0
    now, _ = c.step(now, replace(silent_after(9.0), at=6.0), POLICY)
    assert now.wake_at == 13.0
    now, _ = c.step(now, replace(silent_after(None), at=7.0), POLICY)
    assert now.wake_at is None
