"""A history that is too long for the model: which turns stay, and where it is cut."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from voice_gateway.conversation import Message, ToolCall
from voice_gateway.conversation.fitting import CUT_MARK, divided, fitted
from voice_gateway.conversation.history import (
    UNANSWERED_CHARS,
    History,
    as_turns,
    remembered,
    with_answer,
    with_question,
)


def user(text: str) -> Message:
    return Message("user", text)


def assistant(text: str, *calls: str) -> Message:
    return Message("assistant", text, calls=tuple(ToolCall(call, "look", "{}") for call in calls))


def output(call: str, text: str = "sunny") -> Message:
    return Message("tool", text, call_id=call)


def letters(message: Message) -> int:
    """A tokenizer that is easy to follow: a token is a character, and a message costs one more."""
    return 1 + len(message.text)


def total(history: History) -> int:
    return sum(map(letters, history))


class TestTheNewestStay:
    def test_what_fits_is_left_alone(self):
        history = (user("one"), assistant("two"), user("three"))
        assert fitted(history, total(history), letters) is history

    def test_the_oldest_turn_goes_first(self):
        history = (user("a" * 20), assistant("b" * 20), user("c" * 20), assistant("d" * 20))
        assert fitted((*history, user("now")), 60, letters) == (*history[2:], user("now"))

    def test_a_greeting_goes_with_what_was_before_the_first_question(self):
        history = (assistant("Welcome."), user("a" * 9), assistant("b" * 9), user("now"))
        assert fitted(history, total(history) - 1, letters) == history[1:]

    def test_a_greeting_that_fits_stays(self):
        history = (assistant("Welcome."), user("hello"))
        assert fitted(history, 99, letters) == history

    def test_a_note_of_the_program_may_be_the_first(self):
        history = (user("a" * 30), assistant("b"), Message("system", "It rains."), user("now"))
        assert fitted(history, 20, letters) == history[2:]

    def test_several_turns_go_at_once_and_the_beginning_is_the_same_for_a_while(self):
        history: History = ()
        beginnings: list[Message] = []
        for turn in range(40):
            history = (*history, user(f"question {turn:02}"), assistant("a" * 20))
            beginnings.append(fitted(history, 330, letters)[0])
        changes = [one != other for one, other in pairwise(beginnings)]
        assert sum(changes) == 12  # every third turn, and not each of them

    def test_but_not_where_that_would_take_most_of_what_fits(self):
        history = (user("a" * 60), assistant("b"), user("c" * 240), assistant("d"), user("now"))
        assert fitted(history, 280, letters) == history[2:]

    def test_what_goes_is_given_for_a_summary(self):
        history = (user("a" * 20), assistant("b" * 20), user("now"))
        assert divided(history, 20, letters) == (history[:2], history[2:])


class TestToolCalls:
    def test_a_call_goes_with_its_output(self):
        history = (user("a" * 9), assistant("", "1"), output("1", "b" * 30), user("c"), user("now"))
        assert fitted(as_turns(history), 30, letters) == as_turns(history[3:])

    def test_an_output_that_comes_late_keeps_its_call(self):
        history = (user("rain?"), assistant("", "1"), user("hello?"), output("1"), user("now"))
        kept = fitted(history, 1, letters)
        assert [message.role for message in kept] == ["user"]
        kept = fitted(history, total(history) - 1, letters)
        assert kept == history[4:]

    def test_of_a_long_turn_the_oldest_calls_go(self):
        calls = [(assistant("", str(n)), output(str(n), "x" * 50)) for n in range(9)]
        history = (user("look everywhere"), *(message for pair in calls for message in pair))
        assert fitted(history, 180, letters) == (history[0], *calls[-3][:], *calls[-2], *calls[-1])

    def test_what_was_said_between_them_stays(self):
        note, calls = Message("system", "It rains."), [("1", "x" * 90), ("2", "y" * 90)]
        (one, other) = ((assistant("", call), output(call, text)) for call, text in calls)
        history = (user("look"), assistant("Sure."), *one, note, *other)
        assert fitted(history, 140, letters) == (*history[:2], note, *other)

    def test_a_program_that_only_calls_tools_is_bounded_too(self):
        calls = [(assistant("", str(n)), output(str(n))) for n in range(90)]
        history = (user("look"), *(message for pair in calls for message in pair))
        kept = remembered(history, 40)
        assert len(kept) <= 40
        assert kept[0] == user("look")
        assert kept[1:] == history[-len(kept) + 1 :]

    def test_the_turns_that_are_remembered_part_no_call_from_its_output(self):
        history = (user("a"), assistant("b"), user("c"), assistant("", "1"), output("1"), user("d"))
        assert remembered(history, 2) == (user("d"),)
        assert remembered(history, 4) == history[2:]
        assert remembered(history[:-1], 2) == history[2:-1]


class TestTooLongByItself:
    def test_the_question_loses_its_beginning(self):
        (kept,) = fitted((user("well " * 200 + "what is the weather"),), 300, letters)
        assert kept.text.startswith(f"{CUT_MARK} well")
        assert kept.text.endswith("what is the weather")
        assert letters(kept) <= 300

    def test_a_tools_output_loses_its_end(self):
        history = (user("look"), assistant("", "1"), output("1", "first " + "x" * 900))
        kept = fitted(history, 300, letters)
        assert kept[:2] == history[:2]
        assert kept[2].text.startswith("first xxx")
        assert kept[2].text.endswith(CUT_MARK)

    def test_something_of_the_question_is_left_whatever_the_room(self):
        (kept,) = fitted((user("well " * 200 + "what is the weather"),), -1000, letters)
        assert kept.text.endswith("what is the weather")
        assert len(kept.text) <= 200


class TestQuestionsThatNobodyAnswered:
    def typed(self, *texts: str) -> History:
        history: History = ()
        for turn, text in enumerate(texts):
            history = with_question(history, text, f"question-{turn}")
            history = with_answer(history, "")
        return history

    def test_the_last_ones_stay(self):
        assert [m.text for m in self.typed("one", "two", "three")] == ["one", "two", "three"]

    def test_they_do_not_grow_without_end(self):
        history = self.typed(*("x" * 4_000 for _ in range(300)))
        assert sum(len(message.text) for message in history) <= UNANSWERED_CHARS

    def test_the_newest_stays_whatever_its_length(self):
        assert self.typed("one", "x" * 9_000) == (user("x" * 9_000),)

    def test_an_answer_ends_the_count(self):
        history = with_answer(self.typed("x" * 7_000), "Yes.")
        history = with_answer(with_question(history, "y" * 7_000, "question-7"), "")
        assert [len(message.text) for message in history] == [7_000, 4, 7_000]

    def test_what_a_program_noted_stays(self):
        history = (user("x" * 9_000), *self.typed("y" * 5_000))
        history = with_answer(with_question(history, "z" * 5_000, "question-2"), "")
        assert [message.text[0] for message in history] == ["x", "z"]


TEXTS = st.text(st.sampled_from("ab \N{DEVANAGARI LETTER KA}"), max_size=400)


@st.composite
def histories(draw: st.DrawFn) -> History:
    """Anything a call may hold: greetings, questions, notes, outputs that come late or never."""
    history: list[Message] = []
    open_calls: list[str] = []
    for place in range(draw(st.integers(0, 14))):
        kind = draw(st.sampled_from(["user", "user", "assistant", "system", "call", "output"]))
        text = f"{place} {draw(TEXTS)}".strip()
        if kind == "call":
            history.append(assistant(draw(st.sampled_from(["", text])), str(place)))
            open_calls.append(str(place))
        elif kind == "output" and open_calls:
            history.append(output(open_calls.pop(0), text))
        else:
            history.append(Message("user" if kind == "output" else kind, text))  # pyright: ignore[reportArgumentType]
    return as_turns(tuple(history))


def holds_its_calls(kept: History, history: History) -> bool:
    """Whether each call has its output, and each output its call, as before."""

    def outputs(messages: History) -> set[str]:
        return {message.call_id for message in messages if message.role == "tool"}

    def calls(messages: History) -> set[str]:
        return {call.call_id for message in messages for call in message.calls}

    return calls(kept) & outputs(history) == outputs(kept)


@given(histories(), st.integers(-100, 3000))
def test_whatever_was_said_and_however_little_room_there_is(history: History, tokens: int):
    kept = fitted(history, tokens, letters)
    cut = [message for message in kept if message not in history]
    assert total(kept) <= tokens or all(len(message.text) <= 200 for message in kept)
    assert not cut or total(divided(history, tokens, letters)[1]) > tokens
    assert fitted(kept, tokens, letters) == kept
    assert holds_its_calls(kept, history)
    assert not kept or kept[0] == history[0] or kept[0].role != "assistant"
    places = [history.index(message) for message in kept if message not in cut]
    assert places == sorted(places)


@given(histories(), st.integers(0, 3000))
def test_the_newest_messages_stay(history: History, tokens: int):
    gone, kept = divided(history, tokens, letters)
    assert gone + kept == history
    assert bool(kept) == bool(history)
    question = next((m for m in reversed(history) if m.role == "user"), None)
    if question:
        last = next(m for m in reversed(fitted(history, tokens, letters)) if m.role == "user")
        assert question.text.endswith(last.text.removeprefix(f"{CUT_MARK} ").lstrip())


@given(histories(), st.integers(2, 12))
def test_the_number_of_turns_is_bounded_but_for_one_call_and_its_outputs(
    history: History, limit: int
):
    kept = remembered(history, limit)
    assert holds_its_calls(kept, history)
    assert bool(kept) == bool(history)
    assert kept[-1:] == history[-1:]
    assert len(remembered(kept, limit)) == len(kept)
