"""What a journal keeps of a call, with literal sequences, and what any cut loses: nothing."""

from hypothesis import given
from hypothesis import strategies as st
from voice_gateway.call.journal import LEAST_MESSAGES, Journal
from voice_gateway.call.resume_tokens import ResumeTokens, handle_of


def journal_of(count: int, **bounds: int) -> Journal[str]:
    journal = Journal[str](**bounds)
    for number in range(1, count + 1):
        journal.add(f"message {number}", 10)
    return journal


def test_messages_are_numbered_from_one():
    journal = journal_of(3)
    assert journal.last == 3
    assert [journal.get(n) for n in range(5)] == [
        None,
        "message 1",
        "message 2",
        "message 3",
        None,
    ]


def test_what_is_acknowledged_is_let_go_of():
    journal = journal_of(5)
    journal.acknowledge(3)
    assert journal.bytes == 20
    assert [journal.reaches(n) for n in range(8)] == [
        False,
        False,
        False,
        True,
        True,
        True,
        False,
        False,
    ]


def test_an_acknowledgement_of_what_was_never_sent_counts_as_one_of_the_newest():
    journal = journal_of(2)
    journal.acknowledge(1_000_000)
    journal.acknowledge(1)
    journal.add("message 3", 10)
    assert journal.reaches(2)
    assert not journal.reaches(1)
    assert journal.get(3) == "message 3"


def test_where_the_bound_of_messages_cuts_the_journal_no_longer_reaches():
    journal = journal_of(10, most_messages=4)
    assert not journal.reaches(5)
    assert journal.reaches(6)
    assert journal.bytes == 40


def test_where_the_bound_of_bytes_cuts_some_messages_stay():
    journal = journal_of(100, most_bytes=200)
    assert journal.bytes == 10 * LEAST_MESSAGES
    assert not journal.reaches(100 - LEAST_MESSAGES - 1)
    assert journal.reaches(100 - LEAST_MESSAGES)


@given(
    sizes=st.lists(st.integers(0, 400), max_size=300),
    acknowledged=st.lists(st.integers(0, 400), max_size=20),
    bounds=st.tuples(st.integers(1, 4000), st.integers(LEAST_MESSAGES, 100)),
)
def test_the_bounds_hold_and_what_it_reaches_is_there(
    sizes: list[int], acknowledged: list[int], bounds: tuple[int, int]
):
    most_bytes, most_messages = bounds
    journal = Journal[int](most_bytes=most_bytes, most_messages=most_messages)
    for number, size in enumerate(sizes, start=1):
        journal.add(number, size)
        if number % 7 == 0 and acknowledged:
            journal.acknowledge(acknowledged.pop())
        kept = [n for n in range(1, number + 1) if journal.get(n) is not None]
        assert len(kept) <= most_messages
        assert journal.bytes == sum(sizes[n - 1] for n in kept)
        assert journal.bytes <= most_bytes or len(kept) <= LEAST_MESSAGES
        for received in range(number + 1):
            missed = list(range(received + 1, number + 1))
            assert journal.reaches(received) == (kept[len(kept) - len(missed) :] == missed)


class TestTokens:
    def test_the_newest_and_the_one_before_are_valid(self):
        tokens = ResumeTokens()
        first, second = tokens.issue(), tokens.issue()
        assert first != second
        assert handle_of(first) == handle_of(second) == tokens.handle
        assert tokens.use(second)
        assert not tokens.use(first)

    def test_who_missed_the_newest_goes_on_with_the_one_before(self):
        tokens = ResumeTokens()
        first, lost = tokens.issue(), tokens.issue()
        assert tokens.use(first)
        third = tokens.issue()
        assert not tokens.use(lost)
        assert tokens.use(first)
        assert not tokens.use(third)

    def test_the_one_before_ends_when_the_newest_has_arrived(self):
        tokens = ResumeTokens()
        first, second = tokens.issue(), tokens.issue()
        tokens.arrived()
        assert not tokens.use(first)
        assert tokens.use(second)

    def test_nothing_else_is_valid(self):
        tokens = ResumeTokens()
        token = tokens.issue()
        for wrong in ("", tokens.handle, token[:-1], token + "x", ResumeTokens().issue(), "ü" * 44):
            assert not tokens.use(wrong)
        assert tokens.use(token)
