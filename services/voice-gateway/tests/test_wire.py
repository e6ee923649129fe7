"""The contract's messages to and from ours; field by field, without a server."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from voice_gateway.errors import BadMessage, TimedOut
from voice_gateway.latency import TurnStages
from voice_gateway.messages import (
    Audio,
    CutOff,
    EndOfUtterance,
    Failed,
    Interrupt,
    Listening,
    Moving,
    Played,
    Processing,
    ReplyAudio,
    ReplyText,
    Speaking,
    Transcript,
    TurnOver,
    Typed,
    Word,
)
from voice_gateway.transports.wire import (
    Defaults,
    from_client,
    resumed,
    resync,
    to_config,
    to_server,
)
from voice_proto import voice_workflow_pb2 as pb

DEFAULTS = Defaults("en-US", 16_000, "Ann", "Be kind.")


def test_an_empty_config_means_the_defaults():
    config = to_config(pb.VoiceConfig(), DEFAULTS)
    assert (config.language, config.rate_hz) == ("en-US", 16_000)
    assert (config.voice, config.system_prompt) == ("Ann", "Be kind.")
    assert config.call_id


def test_a_callers_name_for_its_call_cannot_forge_a_log_line():
    assert to_config(pb.VoiceConfig(session_id="a\nb"), DEFAULTS).call_id == "ab"


@pytest.mark.parametrize(
    ("said", "line_echo"),
    [
        (pb.LINE_ECHO_UNSPECIFIED, "loudspeaker"),
        (pb.NO_ECHO, "none"),
        (pb.ECHO_CANCELLED, "cancelled"),
        (pb.LOUDSPEAKER, "loudspeaker"),
        (pb.PHONE, "phone"),
    ],
)
def test_what_a_client_says_of_its_line_goes_before_what_the_server_supposes(
    said: "pb.LineEcho", line_echo: str
):
    supposed = replace(DEFAULTS, line_echo="loudspeaker")
    assert to_config(pb.VoiceConfig(line_echo=said), supposed).line_echo == line_echo


def test_a_line_of_a_newer_contract_counts_as_not_said():
    config = pb.VoiceConfig.FromString(b"\x48\x63")  # field 9 is 99
    assert to_config(config, DEFAULTS).line_echo == "auto"


def test_each_message_of_the_caller():
    progress = pb.PlaybackProgress(reply_id=3, played_ms=250)
    assert from_client(pb.ClientMessage(audio_chunk=b"ab")) == Audio(b"ab")
    assert from_client(pb.ClientMessage(text_input=" hi ")) == Typed("hi")
    assert from_client(pb.ClientMessage(interrupt=pb.Interrupt())) == Interrupt()
    assert from_client(pb.ClientMessage(end_of_utterance=pb.EndOfUtterance())) == EndOfUtterance()
    assert from_client(pb.ClientMessage(playback=progress)) == Played(3, 0.25)


def test_empty_messages_are_nothing():
    assert from_client(pb.ClientMessage(audio_chunk=b"")) is None
    assert from_client(pb.ClientMessage(text_input="  \n")) is None
    assert from_client(pb.ClientMessage()) is None


def test_a_message_of_a_newer_contract_is_nothing():
    unknown = pb.ClientMessage.FromString(b"\xa2\x06\x02hi")  # field 100
    assert from_client(unknown) is None


@given(st.binary(max_size=200))
def test_garbage_that_parses_is_a_message_or_refused(raw: bytes):
    try:
        message = pb.ClientMessage.FromString(raw)
    except Exception:  # noqa: BLE001  # gRPC refuses it before it reaches us
        return
    try:
        from_client(message)
    except BadMessage as error:
        assert "allowed" in str(error)  # noqa: PT017


def test_audio_and_text_of_a_reply():
    audio = to_server(ReplyAudio(2, 0.35, b"abcd"), 7)
    assert audio == pb.ServerMessage(
        audio_chunk=b"abcd", reply_id=2, audio_offset_ms=350, sequence=7
    )
    text = to_server(ReplyText(2, "Hello"), 8)
    assert text == pb.ServerMessage(llm_response_chunk="Hello", reply_id=2, sequence=8)


def test_a_transcript_with_its_words():
    message = to_server(Transcript("hi", True, 0.0, (Word("hi", 0.1, 0.4),)), 1)
    assert message.transcript_chunk == "hi"
    assert message.transcript.is_final
    assert message.transcript.words[0] == pb.Word(word="hi", start_ms=100, end_ms=400)


@pytest.mark.parametrize(
    ("notice", "event"),
    [
        (Listening(), pb.LISTENING),
        (Processing(1), pb.PROCESSING),
        (Speaking(1), pb.SPEAKING),
        (CutOff(1, 1.5, "Once"), pb.LISTENING),
        (Failed(TimedOut("tts", "late"), 1), pb.ERROR),
        (TurnOver(1, TurnStages(None, None, None, None, None)), pb.END_OF_TURN),
    ],
)
def test_every_notice_is_an_event_that_the_first_version_knows(
    notice: Listening | Processing | Speaking | CutOff | Failed | TurnOver, event: int
):
    message = to_server(notice, 1)
    assert message.WhichOneof("content") == "event"
    assert message.event.type == event
    assert message.event.message


def test_an_error_says_whose_and_whether_to_try_again():
    event = to_server(Failed(TimedOut("tts", "late"), 4), 1).event
    assert event.message == "The voice did not answer in time."
    assert event.fault == pb.Fault(stage="tts", code="timed_out", retryable=True)


def test_the_end_of_a_turn_says_what_ended_the_answer_early():
    stages = TurnStages(None, None, None, None, None)
    assert to_server(TurnOver(1, stages), 1).event.incomplete == ""
    cut = to_server(TurnOver(1, stages, incomplete="content_filter"), 1).event
    assert (cut.type, cut.incomplete) == (pb.END_OF_TURN, "content_filter")


def test_a_stage_that_did_not_happen_is_absent():
    stages = TurnStages(None, 0.1, None, 0.0, 0.25)
    latency = to_server(TurnOver(1, stages), 1).event.latency
    assert not latency.HasField("endpoint_ms")
    assert (latency.model_ms, latency.voice_ms, latency.total_ms) == (100, 0, 250)
    assert latency.HasField("voice_ms")


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        (
            pb.VoiceConfig(resume_token="x" * 129),
            "config.resume_token has 129 characters; allowed: at most 128",
        ),
        (
            pb.VoiceConfig(turn_under_way="x" * 4001),
            "config.turn_under_way has 4001 characters; allowed: at most 4000",
        ),
    ],
)
def test_what_a_client_resumes_with_is_bounded(config: pb.VoiceConfig, complaint: str):
    with pytest.raises(BadMessage) as refused:
        to_config(config, DEFAULTS)
    assert str(refused.value) == complaint


def test_a_call_that_goes_on_elsewhere_is_told_so():
    assert to_server(Moving(), 3).event.type == pb.MOVE
    told = resumed("t2", 30.0, 41).event
    assert told.type == pb.RESUMED
    assert told.resumption == pb.Resumption(token="t2", window_ms=30_000, taken_messages=41)
    assert resync().event.type == pb.RESYNC
