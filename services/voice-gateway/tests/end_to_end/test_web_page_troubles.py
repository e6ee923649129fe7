"""The page where something is missing, wrong or in the way, in a real Chromium: a clear word each.

The upstreams are scripted, so that troubles come when they should.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import expect
from voice_gateway.testing.fake_chat import FakeChat, HttpError, Sends
from voice_gateway.testing.fake_riva import FakeRiva, Refuse, Says

from .browser import PHONE, Visitor, recording, visit

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

STORY = "Once upon a time there was a fox who lived at the edge of a wood. " * 4
SHORT = "It is sunny."
CUT_SHORT = (
    b'data: {"choices": [{"index": 0, "delta": {"content": "It is sunny and"}, '
    b'"finish_reason": "length"}]}\n\n'
)
DOWN = ("net::ERR_CONNECTION_REFUSED", "WebSocket", "426")  # it is up again when it is asked why


def riva(*says: Says, **more: Any) -> FakeRiva:
    return FakeRiva(says=says, voice_first_audio_s=0.01, **more)


def address(gateway: Any, host: str = "127.0.0.1") -> str:
    return f"http://{host}:{gateway.http_port}/"


@pytest.fixture
def silence(tmp_path: Path) -> Path:
    return recording(tmp_path / "silence.wav", length_s=30)


async def remedy(visitor: Visitor, name: str) -> None:
    await visitor.page.get_by_role("alert").get_by_role("button", name=name).click()


async def test_written_words_and_esc_stop_the_voice(serve: Any):
    chat = FakeChat([STORY, STORY, SHORT])
    async with serve(riva(), chat) as gateway, visit(address(gateway)) as visitor:
        await visitor.write("tell me a story")
        await visitor.hears()
        await visitor.write("another one")
        assert await visitor.reads("voice") == STORY.strip()
        await visitor.hears()
        await visitor.page.keyboard.press("Escape")
        await visitor.reads("voice", nth=1)
        await visitor.hears_nothing()
        await visitor.write("what is the weather")
        assert await visitor.reads("voice", nth=2) == SHORT
        cuts = await visitor.frames("conversation.item.truncated")
        await visitor.picture("stopped")
        told = [message["content"] for message in chat.requests[-1].messages]
    assert len(cuts) == 2
    for asked in ("tell me a story", "another one", "what is the weather"):
        assert asked in " ".join(told)
    assert STORY.strip() not in told  # what was not heard was not said


async def test_a_microphone_that_is_not_there_or_not_allowed(serve: Any, silence: Path):
    async with serve(riva(), FakeChat([SHORT])) as gateway:
        async with visit(address(gateway), screen=PHONE) as visitor:
            await visitor.talk()
            await visitor.sees("No microphone was found")
        deny = ["--deny-permission-prompts"]
        async with visit(address(gateway), silence, allowed=False, options=deny) as visitor:
            await visitor.talk()
            await visitor.sees("The microphone is not allowed")
            await visitor.picture("denied")
            await visitor.write("what is the weather")
            assert await visitor.reads("voice") == SHORT


async def test_a_microphone_that_goes_away_in_mid_call(serve: Any, silence: Path):
    async with (
        serve(riva(), FakeChat([SHORT])) as gateway,
        visit(address(gateway), silence) as visitor,
    ):
        await visitor.talk()
        await visitor.sees("Listening")
        asked = await visitor.page.evaluate("microphones[0].wanted.audio")
        assert asked["echoCancellation"]
        assert asked["noiseSuppression"]
        await visitor.page.evaluate("microphones[0].track.dispatchEvent(new Event('ended'))")
        await visitor.sees("The microphone has gone")
        await visitor.write("what is the weather")
        assert await visitor.reads("voice") == SHORT
        await remedy(visitor, "Start again")
        await visitor.sees("Listening")


async def test_a_page_without_tls_can_only_be_written_to(serve: Any):
    hosts = ["--host-resolver-rules=MAP page.test 127.0.0.1"]
    async with serve(riva(), FakeChat([SHORT]), http_hosts="page.test") as gateway:
        url = address(gateway, "page.test")
        async with visit(url, options=hosts, expected=["Cross-Origin-Opener-Policy"]) as visitor:
            await visitor.talk()
            await visitor.sees("The browser gives this page no microphone")
            await visitor.write("what is the weather")
            await visitor.hears()
            assert await visitor.reads("voice") == SHORT


async def test_all_lines_are_busy_until_one_is_free(serve: Any):
    async with (
        serve(riva(), FakeChat([SHORT]), max_calls=1) as gateway,
        visit(address(gateway)) as first,
        visit(address(gateway)) as second,
    ):
        await first.write("hello")
        await first.reads("voice")
        await second.write("hello")
        await second.sees("All lines are busy")
        await second.sees("1 calls are running")
        await second.picture("busy")
        await first.page.get_by_role("button", name="Hang up").click()
        await first.sees("Ready when you are")
        await remedy(second, "Try now")
        assert await second.reads("voice") == SHORT


async def test_a_key_is_asked_for_and_kept_in_the_tab_alone(serve: Any):
    async with (
        serve(riva(), FakeChat([SHORT]), api_keys="open-sesame") as gateway,
        visit(address(gateway), expected=["401", "WebSocket"]) as visitor,
    ):
        await visitor.write("hello")
        await visitor.sees("This gateway asks for a key")
        for key, said in (("wrong", "The key is not accepted"), ("open-sesame", "Connected")):
            await remedy(visitor, "Enter key")
            await visitor.page.get_by_label("Key of this gateway").fill(key)
            await visitor.page.get_by_role("button", name="Done").click()
            await expect(visitor.page.locator("body")).to_contain_text(said)
        assert await visitor.reads("voice") == SHORT
        kept = await visitor.page.evaluate(
            "[Object.values(sessionStorage), Object.values(localStorage), location.href]"
        )
    assert "open-sesame" in kept[0]
    assert not any("open-sesame" in value for value in [*kept[1], kept[2]])


async def test_after_a_restart_the_conversation_goes_on_where_it_was(serve: Any):
    chat = FakeChat(["Nice to meet you, Ann."])
    async with serve(riva(), chat, drain_s=0.1) as gateway:
        url, port = address(gateway), gateway.http_port
        page = visit(url, expected=DOWN)
        visitor = await page.__aenter__()
        await visitor.write("my name is Ann")
        await visitor.reads("voice")
    try:
        await visitor.sees("lost")  # first the line, then, where nothing answers, the call
        again = FakeChat(["You are Ann."])
        async with serve(riva(), again, http_port=port):
            await visitor.sees("Connected")
            await visitor.write("who am I")
            assert await visitor.reads("voice", nth=1) == "You are Ann."
            told = [(m["role"], m["content"]) for m in again.requests[-1].messages[1:]]
    finally:
        await page.__aexit__(None, None, None)
    assert told == [
        ("user", "my name is Ann"),
        ("assistant", "Nice to meet you, Ann."),
        ("user", "who am I"),
    ]


async def test_a_server_that_is_down_is_said_and_tried_again(serve: Any):
    async with serve(riva(), FakeChat([SHORT])) as gateway:
        url, port = address(gateway), gateway.http_port
        page = visit(url, expected=DOWN)
        visitor = await page.__aenter__()
    try:
        await visitor.write("hello")
        await visitor.sees("The gateway does not answer")
        async with serve(riva(), FakeChat([SHORT]), http_port=port):
            assert await visitor.reads("voice") == SHORT
    finally:
        await page.__aexit__(None, None, None)


async def test_a_model_that_fails_is_a_line_in_the_conversation(serve: Any):
    chat = FakeChat([SHORT])
    chat.fault = HttpError(503)
    async with serve(riva(), chat) as gateway, visit(address(gateway)) as visitor:
        await visitor.write("hello")
        assert "The language model is not available" in await visitor.reads("trouble")
        await visitor.sees("The language model does not answer")
        await visitor.sees("Connected, not ready", header=True)
        chat.fault = None
        await visitor.write("and now")
        assert await visitor.reads("voice") == SHORT
        await visitor.sees("Write below, or press Talk.")


async def test_an_answer_that_was_cut_short_says_so(serve: Any):
    chat = FakeChat([SHORT])
    chat.fault = Sends(parts=[CUT_SHORT, b"data: [DONE]\n\n"])
    async with serve(riva(), chat) as gateway, visit(address(gateway)) as visitor:
        await visitor.write("hello")
        said = await visitor.reads("voice", "the answer is as long as it may be")
        assert said.startswith("It is")
        await visitor.picture("cut-short")


async def test_a_service_that_is_down_is_said_before_the_first_word(serve: Any, silence: Path):
    nowhere = {"llm_base_url": "http://127.0.0.1:1/v1"}
    async with (
        serve(riva(), FakeChat([]), **nowhere) as gateway,
        visit(address(gateway), silence) as visitor,
    ):
        await visitor.sees("The language model does not answer")
        await visitor.talk()
        await visitor.sees("Connected, not ready", header=True)
        await visitor.sees("It hears you, and cannot answer.")
        await expect(visitor.page.locator("footer")).not_to_contain_text("Say something")
        await visitor.picture("no-model")


async def test_an_apology_is_heard_and_shown_and_forgotten(serve: Any):
    chat = FakeChat([SHORT])
    chat.fault = HttpError(503)
    async with serve(riva(), chat, apology="") as gateway, visit(address(gateway)) as visitor:
        await visitor.write("hello")
        await visitor.hears()
        assert "Sorry" in await visitor.reads("voice")
        await visitor.reads("trouble")
        await visitor.hears_nothing()
        chat.fault = None
        await visitor.write("and now")
        assert await visitor.reads("voice", nth=1) == SHORT
    told = [message["content"] for message in chat.requests[-1].messages]
    assert not any("Sorry" in text for text in told)


async def test_a_recogniser_that_is_down_is_said_and_leaves_writing(serve: Any, silence: Path):
    ears = riva(asr_fault=Refuse(text="no model here"))
    async with (
        serve(ears, FakeChat([SHORT])) as gateway,
        visit(address(gateway), silence) as visitor,
    ):
        await visitor.talk()
        assert "Speech recognition is not available" in await visitor.reads("trouble")
        await visitor.sees("Speech recognition does not answer")
        await visitor.picture("no-recogniser")
        await visitor.write("what is the weather")
        assert await visitor.reads("voice") == SHORT


async def test_held_to_talk_the_turn_ends_when_the_space_bar_is_let_go(serve: Any, silence: Path):
    says = Says("what is the weather", 0.1, 0.8)
    async with (
        serve(riva(says), FakeChat([SHORT])) as gateway,
        visit(address(gateway), silence) as visitor,
    ):
        page = visitor.page
        await page.get_by_role("button", name="Settings").click()
        await page.get_by_label("lasts while you hold").check()
        await page.get_by_role("button", name="Done").click()
        await visitor.talk()
        await visitor.sees("Your turn")
        await page.locator("main").click()
        await page.keyboard.down(" ")
        await visitor.sees("Let go when you have finished")
        await expect(page.locator("#transcript .you p")).to_have_text("what is the weather")
        await page.keyboard.up(" ")
        assert await visitor.reads("you") == "what is the weather"
        assert await visitor.reads("voice") == SHORT
        sent = await visitor.frames("input_audio_buffer.commit")
    assert len(sent) == 1


async def test_language_and_voice_are_those_that_riva_has(serve: Any, silence: Path):
    ears = riva(languages=["en-US", "de-DE"], voices=["Ann", "Bob"])
    async with (
        serve(ears, FakeChat([SHORT])) as gateway,
        visit(address(gateway), silence) as visitor,
    ):
        page = visitor.page
        await page.get_by_role("button", name="Settings").click()
        await page.get_by_label("Language").select_option("de-DE")
        await page.get_by_label("Voice", exact=True).select_option(label="Bob")
        await page.get_by_role("button", name="Done").click()
        await visitor.talk()
        await visitor.sees("Listening")
        await visitor.write("hello")
        await visitor.reads("voice")
        call = await ears.asr_call(len(ears.asr_calls) - 1)
        spoken = ears.voice_calls[-1]
    assert call.config.config.language_code == "de-DE"
    assert (spoken.language, spoken.voice) == ("de-DE", "Scripted.Bob")


async def test_a_voice_that_is_gone_costs_nothing_else_of_what_was_chosen(
    serve: Any, silence: Path
):
    ears = riva(languages=["en-US", "de-DE"], voices=["Ann"])
    kept = {"language": "de-DE", "voice": "Scripted.Gone", "byHand": False, "aloud": True}
    async with (
        serve(ears, FakeChat([SHORT])) as gateway,
        visit(address(gateway), silence) as visitor,
    ):
        page = visitor.page
        await page.evaluate(
            "wishes => localStorage.setItem('voice-gateway-wishes', wishes)", json.dumps(kept)
        )
        await page.get_by_role("button", name="Settings").click()  # until there is a choice
        await expect(page.get_by_label("Voice", exact=True)).to_be_enabled()
        await page.reload()
        await visitor.write("hello")
        assert await visitor.reads("voice") == SHORT
        spoken = ears.voice_calls[-1]
    assert (spoken.language, spoken.voice) == ("de-DE", "")


@pytest.mark.parametrize("screen", [(320, 568), PHONE, (844, 390), (1200, 780)])
async def test_it_fits_the_screen_and_nothing_keeps_anyone_out(serve: Any, screen: tuple[int, int]):
    async with (
        serve(riva(), FakeChat([SHORT])) as gateway,
        visit(address(gateway), screen=screen, reduced_motion="reduce") as visitor,
    ):
        await visitor.write("hello")
        await visitor.reads("voice")
        page = visitor.page
        wide, tall = await page.evaluate(
            "[document.documentElement.scrollWidth, document.documentElement.scrollHeight]"
        )
        assert (wide, tall) == screen
        checker: Any = Axe()
        found = await checker.run(page)
        assert found.response["violations"] == [], found.generate_report()
        for name in ("Talk", "Send", "Settings", "Hang up"):
            await expect(page.get_by_role("button", name=name, exact=True)).to_be_in_viewport(
                ratio=1
            )
