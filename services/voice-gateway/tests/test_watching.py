"""Watching never ends serving: whatever a check, a metric, a log or a store raises, calls go on."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NoReturn

import pytest
from voice_gateway import wiring
from voice_gateway.adapters import addresses
from voice_gateway.adapters.chat_addresses import ChatAddresses
from voice_gateway.adapters.local_memory import LocalMemories
from voice_gateway.adapters.riva_asr import RivaRecogniser
from voice_gateway.conversation import Command, Event
from voice_gateway.hearing.end_of_turn import TurnEnds
from voice_gateway.messages import CallConfig
from voice_gateway.observe import upstreams
from voice_gateway.observe.metrics import Metrics, OneCall
from voice_gateway.observe.recording import Recorder
from voice_gateway.observe.upstreams import Upstream, UpstreamWatch, kept_up
from voice_gateway.ports import CallRecord
from voice_gateway.server import GatewayServer
from voice_gateway.testing import virtual_time
from voice_gateway.testing.fake_chat import FakeChat
from voice_gateway.testing.fake_riva import FakeRiva
from voice_gateway.testing.line import Line
from voice_proto import voice_workflow_pb2 as pb

from .conftest import Gateway, Serve
from .test_http import browsing, until_up

PAGES = ["<html>Down for maintenance</html>", "{", "[]", "null", '{"data": [{}]}', '{"data": 7}']


def breaks(*given: Any, **named: Any) -> NoReturn:
    raise KeyError("a bug")


async def breaks_later(*given: Any, **named: Any) -> NoReturn:
    breaks()


async def told(line: Line, said: str) -> None:
    """The caller types, and is answered."""
    await line.say(text_input=said)
    await line.until(pb.END_OF_TURN)
    assert line.events()[-3:] == ["PROCESSING", "SPEAKING", "END_OF_TURN"]


async def until_down(gateway: Gateway, stage: str) -> None:
    async with browsing(gateway) as browser, asyncio.timeout(60):
        while True:
            async with browser.get("/readyz") as answer:
                if not (await answer.json())["upstreams"][stage]:
                    return


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Checks come a hundred times a second, and no call outweighs them."""
    monkeypatch.setattr(addresses, "_FRESH_S", 0.0)
    for name in ("_FIRST_RETRY_S", "_LONGEST_RETRY_S", "_UP_INTERVAL_S", "_HURRIED_S"):
        monkeypatch.setattr(upstreams, name, 0.01)


