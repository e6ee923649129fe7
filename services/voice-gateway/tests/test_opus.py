"""Opus on the wire, from the gateway: what it agrees to, what the core hears, what it refuses."""

import grpc
import pytest
from voice_gateway.latency import TurnStages
from voice_gateway.messages import CutOff, Listening, Paused, ReplyAudio, ToCaller, TurnOver
from voice_gateway.testing.fake_chat import FakeChat
from voice_gateway.testing.fake_riva import FakeRiva, Says
from voice_gateway.transports.codec import Opus
from voice_proto import voice_workflow_pb2 as pb
from voice_proto.opus import PACKET_S, Decoder, Encoder

from .conftest import Serve

QUESTION = Says("what is the weather", start_s=0.3, end_s=1.0)
OPUS = pb.VoiceConfig(sample_rate=16_000, audio_encoding=pb.OPUS)
SECOND = bytes(2 * 16_000)


def upstreams() -> tuple[FakeRiva, FakeChat]:
    return FakeRiva(says=[QUESTION], voice_first_audio_s=0.01), FakeChat(replies=["It is sunny."])


async def test_a_call_in_opus_is_the_same_call(serve: Serve):
    async with serve(*upstreams()) as gateway, gateway.dial() as line:
        await line.say(config=OPUS)
        assert (await line.until(pb.LISTENING)).audio_encoding == pb.OPUS
        for packet in Encoder(16_000).encode(2 * SECOND):
            await line.say(audio_chunk=packet)
        await line.hang_up()
        await line.rest()
        assert line.finals() == ["what is the weather"]
        assert line.events() == ["LISTENING", "PROCESSING", "SPEAKING", "END_OF_TURN"]
        pieces = [m for m in line.received if m.audio_chunk]
        decoder = Decoder(16_000)
        voiced = sum(len(decoder.decode(m.audio_chunk)) for m in pieces)
        made = sum(call.bytes_sent for call in gateway.riva.voice_calls)
        assert made <= voiced < made + 2 * 16_000 // 20
        assert [m.audio_offset_ms for m in pieces] == [20 * n for n in range(len(pieces))]
        assert sum(len(m.audio_chunk) for m in pieces) < made / 8


@pytest.mark.parametrize("asked", [pb.AUDIO_ENCODING_UNSPECIFIED, pb.PCM_S16LE, 99])
async def test_raw_audio_is_the_default_and_the_way_out(serve: Serve, asked: pb.AudioEncoding):
    async with serve(*upstreams()) as gateway, gateway.dial() as line:
        await line.say(config=pb.VoiceConfig(audio_encoding=asked))
        answer = (await line.until(pb.LISTENING)).audio_encoding
        assert answer == (pb.PCM_S16LE if asked else pb.AUDIO_ENCODING_UNSPECIFIED)
        await line.speak(2.0)
        await line.hang_up()
        await line.rest()
        assert len(line.audio()) == sum(c.bytes_sent for c in gateway.riva.voice_calls)


async def test_without_the_package_the_gateway_stays_with_raw_audio(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("voice_gateway.transports.codec.opus_is_installed", lambda: False)
    async with serve(*upstreams()) as gateway, gateway.dial() as line:
        await line.say(config=OPUS)
        assert (await line.until(pb.LISTENING)).audio_encoding == pb.PCM_S16LE


async def test_a_bad_packet_ends_its_call_with_the_field(serve: Serve):
    async with serve(*upstreams()) as gateway, gateway.dial() as line:
        await line.say(config=OPUS)
        await line.until(pb.LISTENING)
        await line.say(audio_chunk=b"")
        await line.say(audio_chunk=b"\xff" * 40)
        assert await line.refusal() == (
            grpc.StatusCode.INVALID_ARGUMENT,
            "audio_chunk is no Opus packet (40 bytes that begin with ffffffff); allowed since "
            "config.audio_encoding is OPUS: one packet of at most 8192 bytes",
        )


async def test_a_rate_that_opus_does_not_have_is_refused(serve: Serve):
    async with serve(*upstreams()) as gateway, gateway.dial() as line:
        await line.say(config=pb.VoiceConfig(sample_rate=44_100, audio_encoding=pb.OPUS))
        assert await line.refusal() == (
            grpc.StatusCode.INVALID_ARGUMENT,
            "config.sample_rate is 44100; allowed with config.audio_encoding OPUS: "
            "8000, 12000, 16000, 24000, 48000",
        )


def reply(number: int, offset_s: float, seconds: float) -> ReplyAudio:
    return ReplyAudio(number, offset_s, bytes(2 * round(16_000 * seconds)))


def sent(codec: Opus, *messages: ToCaller) -> list[tuple[int, float]]:
    """Each packet's reply and place in it."""
    parts = [part for message in messages for part in codec.encode(message)]
    return [(it.reply, round(it.offset_s, 3)) for it in parts if isinstance(it, ReplyAudio)]


def test_pieces_of_any_size_become_packets_at_their_places():
    codec = Opus(16_000)
    assert sent(codec, Listening(), reply(1, 0.0, 0.03)) == [(1, 0.0)]
    assert sent(codec, Paused(1), reply(1, 0.03, 0.03)) == [(1, 0.02), (1, 0.04)]


def test_a_finished_reply_is_sent_to_its_last_sample():
    codec = Opus(16_000)
    assert sent(codec, reply(1, 0.0, 0.05)) == [(1, 0.0), (1, 0.02)]
    over = TurnOver(1, TurnStages(None, None, None, None, None))
    parts = codec.encode(over)
    assert parts[-1] == over
    assert [part.offset_s for part in parts[:-1] if isinstance(part, ReplyAudio)] == [2 * PACKET_S]
    assert list(codec.encode(over)) == [over]


def test_of_an_interrupted_reply_nothing_follows():
    codec = Opus(16_000)
    cut = CutOff(1, 0.02, "")
    assert sent(codec, reply(1, 0.0, 0.03)) == [(1, 0.0)]
    assert list(codec.encode(cut)) == [cut]
    assert sent(codec, reply(2, 0.0, 0.02)) == [(2, 0.0)]


def test_a_gap_in_a_reply_begins_a_new_stream():
    codec = Opus(16_000)
    assert sent(codec, reply(1, 0.0, 0.03), reply(1, 1.0, 0.02)) == [
        (1, 0.0),
        (1, 0.02),
        (1, 1.0),
    ]
