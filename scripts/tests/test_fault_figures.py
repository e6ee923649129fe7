"""What benchmarks/faults.py makes of what callers heard: literal times, no processes."""

import socket
import sys

import pytest

from faults.connection_resets import reset_connections
from faults.fault_plan import KINDS, OF_ALL, SERVICES, Wanted, planned
from faults.heard_turns import Came, Turn
from faults.leftovers import Held
from faults.listening_recogniser import Utterances
from faults.scripted_service import asked
from faults.spoken_questions import Question, answer_to, seconds_of, spoken
from faults.turn_outcomes import Asked, Recovery, outcome_of, recovery_of, words_of
from faults.words_in_sound import Reader, plain_words

QUESTION, BEFORE = Question(8), Question(7)
WORDS = QUESTION.words
SORRY = "I am sorry, please say that again."
LIMIT_S = 20.0


def audio(at: float, text: str, reply: int = 1) -> Came:
    return Came(at, "audio", reply, plain_words(text))


def turn(*came: Came) -> Turn:
    """A question that is spoken from 10.0 to 11.0 s; the caller asks again at 40.0 s."""
    return Turn(0, QUESTION, 10.0, 11.0, 40.0, list(came))


ERROR = Came(11.25, "error", failed="llm unavailable")
WHOLE = answer_to(WORDS)
BEGUN = " ".join(WHOLE.split()[:3])
HALF = answer_to(WORDS[5:])
JOINED = answer_to(BEFORE.words + WORDS)
MODEL = Asked([BEFORE.words, WORDS, WORDS[5:], BEFORE.words + WORDS])


@pytest.mark.parametrize("size", [2, 64, 1280, 100_000])
def test_words_are_read_wherever_the_audio_is_cut(size: int):
    reader, pcm = Reader(), bytes(640) + QUESTION.pcm
    heard = [one for at in range(0, len(pcm), size) for one in reader.read(pcm[at : at + size])]

    assert tuple(one.word for one in heard) == WORDS
    assert heard[-1].end_s == pytest.approx(seconds_of(pcm), abs=0.001)


def test_a_word_goes_with_the_audio_that_has_its_end():
    pcm = spoken("one two three", 0.9)
    second = Reader().read(pcm)[1]

    lost = Reader().read(pcm[round(second.end_s * 16_000) * 2 - 2 :])

    assert [one.word for one in lost] == ["three"]


def test_silence_and_speech_without_words_have_none():
    assert Reader().read(bytes(32_000)) == []


def test_the_recogniser_hears_a_question_and_ends_it_after_its_silence():
    utterances = Utterances(endpoint_s=0.48)
    during = utterances.hear(QUESTION.pcm)
    after = utterances.hear(bytes(32_000))

    assert [is_final for _, is_final in during] == [False] * 7
    assert [[word.text for word in words] for words, is_final in after if is_final] == [list(WORDS)]
    assert utterances.force() == ()