class TestBesideACall:
    """One call over real gRPC, before, while and after something beside it breaks."""

    @pytest.mark.usefixtures("often")
    @pytest.mark.parametrize("page", PAGES)
    async def test_a_page_where_the_model_list_belongs(self, serve: Serve, page: str):
        chat = FakeChat()
        async with serve(FakeRiva(), chat) as gateway, gateway.dial() as line:
            await line.say(config=pb.VoiceConfig())
            await told(line, "hello")
            chat.models_page = page
            await until_down(gateway, "llm")
            await told(line, "still there?")
            chat.models_page = None
            async with browsing(gateway) as browser:
                await until_up(browser, "llm")

    @pytest.mark.usefixtures("often")
    @pytest.mark.parametrize("adapter", [ChatAddresses, RivaRecogniser])
    async def test_a_check_that_breaks(
        self, serve: Serve, adapter: type[Upstream], monkeypatch: pytest.MonkeyPatch
    ):
        stage = "llm" if adapter is ChatAddresses else "asr"
        async with serve(FakeRiva(), FakeChat()) as gateway, gateway.dial() as line:
            async with browsing(gateway) as browser:
                await until_up(browser, stage)
            monkeypatch.setattr(adapter, "check", breaks_later)
            await until_down(gateway, stage)
            await told(line, "hello")

    @pytest.mark.usefixtures("often")
    async def test_a_gauge_that_breaks_when_an_upstream_goes(
        self, serve: Serve, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(Metrics, "upstream", breaks)
        chat = FakeChat()
        async with serve(FakeRiva(), chat) as gateway, gateway.dial() as line:
            async with browsing(gateway) as browser:
                await until_up(browser, "llm", "asr", "tts")
            chat.models_page = "<html>"
            await until_down(gateway, "llm")
            await told(line, "hello")

    async def test_health_that_cannot_be_set(self, serve: Serve, monkeypatch: pytest.MonkeyPatch):
        async with serve(FakeRiva(), FakeChat()) as gateway, gateway.dial() as line:
            monkeypatch.setattr(GatewayServer, "_set_health", breaks_later)
            async with browsing(gateway) as browser:
                await until_up(browser, "llm", "asr", "tts")
            await told(line, "hello")

    async def test_a_lag_that_cannot_be_measured(
        self, serve: Serve, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(Metrics, "watch_loop", breaks_later)
        async with serve(FakeRiva(), FakeChat()) as gateway, gateway.dial() as line:
            await told(line, "hello")

    @pytest.mark.parametrize("metric", ["took_in", "gave_out", "answered", "interrupted", "failed"])
    async def test_a_metric_of_a_call(
        self, serve: Serve, metric: str, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(OneCall, metric, breaks)
        async with serve(FakeRiva(), FakeChat()) as gateway, gateway.dial() as line:
            await line.speak(0.2)
            await told(line, "hello")

    @pytest.mark.parametrize("metric", ["began", "ended", "refused"])
    async def test_a_metric_of_all_calls(
        self, serve: Serve, metric: str, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(Metrics, metric, breaks)
        async with serve(FakeRiva(), FakeChat()) as gateway, gateway.dial() as line:
            await told(line, "hello")
            await line.hang_up()
            await line.rest()

    async def test_an_event_log_that_cannot_begin(
        self, serve: Serve, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(Recorder, "begin", breaks)
        async with (
            serve(FakeRiva(), FakeChat(), record_events_dir=tmp_path) as gateway,
            gateway.dial() as line,
        ):
            await told(line, "hello")

    async def test_an_event_log_that_breaks(
        self, serve: Serve, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(Recorder, "begin", begins_a_broken_one)
        async with (
            serve(FakeRiva(), FakeChat(), record_events_dir=tmp_path) as gateway,
            gateway.dial() as line,
        ):
            await told(line, "hello")
            await line.hang_up()
            await line.rest()

    async def test_a_store_that_does_not_open(self, serve: Serve, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(LocalMemories, "open", breaks)
        async with serve(FakeRiva(), FakeChat()) as gateway, gateway.dial() as line:
            await line.say(config=pb.VoiceConfig(conversation_id="c" * 32))
            error = await line.until(pb.ERROR)
            assert (error.fault.stage, error.fault.code) == ("memory", "unavailable")
            await told(line, "hello")

    @pytest.mark.parametrize(
        ("path", "owner", "name"),
        [
            ("/metrics", Metrics, "exposition"),
            ("/choices", wiring, "page_options"),
            ("/readyz", GatewayServer, "_readiness"),
        ],
    )
    async def test_a_page_that_breaks(
        self, serve: Serve, path: str, owner: Any, name: str, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(owner, name, breaks)
        async with serve(FakeRiva(), FakeChat()) as gateway, gateway.dial() as line:
            async with browsing(gateway) as browser, browser.get(path) as answer:
                assert answer.status == 500
            await told(line, "hello")


def begins_a_broken_one(recorder: Recorder, config: CallConfig) -> CallRecord:
    return Broken()


class Broken(CallRecord):
    def note(self, event: Event, commands: Sequence[Command]) -> None:
        breaks()

    def close(self) -> None:
        breaks()


class TestWatch:
    """On a virtual clock: what a check does wrong is told once, and counts as down."""

    @pytest.mark.parametrize("wrong", [KeyError("x"), RuntimeError("y"), asyncio.CancelledError()])
    def test_a_check_that_breaks_is_tried_again(
        self, wrong: BaseException, caplog: pytest.LogCaptureFixture
    ):
        assert changes(lambda number: raised(wrong) if number < 3 else "a") == [False, True]
        assert [r.levelname for r in caplog.records if r.exc_info] == ["ERROR"]

    def test_a_check_that_does_not_end_is_ended(self, caplog: pytest.LogCaptureFixture):
        assert changes(lambda number: None if number < 2 else "a") == [False, True]
        assert "its check did not end within 30 s" in caplog.text

    def test_a_listener_that_breaks_hears_of_the_next_change(self):
        heard: list[bool] = []

        def listen(name: str, up: bool) -> None:
            heard.append(up)
            breaks()

        virtual_time.run(watched(lambda number: raised(KeyError()) if number < 2 else "a", listen))
        assert heard == [False, True]

    def test_a_fault_that_a_call_met_is_looked_into_within_a_second(self):
        looks: list[float] = []

        async def call() -> None:
            watch = UpstreamWatch({"llm": Looked(looks)}, lambda name, up: None)
            async with asyncio.TaskGroup() as tasks:
                watching = tasks.create_task(watch.run())
                await asyncio.sleep(10.0)
                watch.hurry("llm")
                watch.hurry("llm")
                await asyncio.sleep(0.5)
                watch.hurry("llm")
                await asyncio.sleep(5.0)
                watching.cancel()

        virtual_time.run(call())
        assert looks == [0.0, 10.0, 11.0]

    def test_gateways_that_start_together_do_not_ask_together(self):
        looks: list[float] = []
        for _ in range(2):
            watch = UpstreamWatch({"llm": Looked(looks)}, lambda name, up: None)
            virtual_time.run(for_a_while(watch.run, 50.0))
        assert looks[0] == looks[2] == 0.0
        assert looks[1] != looks[3]
        assert min(looks[1], looks[3]) >= 24.0
        assert max(looks[1], looks[3]) <= 36.0


def test_a_part_of_the_watch_that_breaks_begins_again(caplog: pytest.LogCaptureFixture):
    begun: list[float] = []

    async def part() -> None:
        begun.append(asyncio.get_running_loop().time())
        breaks()

    virtual_time.run(for_a_while(lambda: kept_up("a part", part), 8.0))
    assert begun == [0.0, 1.0, 3.0, 7.0]
    assert "a part broke" in caplog.text


async def test_a_prediction_that_fails_leaves_the_turn_to_words_and_silence(
    caplog: pytest.LogCaptureFixture,
):
    outcomes: list[str] = []
    ends = TurnEnds(breaks, count=outcomes.append)
    assert await ends(16_000).probability() is None
    assert await ends(16_000).probability() is None
    ends.close()
    assert await ends(16_000).probability() is None
    assert outcomes == ["failed"] * 3
    assert [r.levelno for r in caplog.records] == [logging.ERROR]


def raised(error: BaseException) -> NoReturn:
    raise error


class Looks:
    """Each check gives what `look` gives for its number; None never ends."""

    def __init__(self, look: Callable[[int], str | None]) -> None:
        self._look = look
        self._number = 0

    async def check(self) -> str:
        self._number += 1
        said = self._look(self._number - 1)
        if said is None:
            await asyncio.Event().wait()
        return str(said)


class Looked:
    def __init__(self, looks: list[float]) -> None:
        self._looks = looks

    async def check(self) -> str:
        self._looks.append(asyncio.get_running_loop().time())
        return "a"


async def for_a_while(part: Callable[[], Any], seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await part()


async def watched(
    look: Callable[[int], str | None], on_change: Callable[[str, bool], None]
) -> None:
    await for_a_while(UpstreamWatch({"llm": Looks(look)}, on_change).run, 200.0)


def changes(look: Callable[[int], str | None]) -> list[bool]:
    heard: list[bool] = []
    virtual_time.run(watched(look, lambda name, up: heard.append(up)))
    return heard
