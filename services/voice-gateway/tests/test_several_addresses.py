"""Services at several addresses, over the real protocols: spread, dead, paused, mute, renamed."""

import asyncio
import logging
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

import grpc
import pytest
from voice_gateway.adapters import chat, pool, riva_addresses, riva_asr, riva_link, riva_tts
from voice_gateway.adapters.riva_link import RivaConnection
from voice_gateway.adapters.riva_tts import RivaVoice
from voice_gateway.errors import TimedOut, Unavailable
from voice_gateway.observe import upstreams
from voice_gateway.testing.fake_chat import FakeChat, HttpError
from voice_gateway.testing.fake_faults import Changes, Hang, Refuse
from voice_gateway.testing.fake_riva import FakeRiva, Says
from voice_gateway.testing.line import Line
from voice_gateway.testing.wire_tap import WireTap
from voice_proto import voice_workflow_pb2 as pb

from .conftest import Gateway, Serve
from .test_http import browsing, samples, until_up

LIMIT_S = 1.0
QUICK = {
    "asr_timeout_s": LIMIT_S,
    "tts_timeout_s": LIMIT_S,
    "llm_first_token_timeout_s": LIMIT_S,
    "llm_token_timeout_s": LIMIT_S,
}
DEAD = "127.0.0.1:1"


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks follow each other at once, and wait for an answer however busy the machine is."""
    for name in ("_FIRST_RETRY_S", "_LONGEST_RETRY_S", "_UP_INTERVAL_S", "_HURRIED_S"):
        monkeypatch.setattr(upstreams, name, 0.02)
    limit_looks(monkeypatch, 10.0)


@pytest.fixture
def hasty(often: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks at what will never answer give up at once."""
    limit_looks(monkeypatch, 0.5)


