"""The gateway's HTTP port: the page, the probes and the metrics of real calls."""

import asyncio
import json
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families
from voice_gateway.observe.metrics import Metrics
from voice_gateway.testing.fake_chat import FakeChat
from voice_gateway.testing.fake_riva import FakeRiva
from voice_proto import voice_workflow_pb2 as pb

CONFIG = pb.VoiceConfig(language_code="en-US", sample_rate=16_000)


@asynccontextmanager
async def browsing(gateway: Any, key: str = "") -> AsyncGenerator[aiohttp.ClientSession]:
    url, headers = f"http://127.0.0.1:{gateway.http_port}", {"Authorization": f"Bearer {key}"}
    async with aiohttp.ClientSession(url, headers=headers if key else None) as browser:
        yield browser


async def samples(browser: aiohttp.ClientSession) -> dict[str, float]:
    """The gateway's metrics, as `name{label=value}`."""
    async with browser.get("/metrics") as answer:
        assert answer.content_type == "text/plain"
        families = text_string_to_metric_families(await answer.text())
    return {_key(sample): sample.value for family in families for sample in family.samples}


def _key(sample: Any) -> str:
    labels = ",".join(f"{name}={value}" for name, value in sample.labels.items())
    return f"{sample.name}{{{labels}}}" if labels else sample.name


async def until_up(browser: aiohttp.ClientSession, *stages: str) -> None:
    """Wait until these upstreams were found to answer."""
    async with asyncio.timeout(60):
        while True:
            async with browser.get("/readyz") as answer:
                upstreams = (await answer.json())["upstreams"]
            if all(upstreams[stage] for stage in stages):
                return


async def test_it_is_alive_from_the_start_and_ready_when_the_upstreams_answer(serve: Any):
    async with serve(FakeRiva(), FakeChat()) as gateway, browsing(gateway) as browser:
        async with browser.get("/healthz") as answer:
            assert (answer.status, await answer.text()) == (200, "alive\n")
        await until_up(browser, "asr", "tts", "llm")
        async with browser.get("/readyz") as answer:
            assert await answer.json() == {
                "ready": True,
                "stopping": False,
                "upstreams": {"asr": True, "tts": True, "llm": True},
            }


async def test_without_an_upstream_it_is_alive_and_not_ready(serve: Any):
    nowhere = {"llm_base_url": "http://127.0.0.1:1/v1"}
    async with serve(FakeRiva(), FakeChat(), **nowhere) as gateway, browsing(gateway) as browser:
        await until_up(browser, "asr", "tts")
        async with browser.get("/readyz") as answer:
            assert answer.status == 503
            assert (await answer.json())["upstreams"]["llm"] is False
        async with browser.get("/healthz") as answer:
            assert answer.status == 200


async def test_while_it_stops_it_is_not_ready_and_still_answers(serve: Any):
    chat = FakeChat(["One two three four five six seven eight."], token_s=0.1)
    async with serve(FakeRiva(), chat, drain_s=60.0) as gateway, browsing(gateway) as browser:
        await until_up(browser, "asr", "tts", "llm")
        async with gateway.dial() as line:
            await line.say(config=CONFIG)
            await line.say(text_input="count")
            await line.until(pb.PROCESSING)
            gateway.stop.set()
            await line.until(pb.SPEAKING)
            async with browser.get("/readyz") as answer:
                assert answer.status == 503
                assert (await answer.json())["stopping"] is True


async def test_the_page_comes_with_headers_that_keep_it_to_itself(serve: Any):
    async with serve(FakeRiva(), FakeChat()) as gateway, browsing(gateway) as browser:
        async with browser.get("/") as answer:
            assert answer.status == 200
            assert answer.content_type == "text/html"
            assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["Permissions-Policy"].startswith("microphone=(self)")
            assert answer.headers["Cache-Control"] == "no-cache"
            tag = answer.headers["ETag"]
        async with browser.get("/", headers={"If-None-Match": tag}) as answer:
            assert answer.status == 304


