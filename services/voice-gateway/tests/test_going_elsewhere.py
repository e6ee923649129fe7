"""When a call may end without a loss, and what is asked again in the call that goes on for it."""

import pytest
from voice_gateway import conversation as c
from voice_gateway.call.session import CallOptions
from voice_gateway.conversation import Message
from voice_gateway.conversation.policy import TurnPolicy
from voice_gateway.testing.scripted import Call

QUESTION = Message("user", "what is the weather")
HEARD = Message("assistant", "It is", interrupted=True)
ANSWER = Message("assistant", "It is sunny.")


@pytest.mark.parametrize(
    ("history", "question", "kept"),
    [
        ((QUESTION,), "what is the weather", (QUESTION,)),
        ((QUESTION,), "What is the weather?", (QUESTION,)),
        ((QUESTION, HEARD), "what is the weather", (QUESTION,)),
        ((QUESTION, ANSWER, QUESTION, HEARD), "the weather", (QUESTION, ANSWER, QUESTION)),
        ((QUESTION, ANSWER), "what is the weather", None),
        ((QUESTION,), "and tomorrow", None),
        ((HEARD,), "what is the weather", None),
        ((), "what is the weather", None),
    ],
)
def test_a_question_that_is_remembered_is_not_asked_twice(
    history: tuple[Message, ...], question: str, kept: tuple[Message, ...] | None
):
    assert c.asked_again(history, question) == kept


def after(*events: c.Event) -> c.Conversation:
    now = c.Conversation()
    for event in events:
        now, _ = c.step(now, event, TurnPolicy())
    return now


JOINED = c.CallerJoined(0.0, ())


@pytest.mark.parametrize(
    ("events", "at_rest"),
    [
        ((JOINED,), True),
        ((JOINED, c.CallerVoiced(1.0)), False),
        ((JOINED, c.CallerVoiced(1.0), c.CallerQuiet(2.0, since=1.9)), True),
        ((JOINED, c.CallerSpoke(1.0, "what is", False, False, awaits=False)), False),
        ((JOINED, c.CallerTyped(1.0, "hello")), False),
        ((JOINED, c.CallerTyped(1.0, "hello"), c.ReplyEnded(2.0, 1, "Hi.", (), False)), True),
        ((JOINED, c.RecognitionBehind(1.0, broken=False)), False),
    ],
)
def test_a_call_is_at_rest_while_nobody_speaks_and_nothing_is_owed(
    events: tuple[c.Event, ...], at_rest: bool
):
    assert after(*events).at_rest is at_rest


class Kept:
    """A memory that has this history."""

    def __init__(self, *messages: Message) -> None:
        self.messages = messages

    async def recall(self) -> tuple[Message, ...]:
        return self.messages

    async def keep(self, messages: object) -> None:
        pass


def goes_on(kept: Kept, question: str) -> Call:
    return Call(
        replies=["It is sunny."],
        conversation_id="4f1c",
        memory=lambda _id, _principal: kept,
        turn_under_way=question,
        hangs_up=10.0,
        rules=CallOptions(),
    ).run()


def test_the_turn_under_way_is_asked_again_at_once():
    call = goes_on(Kept(QUESTION, HEARD), "what is the weather")
    assert call.asked == [(QUESTION,)]
    assert [name for _, name in call.timeline()] == [
        "LISTENING",
        "PROCESSING",
        "SPEAKING",
        "END_OF_TURN",
    ]


def test_a_question_that_was_not_kept_in_time_is_added():
    call = goes_on(Kept(QUESTION, ANSWER), "and tomorrow")
    assert call.asked == [(QUESTION, ANSWER, Message("user", "and tomorrow"))]