def test_a_stream_that_is_opened_in_mid_question_hears_the_rest():
    pcm = QUESTION.pcm
    utterances = Utterances(endpoint_s=0.48)
    utterances.hear(pcm[len(pcm) // 4 * 2 :])

    rest = [word.text for word in utterances.force()]
    assert rest == list(WORDS[-len(rest) :])
    assert 0 < len(rest) < len(WORDS)


def test_the_model_is_asked_what_nobody_has_answered():
    said = [
        {"role": "system", "content": "Be short."},
        {"role": "user", "content": "What is one?"},
        {"role": "assistant", "content": "One."},
        {"role": "user", "content": "What is two,"},
        {"role": "user", "content": "and three?"},
    ]
    assert asked(said) == ("what", "is", "two", "and", "three")


@pytest.mark.parametrize(
    ("came", "outcome"),
    [
        ([audio(11.8, WHOLE)], "answered"),
        ([audio(11.8, JOINED)], "answered"),  # with the one before, which had no answer
        ([ERROR, audio(12.0, SORRY)], "apologised"),
        ([audio(11.8, BEGUN), audio(13.0, "I have to stop here, sorry.")], "apologised"),
        ([audio(31.5, WHOLE)], "late"),
        ([audio(31.5, SORRY)], "late"),
        ([audio(11.8, BEGUN), ERROR], "broke off"),
        ([audio(11.8, "sunshine, so")], "broke off"),
        ([audio(11.8, HALF)], "astray"),
        ([audio(11.8, HALF), audio(13.0, WHOLE, reply=2)], "answered"),
        ([audio(10.5, answer_to(BEFORE.words))], "astray"),
        ([ERROR], "told"),
        ([Came(11.2, "processing", 1), Came(11.3, "floor", 1)], "silent"),
    ],
)
def test_what_became_of_a_turn(came: list[Came], outcome: str):
    assert outcome_of(turn(*came), MODEL, LIMIT_S) == outcome


@pytest.mark.parametrize(
    ("requests", "came", "words"),
    [
        ([WORDS[:3], WORDS], [], "whole"),
        ([BEFORE.words + WORDS], [], "whole"),
        ([WORDS[5:]], [], "part"),
        ([BEFORE.words], [], "none"),
        ([WORDS + WORDS], [], "twice"),
        ([WORDS], [audio(11.8, WHOLE), audio(14.0, WHOLE, reply=2)], "twice"),
    ],
)
def test_what_the_model_was_asked_of_a_question(
    requests: list[tuple[str, ...]], came: list[Came], words: str
):
    assert words_of(turn(*came), Asked(requests)) == words


def test_recovery_counts_from_the_fault():
    spoiled = turn(ERROR, audio(12.5, SORRY))
    again = Turn(0, BEFORE, 41.0, 42.0, 50.0, [audio(42.75, answer_to(BEFORE.words), reply=2)])

    assert recovery_of([spoiled, again], MODEL, 11.0, 60.0) == Recovery(
        told_s=0.25, heard_s=1.5, answered_s=31.75
    )


def test_a_call_that_a_fault_did_not_touch_is_only_answered():
    assert recovery_of([turn(audio(11.75, WHOLE))], MODEL, 10.5, 60.0) == Recovery(None, None, 1.25)


def test_a_call_has_recovered_from_nothing_by_the_next_fault():
    assert recovery_of([turn(audio(11.8, WHOLE))], MODEL, 10.5, 11.5) == Recovery(None, None, None)


def test_every_fault_happens_to_every_service_and_address_the_same_each_time():
    wanted = Wanted(SERVICES, KINDS, times=4, addresses=2, longest_pause_s=12.0)
    faults = planned(wanted)
    each = [(one.service, one.kind, one.address) for one in faults]

    assert {each.count(one) for one in each} == {2}
    alone = {one.service for one in faults if one.kind not in OF_ALL}
    assert alone == {"asr"}
    assert len(faults) == 4 * (len(SERVICES) * len(OF_ALL) + len(KINDS) - len(OF_ALL))
    assert all(2.0 <= one.lasts_s <= 12.0 for one in faults if one.kind == "pause")
    assert planned(wanted) == faults


def test_what_is_left_over_is_named_and_a_service_may_be_connected_once_for_each_call():
    before = Held(0, 14, 11, 1, 1, 1, 6, 11, 0)
    after = Held(0, 15, 11, 1, 5, 2, 6, 11, 2)

    assert after.more_than(before, calls=5) == {"tasks": 1, "open_streams": 2}
    assert after.more_than(before, calls=4) == {"tasks": 1, "open_streams": 2, "llm_sockets": 1}


@pytest.mark.skipif(sys.platform != "linux", reason="the benchmark is Linux's")
def test_a_reset_breaks_connections_and_leaves_the_listener():
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = server.getsockname()
        caller = socket.create_connection(address)
        accepted, _ = server.accept()

        assert reset_connections(address[1]) == 1

        with caller, accepted, pytest.raises(ConnectionResetError):
            caller.recv(1)
        socket.create_connection(address).close()