def limit_looks(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    for adapter in (riva_asr, riva_tts, chat):
        monkeypatch.setattr(adapter, "_CHECK_TIMEOUT_S", seconds)


def both(*uris: str) -> str:
    return ", ".join(uris)


async def typed(line: Line, said: str) -> list[str]:
    """Type a turn; return the events up to its end."""
    before = len(line.events())
    await line.say(text_input=said)
    await line.until(pb.END_OF_TURN)
    return [name for name in line.events()[before:] if name not in ("LISTENING", "TRANSCRIPT")]


ANSWERED = ["PROCESSING", "SPEAKING", "END_OF_TURN"]


async def until_counted(gateway: Gateway, counted: str, value: float) -> None:
    async with browsing(gateway) as browser, asyncio.timeout(60):
        while (await samples(browser)).get(counted) != value:
            pass


def addresses(stage: str, address: str, state: str) -> str:
    return f"voice_upstream_addresses{{address={address},stage={stage},state={state}}}"


async def ready(gateway: Gateway) -> None:
    async with browsing(gateway) as browser:
        await until_up(browser, "asr", "tts", "llm")


class TestSpread:
    async def test_calls_are_spread_over_all_addresses(self, serve: Serve):
        async with FakeRiva() as other_riva, FakeChat() as other_chat:
            riva, model = FakeRiva(), FakeChat()
            async with riva, model:
                uris = {
                    "riva_uri": both(riva.uri, other_riva.uri),
                    "llm_base_url": both(model.base_url, other_chat.base_url),
                }
            async with serve(riva, model, **uris) as gateway:
                await ready(gateway)
                for _ in range(4):
                    async with gateway.dial() as line:
                        assert await typed(line, "hello") == ANSWERED
                        await line.speak(0.2)
                        await line.hang_up()
                        await line.rest()
            assert [len(model.requests), len(other_chat.requests)] == [2, 2]
            assert [len(riva.voice_calls), len(other_riva.voice_calls)] == [2, 2]
            assert [len(riva.asr_calls), len(other_riva.asr_calls)] == [2, 2]

    async def test_a_full_connection_is_joined_by_another(
        self, serve: Serve, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(riva_addresses, "_MOST_STREAMS", 2)
        riva = FakeRiva()
        async with riva:
            tap = WireTap(riva.uri)
        async with (
            tap,
            serve(riva, FakeChat(), riva_asr_uri=tap.uri) as gateway,
            AsyncExitStack() as calls,
        ):
            await ready(gateway)
            for number in range(5):
                line = await calls.enter_async_context(gateway.dial())
                await line.speak(0.2)
                await riva.asr_call(number)
            assert tap.accepted == 3


class TestDead:
    @pytest.mark.usefixtures("often")
    async def test_a_dead_address_beside_a_live_one_is_no_news_for_callers(self, serve: Serve):
        riva, model = FakeRiva(), FakeChat()
        async with riva, model:
            uris = {
                "riva_uri": both(DEAD, riva.uri),
                "llm_base_url": both(f"http://u:secret@{DEAD}/v1", model.base_url),
            }
        async with serve(riva, model, **uris) as gateway:
            await ready(gateway)
            for _ in range(3):
                async with gateway.dial() as line:
                    assert await typed(line, "hello") == ANSWERED
            for stage, dead in (("asr", DEAD), ("tts", DEAD), ("llm", f"http://{DEAD}/v1")):
                await until_counted(gateway, addresses(stage, dead, "down"), 1)
                await until_counted(gateway, addresses(stage, dead, "up"), 0)

    async def test_where_every_address_is_dead_the_caller_is_told_as_ever(self, serve: Serve):
        uris = {"llm_base_url": f"http://{DEAD}/v1 http://127.0.0.1:2/v1"}
        async with serve(FakeRiva(), FakeChat(), **uris) as gateway, gateway.dial() as line:
            await line.say(text_input="hello")
            error = await line.until(pb.ERROR)
            assert (error.fault.stage, error.fault.code) == ("llm", "unavailable")
            await line.until(pb.END_OF_TURN)

    @pytest.mark.usefixtures("often")
    async def test_each_address_that_comes_or_goes_is_logged_once(
        self, serve: Serve, caplog: pytest.LogCaptureFixture
    ):
        caplog.set_level(logging.INFO, "voice_gateway.adapters")
        other, riva = FakeRiva(), FakeRiva()
        async with riva:
            pass  # it has its port from now on
        async with other:
            uris = both(riva.uri, other.uri)
            async with serve(riva, FakeChat(), riva_tts_uri=uris) as gateway:
                await until_counted(gateway, addresses("tts", other.uri, "up"), 1)
                await other.down()
                await until_counted(gateway, addresses("tts", other.uri, "down"), 1)
                await other.up()
                await until_counted(gateway, addresses("tts", other.uri, "up"), 1)
        said = [r.getMessage() for r in caplog.records if f"at {other.uri} is" in r.getMessage()]
        assert [text.split(" is ")[1].split(":")[0] for text in said] == ["up", "down", "up"]


class TestHanging:
    @pytest.mark.parametrize("fault", [Hang(), Refuse(grpc.StatusCode.UNAVAILABLE, "busy")])
    async def test_a_voice_that_fails_is_left_for_the_other(self, serve: Serve, fault: object):
        other, riva = FakeRiva(), FakeRiva()
        other.voice.fault = fault  # pyright: ignore[reportAttributeAccessIssue]
        async with other, riva:
            uris = both(other.uri, riva.uri)
        async with other, serve(riva, FakeChat(), riva_tts_uri=uris, **QUICK) as gateway:
            await ready(gateway)
            async with gateway.dial() as line:
                turns = [await typed(line, f"number {n}") for n in range(4)]
            assert [turn == ANSWERED for turn in turns[1:]] == [True] * 3
            assert len(other.voice_calls) == 1

    async def test_a_recogniser_that_hangs_is_left_for_the_other(self, serve: Serve):
        other, riva = FakeRiva(asr_fault=Hang()), FakeRiva()
        async with other, riva:
            uris = both(other.uri, riva.uri)
        # Noise is no voice, and silence may go unanswered: without a detector all of it is due.
        by_words = {**QUICK, "turn_detection": "asr"}
        async with other, serve(riva, FakeChat(), riva_asr_uri=uris, **by_words) as gateway:
            await ready(gateway)
            async with gateway.dial() as line:
                await line.speak(2.5)
                await line.until(pb.ERROR)
                await line.speak(0.2)
                await riva.asr_call(0)
            async with gateway.dial() as line:
                await line.speak(0.2)
                await riva.asr_call(1)
            assert len(other.asr_calls) == 1

    @pytest.mark.parametrize("status", [503, 404])
    async def test_a_question_that_one_model_fails_is_put_to_the_other(
        self, serve: Serve, status: int
    ):
        other, model = FakeChat(fault=HttpError(status)), FakeChat(["It is sunny."])
        async with other, model:
            uris = both(other.base_url, model.base_url)
        async with other, serve(FakeRiva(), model, llm_base_url=uris) as gateway:
            await ready(gateway)
            async with gateway.dial() as line:
                for _ in range(3):
                    assert await typed(line, "what is the weather") == ANSWERED
        assert (len(other.requests), len(model.requests)) == (1, 3)


class TestMute:
    @pytest.mark.usefixtures("hasty")
    async def test_a_paused_address_gets_no_new_call_after_two_looks(self, serve: Serve):
        other, riva = FakeRiva(), FakeRiva()
        async with other, riva:
            tap = WireTap(other.uri)
        async with other, tap, serve(riva, FakeChat(), riva_uri=both(tap.uri, riva.uri)) as gateway:
            await ready(gateway)
            tap.pause()
            for stage in ("asr", "tts"):
                await until_counted(gateway, addresses(stage, tap.uri, "down"), 1)
            async with gateway.dial() as line:
                for _ in range(3):
                    assert await typed(line, "hello") == ANSWERED
            tap.resume()
            for stage in ("asr", "tts"):
                await until_counted(gateway, addresses(stage, tap.uri, "up"), 1)

    @pytest.mark.usefixtures("hasty")
    @pytest.mark.parametrize("stage", ["tts", "llm"])
    async def test_a_stream_leaves_an_address_that_is_silent(
        self, serve: Serve, monkeypatch: pytest.MonkeyPatch, stage: str
    ):
        """Nobody waits for as long as a working service may take."""
        monkeypatch.setattr(pool, "_UNANSWERED_S", 0.3)
        monkeypatch.setattr(pool, "_SILENT_S", 0.3)
        other_riva, riva, other_model, model = FakeRiva(), FakeRiva(), FakeChat(), FakeChat()
        async with other_riva, riva, other_model, model:
            hosts = {"tts": other_riva.uri, "llm": other_model.base_url.split("/")[2]}
            tap = WireTap(hosts[stage])
        async with other_riva, other_model, tap:
            both_of = {
                "tts": {"riva_tts_uri": both(tap.uri, riva.uri)},
                "llm": {"llm_base_url": both(f"http://{tap.uri}/v1", model.base_url)},
            }
            slow = {"tts_timeout_s": 50, "llm_first_token_timeout_s": 50}
            async with serve(riva, model, **both_of[stage], **slow) as gateway:
                await ready(gateway)
                async with gateway.dial() as line, asyncio.timeout(30):
                    tap.pause()
                    for _ in range(2):
                        assert await typed(line, "hello") == ANSWERED

    @pytest.mark.usefixtures("hasty")
    async def test_a_sentence_goes_on_elsewhere_where_its_recogniser_is_silent(
        self, serve: Serve, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(pool, "_UNANSWERED_S", 0.3)
        monkeypatch.setattr(pool, "_SILENT_S", 0.3)
        says = [Says("what is the weather", 0.3, 1.0)]
        other, riva = FakeRiva(says), FakeRiva(says)
        async with other, riva:
            tap = WireTap(other.uri)
        async with other, tap:
            rules = {"asr_timeout_s": 50, "turn_detection": "asr"}
            uris = both(tap.uri, riva.uri)
            async with serve(riva, FakeChat(), riva_asr_uri=uris, **rules) as gateway:
                await ready(gateway)
                async with gateway.dial() as line, asyncio.timeout(30):
                    await line.speak(0.6)
                    first = await other.asr_call(0)
                    await first.until(lambda call: bool(call.interims))
                    tap.pause()
                    await line.speak(2.4)
                    error = await line.until(pb.ERROR)
                    assert (error.fault.stage, error.fault.code) == ("asr", "timed_out")
                    await line.until(pb.END_OF_TURN)
                    await line.hang_up()
                    await line.rest()
                    assert line.finals() == ["what is the weather"]

    @pytest.mark.usefixtures("often")
    async def test_a_stream_waits_for_an_address_that_is_slow(
        self, serve: Serve, monkeypatch: pytest.MonkeyPatch
    ):
        """It answers looks: to ask elsewhere would only be more work."""
        monkeypatch.setattr(pool, "_UNANSWERED_S", 0.1)
        monkeypatch.setattr(pool, "_SILENT_S", 0.1)
        other, model = FakeChat(first_token_s=2.0), FakeChat(first_token_s=2.0)
        async with other, model:
            urls = both(other.base_url, model.base_url)
        async with other, serve(FakeRiva(), model, llm_base_url=urls) as gateway:
            await ready(gateway)
            async with gateway.dial() as line:
                assert await typed(line, "hello") == ANSWERED
            assert len(other.requests) + len(model.requests) == 1

    async def test_a_connection_that_went_mute_is_dialled_anew(self):
        riva = FakeRiva()
        async with riva, WireTap(riva.uri) as tap:
            voice = RivaVoice(RivaConnection("tts", tap.uri), timeout_s=LIMIT_S)
            assert "voices" in await voice.check()
            tap.mute_connections()
            heard = [await spoken(voice) for _ in range(3)]
            assert [bool(audio) for audio in heard] == [False, False, True]
            await voice.check()
            await tap.until_open(1)
            await voice.close()

    @pytest.mark.usefixtures("hasty")
    async def test_looks_alone_dial_a_mute_connection_anew(self):
        riva = FakeRiva()
        async with riva, WireTap(riva.uri) as tap:
            voice = RivaVoice(RivaConnection("tts", tap.uri), timeout_s=LIMIT_S)
            await voice.check()
            tap.mute_connections()
            said = [await voice.check(), await looked(voice), await looked(voice)]
            assert said == ["voices Scripted", "", "voices Scripted"]
            await voice.close()

    @pytest.mark.usefixtures("hasty")
    async def test_a_process_that_is_stopped_is_left_and_found_again(self, serve: Serve):
        riva, model = FakeRiva(), FakeChat()
        async with riva, model, process() as (child, its_riva, its_chat):
            uris = {
                "riva_uri": both(its_riva, riva.uri),
                "llm_base_url": both(its_chat, model.base_url),
            }
            await riva.down()
            await model.down()
            async with serve(riva, model, **uris, **QUICK) as gateway:
                for stage, uri in (("asr", its_riva), ("tts", its_riva), ("llm", its_chat)):
                    await until_counted(gateway, addresses(stage, uri, "up"), 1)
                child.send_signal(signal.SIGSTOP)
                for stage, uri in (("asr", its_riva), ("tts", its_riva), ("llm", its_chat)):
                    await until_counted(gateway, addresses(stage, uri, "down"), 1)
                for _ in range(3):
                    async with gateway.dial() as line:
                        assert await typed(line, "hello") == ANSWERED
                child.send_signal(signal.SIGCONT)
                for stage, uri in (("asr", its_riva), ("tts", its_riva), ("llm", its_chat)):
                    await until_counted(gateway, addresses(stage, uri, "up"), 1)


class TestPings:
    async def test_a_connection_that_went_mute_is_noticed_by_its_pings(
        self, monkeypatch: pytest.MonkeyPatch
    ):
        """RIVA_KEEPALIVE_S: nothing else would end this stream for a minute."""
        monkeypatch.setattr(riva_link, "_PONG_MS", 300)
        riva = FakeRiva(voice_first_audio_s=60.0)
        async with riva, WireTap(riva.uri) as tap:
            connection = RivaConnection("tts", tap.uri, keepalive_s=0.2)
            voice = RivaVoice(connection, timeout_s=60.0)
            async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
                speaking = tasks.create_task(_unavailable(voice))
                await riva.voice_call(0)
                tap.mute_connections()
            assert "ping" in speaking.result()
            await voice.close()


class TestNames:
    async def test_a_name_stands_for_all_its_addresses(self, serve: Serve):
        riva = FakeRiva()
        async with riva:
            name = f"dns:///localhost:{riva.uri.rpartition(':')[2]}"
        async with serve(riva, FakeChat(), riva_uri=name) as gateway:
            await ready(gateway)
            async with gateway.dial() as line:
                for _ in range(3):
                    assert await typed(line, "hello") == ANSWERED

    async def test_a_name_that_is_unknown_is_down_and_does_not_end_anything(
        self, serve: Serve, caplog: pytest.LogCaptureFixture
    ):
        riva = FakeRiva()
        uris = {"riva_tts_uri": "dns:///nowhere.invalid:50051"}
        async with serve(riva, FakeChat(), **uris) as gateway:
            await until_counted(gateway, "voice_upstream_up{stage=tts}", 0)
            async with gateway.dial() as line:
                await line.say(text_input="hello")
                error = await line.until(pb.ERROR)
                assert error.fault.stage == "tts"
        assert "dns:///nowhere.invalid:50051 cannot be resolved" in caplog.text

    @pytest.mark.usefixtures("often")
    async def test_a_record_that_vanishes_keeps_its_calls_and_gets_no_new_ones(
        self, serve: Serve, monkeypatch: pytest.MonkeyPatch
    ):
        old, riva = FakeRiva(), FakeRiva()
        async with riva:
            pass  # it has its port from now on
        async with old, WireTap(old.uri) as tap:
            records, asked = [tap.uri], Changes()
            found: list[str] = []

            async def resolved(name: str) -> tuple[str, ...]:
                found.extend(records)
                asked.notify()
                return tuple(records)

            monkeypatch.setattr(riva_addresses, "_addresses_of", resolved)
            async with serve(riva, FakeChat(), riva_asr_uri="dns:///riva:1") as gateway:
                await ready(gateway)
                async with gateway.dial() as line, gateway.dial() as later:
                    await line.speak(0.2)
                    first = await old.asr_call(0)
                    records[:] = [riva.uri]
                    # Once it is asked for again, what came before was looked at.
                    await asked.until(lambda: found.count(riva.uri) > 1)
                    await later.speak(0.2)
                    await riva.asr_call(0)
                    await line.speak(1.0)
                    await first.until(lambda call: call.audio_s >= 1.2)
                    assert len(old.asr_calls) == 1
                await tap.until_open(0)


async def spoken(voice: RivaVoice) -> bytes:
    """What the voice says; nothing where it fails."""
    try:
        speech = voice.speak("hello", language="en-US", voice="", rate_hz=16_000)
        return b"".join([chunk.pcm async for chunk in speech])
    except TimedOut:
        return b""


async def looked(voice: RivaVoice) -> str:
    """What a look says; nothing where it fails."""
    try:
        return await voice.check()
    except TimedOut:
        return ""


_CHILD = """
import asyncio
from voice_gateway.testing.fake_chat import FakeChat
from voice_gateway.testing.fake_riva import FakeRiva
async def serve():
    async with FakeRiva() as riva, FakeChat() as chat:
        print(riva.uri, chat.base_url, flush=True)
        await asyncio.Event().wait()
asyncio.run(serve())
"""


@asynccontextmanager
async def process() -> AsyncGenerator[tuple[asyncio.subprocess.Process, str, str]]:
    """A process of its own with a scripted Riva and a scripted model."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _CHILD, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert child.stdout
        riva, model = (await child.stdout.readline()).decode().split()
        yield child, riva, model
    finally:
        child.kill()
        await child.wait()


async def _unavailable(voice: RivaVoice) -> str:
    """What the voice's fault says, which is none of its own."""
    with pytest.raises(Unavailable) as fault:
        await spoken(voice)
    return fault.value.text