@pytest.mark.parametrize("path", ["/../http.py", "/%2e%2e/http.py", "/nothing.js", "/realtime/"])
async def test_nothing_but_the_page_is_served(serve: Any, path: str):
    async with (
        serve(FakeRiva(), FakeChat()) as gateway,
        browsing(gateway) as browser,
        browser.get(path) as answer,
    ):
        assert answer.status in (403, 404)
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_a_call_is_counted(serve: Any):
    async with (
        serve(FakeRiva(), FakeChat(["It is sunny."])) as gateway,
        browsing(gateway) as browser,
    ):
        async with gateway.dial() as line:
            await line.say(config=CONFIG)
            await line.say(text_input="what is the weather")
            await line.until(pb.END_OF_TURN)
            running = await samples(browser)
            assert running["voice_calls_active{front=grpc}"] == 1
            await line.speak(1.0)
            await line.hang_up()
            await line.rest()
        counted = await samples(browser)
    assert counted["voice_calls_active{front=grpc}"] == 0
    assert counted["voice_calls_total{front=grpc,outcome=completed}"] == 1
    assert counted["voice_turns_total{front=grpc}"] == 1
    assert counted["voice_audio_seconds_total{direction=in}"] == pytest.approx(1.0)
    assert counted["voice_audio_seconds_total{direction=out}"] > 0.5
    for stage in ("model", "clause", "voice", "total"):
        assert counted[f"voice_turn_stage_seconds_count{{stage={stage}}}"] == 1
    assert counted["voice_event_loop_lag_seconds_count"] > 0
    assert counted["process_resident_memory_bytes"] > 1e6


async def test_refusals_bad_messages_and_interruptions_are_counted(serve: Any):
    chat = FakeChat(["A long story. " * 20], token_s=0.02)
    async with serve(FakeRiva(), chat, max_calls=1) as gateway, browsing(gateway) as browser:
        async with gateway.dial() as line:
            await line.say(config=CONFIG)
            await line.say(text_input="tell me a story")
            await line.until(pb.SPEAKING)
            async with gateway.dial() as second:
                await second.say(config=CONFIG)
                await second.refusal()
            await line.say(interrupt=pb.Interrupt())
            await line.until(pb.LISTENING)
            await line.say(text_input="x" * 4001)
            await line.refusal()
        counted = await samples(browser)
    assert counted["voice_calls_total{front=grpc,outcome=full}"] == 1
    assert counted["voice_calls_total{front=grpc,outcome=bad_message}"] == 1
    assert counted["voice_interruptions_total{front=grpc}"] == 1


async def test_a_plain_request_learns_that_the_gateway_is_full_and_until_when(serve: Any):
    async with serve(FakeRiva(), FakeChat(), max_calls=1) as gateway, browsing(gateway) as browser:
        async with browser.get("/v1/realtime") as answer:
            assert answer.status == 426
        async with gateway.dial() as line:
            await line.say(config=CONFIG)
            await line.until(pb.LISTENING)
            async with browser.get("/v1/realtime") as answer:
                assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
                assert (await answer.json())["error"]["code"] == "gateway_full"


async def test_headroom_is_measured(serve: Any):
    async with (
        serve(FakeRiva(), FakeChat(), max_calls=4) as gateway,
        browsing(gateway) as browser,
        gateway.dial() as line,
    ):
        await line.say(config=CONFIG)
        await line.until(pb.LISTENING)
        async with asyncio.timeout(30):
            while (shown := await samples(browser))["voice_gateway_headroom"] > 0.75:
                pass
        assert shown["voice_gateway_load"] == pytest.approx(1 - shown["voice_gateway_headroom"])


def test_words_that_nothing_answers_are_counted_by_why():
    counted = Metrics()
    counted.began("grpc").words_dropped("backchannel")
    page, _ = counted.exposition("")
    assert b'voice_gateway_words_dropped_total{reason="backchannel"} 1.0' in page
    assert b'voice_gateway_words_dropped_total{reason="echo"} 0.0' in page


async def test_a_failing_upstream_is_counted(serve: Any):
    nowhere = {"llm_base_url": "http://127.0.0.1:1/v1"}
    async with serve(FakeRiva(), FakeChat(), **nowhere) as gateway, browsing(gateway) as browser:
        async with gateway.dial() as line:
            await line.say(config=CONFIG)
            await line.say(text_input="hello")
            await line.until(pb.ERROR)
        counted = await samples(browser)
    assert counted["voice_upstream_errors_total{code=unavailable,stage=llm}"] == 1
    assert counted["voice_upstream_up{stage=llm}"] == 0


