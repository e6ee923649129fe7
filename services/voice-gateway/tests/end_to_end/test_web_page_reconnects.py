"""The page in a real Chromium while its connection is cut: the call goes on, to the sample.

The upstreams are scripted, and a balancer stands between the page and the gateways.
"""

from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect
from voice_gateway.testing.balancer import Balancer, balancing
from voice_gateway.testing.fake_chat import FakeChat
from voice_gateway.testing.fake_riva import FakeRiva

from .browser import Visitor, recording, visit

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

STORY = "Once upon a time there was a fox who lived at the edge of a wood. " * 3
CUT = ("net::ERR_", "WebSocket", "426")  # what a browser says of connections that are cut


def riva() -> FakeRiva:
    return FakeRiva(voice_first_audio_s=0.01)


def page_at(balancer: Balancer) -> str:
    return f"http://127.0.0.1:{balancer.port}/"


async def numbers(visitor: Visitor) -> list[int]:
    """The numbers of all events that came, in the order in which the page took them."""
    return await visitor.page.evaluate(
        "frames.filter(f => f.way === 'in' && f.event.sequence).map(f => f.event.sequence)"
    )


async def entries(visitor: Visitor, who: str) -> int:
    return await visitor.page.locator(f"#transcript .{who}").count()


async def test_an_answer_goes_on_where_the_connection_was_cut(serve: Any, tmp_path: Path):
    silence = recording(tmp_path / "silence.wav", length_s=60)
    chat = FakeChat([STORY])
    async with (
        serve(riva(), chat) as gateway,
        balancing([gateway.http_port]) as balancer,
        visit(page_at(balancer), silence, expected=CUT) as visitor,
    ):
        await visitor.talk()
        await visitor.sees("Listening")
        await visitor.write("tell me a story")
        await visitor.hears()
        balancer.cut()
        await expect(visitor.page.locator("body")).to_have_attribute("data-line", "open")
        await visitor.hears()
        gateways, balancer.targets = balancer.targets, []
        balancer.cut()
        await visitor.sees("Connection lost – reconnecting…")
        await visitor.picture("reconnecting")
        await visitor.hears_nothing()  # what had come was played
        balancer.targets = gateways
        await visitor.sees("The voice has the floor")
        assert await visitor.reads("voice") == STORY.strip()
        await visitor.sees("Listening")
        got = await numbers(visitor)
        assert got == list(range(1, len(got) + 1))
        assert (await entries(visitor, "voice"), await entries(visitor, "trouble")) == (1, 0)
        assert len(await visitor.frames("gateway.reconnected")) == 2
        assert await visitor.page.evaluate("microphones.length") == 1
        came = await visitor.frames("response.output_audio.delta")
        came_s = sum(frame["sound_s"] for frame in came)
        played_s = (await visitor.frames("gateway.playback"))[-1]["event"]["played_ms"] / 1000
        assert came_s - 0.5 < played_s <= came_s  # it is reported four times a second
    assert len(chat.requests) == 1


async def test_at_a_gateway_that_does_not_know_the_call_it_begins_anew_and_says_so(serve: Any):
    first, second = FakeChat([STORY]), FakeChat(["You are Ann."])
    async with (
        serve(riva(), first) as gateway,
        serve(riva(), second) as other,
        balancing([gateway.http_port]) as balancer,
        visit(page_at(balancer), expected=CUT) as visitor,
    ):
        await visitor.write("my name is Ann")
        await visitor.hears()
        balancer.targets = [other.http_port]
        balancer.cut()
        assert "A new call goes on from what stands here." in await visitor.reads("trouble")
        await visitor.picture("began-anew")
        await visitor.write("who am I")
        assert await visitor.reads("voice", nth=1) == "You are Ann."
        assert len(await visitor.frames("gateway.resync")) == 1
    told = [message["content"] for message in second.requests[-1].messages[1:]]
    assert (told[0], told[-1]) == ("my name is Ann", "who am I")
    assert STORY.startswith(told[1])


async def test_a_gateway_that_stops_hands_the_page_over_without_a_word(serve: Any):
    first, second = FakeChat([STORY]), FakeChat(["You are Ann."])
    async with serve(riva(), second) as other, balancing([]) as balancer:
        async with serve(riva(), first, drain_s=60) as gateway:
            balancer.targets = [gateway.http_port]
            page = visit(page_at(balancer), expected=CUT)
            visitor = await page.__aenter__()
            await visitor.write("my name is Ann")
            await visitor.hears()
            balancer.targets = [other.http_port]
        try:
            assert await visitor.reads("voice") == STORY.strip()
            await expect(visitor.page.locator("body")).to_have_attribute("data-line", "open")
            await visitor.write("who am I")
            assert await visitor.reads("voice", nth=1) == "You are Ann."
            assert await entries(visitor, "trouble") == 0
            assert len(await visitor.frames("gateway.move")) == 1
        finally:
            await page.__aexit__(None, None, None)
    told = [message["content"] for message in second.requests[-1].messages[1:]]
    assert told == ["my name is Ann", STORY.strip(), "who am I"]
