"""Opus on the wire, from the client: agreed on, refused, and what it saves."""

import json
import os
import sys

import numpy as np
import pytest
from voice_client import speech
from voice_client.__main__ import run
from voice_client.failures import Exit
from voice_client.options import read_options
from voice_client.testing import Caller, HungUpError, Script, scripted_gateway
from voice_client.wavfile import read_wav
from voice_proto import voice_workflow_pb2 as wire
from voice_proto.opus import RATES_HZ, Decoder, Encoder, NotOpusError

CLIP = read_wav(speech.clip("en_cards_10c"))
LOUD = 1000


async def voice(script: Script, *options: str) -> Exit:
    async with scripted_gateway(script) as gateway:
        command = ["wav", "@en_cards_10c", "--fast", "--server", gateway.address, "--timeout", "60"]
        return await run(read_options([*command, *options]))


async def agree(caller: Caller, encoding: wire.AudioEncoding) -> None:
    await caller.receive()
    await caller.context.send_initial_metadata(())
    event = wire.ServerEvent(type=wire.LISTENING, audio_encoding=encoding)
    await caller.send(wire.ServerMessage(event=event))


async def packets(caller: Caller) -> list[bytes]:
    """Return the caller's chunks up to its half-close."""
    chunks: list[bytes] = []
    try:
        while True:
            chunks.append((await caller.receive()).audio_chunk)
    except HungUpError:
        return chunks


def likeness(sent: bytes, came: bytes) -> float:
    """How alike two recordings are at their best alignment: 1 for the same."""
    one, other = (np.frombuffer(pcm, "<i2").astype(float) for pcm in (sent, came))
    size = min(len(one), len(other)) - 200
    return max(float(np.corrcoef(one[:size], other[lag : lag + size])[0, 1]) for lag in range(200))


async def test_both_directions_are_packets_where_the_gateway_agrees(
    capsys: pytest.CaptureFixture[str],
):
    said: list[bytes] = []

    async def answer(caller: Caller) -> None:
        await agree(caller, wire.OPUS)
        assert caller.config.audio_encoding == wire.OPUS
        said.extend(await packets(caller))
        encoder = Encoder(16_000)
        await caller.heard("ten of clubs", final=True)
        await caller.event(wire.PROCESSING)
        for packet in [*encoder.encode(CLIP.pcm), *encoder.finish()]:
            await caller.voice(packet)
        await caller.event(wire.END_OF_TURN)

    assert await voice(answer, "--opus", "--json") is Exit.ANSWERED
    decoder = Decoder(16_000)
    arrived = b"".join(decoder.decode(packet) for packet in said)
    audio_ms = json.loads(capsys.readouterr().out)["turns"][0]["audio_ms"]
    assert likeness(CLIP.pcm, arrived) > 0.8  # without the rumble below the voice
    assert abs(audio_ms - 1000 * CLIP.seconds) < 50
    rate = sum(map(len, said)) * 8 / (len(said) * 0.02)
    print(f"{rate / 1000:.1f} kbit/s instead of 256")
    assert rate < 30_000


@pytest.mark.parametrize("encoding", [wire.PCM_S16LE, wire.AUDIO_ENCODING_UNSPECIFIED])
async def test_raw_audio_stays_where_the_gateway_knows_no_opus(
    encoding: wire.AudioEncoding, capsys: pytest.CaptureFixture[str]
):
    async def answer(caller: Caller) -> None:
        await agree(caller, encoding)
        await caller.half_close()
        assert CLIP.pcm in bytes(caller.pcm)
        await caller.heard("ten of clubs", final=True)
        await caller.answer("A card.", CLIP.pcm)

    assert await voice(answer, "--opus") is Exit.ANSWERED
    assert ", 16000 Hz, no Opus there\n" in capsys.readouterr().out


async def test_a_reply_that_is_no_packet_ends_the_call(capsys: pytest.CaptureFixture[str]):
    async def nonsense(caller: Caller) -> None:
        await agree(caller, wire.OPUS)
        await caller.event(wire.PROCESSING)
        await caller.voice(b"\xff" * 40)
        await caller.half_close()

    assert await voice(nonsense, "--opus") is Exit.CALL_BROKE
    assert "audio_chunk is no Opus packet: 40 bytes that begin with ffffffff" in (
        capsys.readouterr().err
    )


async def test_without_the_package_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setitem(__import__("sys").modules, "voice_proto.opus", None)
    assert await voice(Caller.accept, "--opus") is Exit.BAD_INPUT
    assert "--extra opus" in capsys.readouterr().err


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_every_rate_comes_back_as_long_as_it_was(rate_hz: int):
    seconds = np.arange(rate_hz) / rate_hz
    wave = (8000 * np.sin(2 * np.pi * 440 * seconds)).astype("<i2").tobytes()
    encoder, decoder = Encoder(rate_hz), Decoder(rate_hz)
    made = [packet for at in range(0, len(wave), 777) for packet in encoder.encode(wave[at:][:777])]
    made += encoder.finish()
    came = b"".join(decoder.decode(packet) for packet in made)
    assert len(wave) <= len(came) + 2 * 100 <= len(wave) + 2 * rate_hz // 20
    assert likeness(wave, came) > 0.95


def test_the_codecs_start_no_threads():
    before = threads()
    coded = [(Encoder(rate_hz), Decoder(rate_hz)) for rate_hz in RATES_HZ]
    for encoder, decoder in coded:
        assert all(decoder.decode(packet) for packet in encoder.encode(bytes(9_600)))
    assert threads() == before


def threads() -> int:
    """Threads of this process, those of libraries among them."""
    return len(os.listdir("/proc/self/task")) if sys.platform == "linux" else 0


@pytest.mark.parametrize("packet", [b"", b"\xff", b"\xff\xff" * 700, bytes(9000)])
def test_what_is_no_packet_is_refused_and_the_next_one_is_read(packet: bytes):
    encoder, decoder = Encoder(16_000), Decoder(16_000)
    good = encoder.encode(CLIP.pcm)
    with pytest.raises(NotOpusError, match=rf"^{len(packet)} bytes"):
        decoder.decode(packet)
    assert decoder.decode(good[0])