async def test_openmetrics_is_spoken_where_it_is_asked_for(serve: Any):
    wanted = {"Accept": "application/openmetrics-text; version=1.0.0"}
    async with (
        serve(FakeRiva(), FakeChat()) as gateway,
        browsing(gateway) as browser,
        browser.get("/metrics", headers=wanted) as answer,
    ):
        assert answer.content_type == "application/openmetrics-text"
        assert (await answer.text()).endswith("# EOF\n")


async def test_a_page_is_told_what_its_caller_can_choose(serve: Any):
    riva = FakeRiva(languages=["en-US", "de-DE"], voices=["Ann", "Bob"])
    async with (
        serve(riva, FakeChat(), asr_language="de-DE", api_keys="k") as gateway,
        browsing(gateway, "k") as browser,
    ):
        await until_up(browser, "asr", "tts")
        async with browser.get("/choices") as answer:
            said = await answer.json()
    assert said["languages"] == ["de-DE", "en-US"]
    assert [name.rpartition(".")[2] for name in said["voices"]["de-DE"]] == ["Ann", "Bob"]
    assert (said["language"], said["voice"], said["needs_key"]) == ("de-DE", "", True)
    assert "asr" not in said["down"]


async def test_before_riva_answers_there_is_nothing_to_choose_but_the_default(serve: Any):
    nowhere = {"riva_uri": "127.0.0.1:1"}
    said: dict[str, Any] = {"down": []}
    async with serve(FakeRiva(), FakeChat(), **nowhere) as gateway, browsing(gateway) as browser:
        while not {"asr", "tts"} <= set(said["down"]):  # they are still being looked at
            async with browser.get("/choices") as answer:
                said = await answer.json()
    assert (said["languages"], said["voices"], said["language"]) == ([], {}, "en-US")


async def test_an_apis_client_is_told_in_its_own_form(serve: Any):
    async with serve(FakeRiva(), FakeChat()) as gateway, browsing(gateway) as browser:
        async with browser.get("/v1/models") as answer:
            listed = await answer.json()
        assert [model["id"] for model in listed["data"]] == ["meta/llama-3.1-8b-instruct"]
        for method, path in [("POST", "/v1/audio/speech"), ("GET", "/v1/files")]:
            async with browser.request(method, path) as answer:
                error = (await answer.json())["error"]
            assert (answer.status, error["code"]) == (404, "unknown_url")
            assert f"{method} {path}" in error["message"]
        for path in ("/no-such-page", "/fonts", "/no/such.js", "/realtime"):
            async with browser.get(path) as answer:
                error = (await answer.json())["error"]
            assert (answer.status, error["code"], error["param"]) == (404, "unknown_url", None)
        for method, path in [("POST", "/choices"), ("DELETE", "/"), ("PUT", "/app.js")]:
            async with browser.request(method, path) as answer:
                error = (await answer.json())["error"]
            assert (answer.status, error["code"]) == (405, "method_not_allowed")
            assert "GET" in answer.headers["Allow"]
            assert f"{method} {path}" in error["message"]


@pytest.mark.parametrize(
    "sent",
    [
        b"gET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nA b: c\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    ],
)
async def test_what_is_no_request_is_answered_without_a_word_of_the_insides(
    serve: Any, sent: bytes, caplog: pytest.LogCaptureFixture
):
    async with serve(FakeRiva(), FakeChat()) as gateway:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.http_port)
        writer.write(sent)
        head, _, body = (await reader.read()).decode().partition("\r\n\r\n")
        writer.close()
    assert " 400 " in head.splitlines()[0]
    assert "Server: voice-gateway" in head.splitlines()
    assert json.loads(body)["error"]["message"] == "This is no HTTP request."
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_no_answer_tells_what_the_gateway_is_made_of(serve: Any):
    async with serve(FakeRiva(), FakeChat()) as gateway, browsing(gateway) as browser:
        for path in ("/", "/healthz", "/v1/nothing", "/nothing"):
            async with browser.get(path) as answer:
                assert answer.headers["Server"] == "voice-gateway"
