"""The page in a real Chromium, before real ears and a real voice: spoken to, and interrupted."""

import sys
from collections.abc import AsyncGenerator, Generator, Sequence
from pathlib import Path
from typing import Any

import pytest
from voice_gateway.testing.fake_chat import FakeChat

from .browser import DESK, PHONE, recording, visit
from .conftest import Stack, clips, normalised, process, word_errors

pytestmark = [pytest.mark.models, pytest.mark.browser, pytest.mark.alone, pytest.mark.timeout(600)]

LONG = (
    "Natural language processing is how machines make sense of what people write and say. It "
    "starts with sounds or letters, finds the words in them, and from the words what somebody "
    "wants. It is behind search, translation, and the voice you are hearing now. Most of it is "
    "learned from examples, and very little is written down as rules."
)
DONE = "Going forward ten meters now."
AT_ONCE_S = 0.15
"""From the server's word that the caller has the floor to silence: three looks of the ear."""


def words(name: str) -> Sequence[str]:
    return next(clip.words for clip in clips() if clip.name == f"{name}.wav")


def page_of(stack: Stack, llm: str) -> dict[str, str]:
    return {
        "GRPC_HOST": "127.0.0.1",
        "GRPC_PORT": "0",
        "HTTP_HOST": "127.0.0.1",
        "HTTP_PORT": "0",
        "RIVA_URI": stack.riva,
        "LLM_BASE_URL": llm,
        "LLM_MAX_TOKENS": "40",
        "LLM_FIRST_TOKEN_TIMEOUT_S": "60",
    }


def address(ready: str) -> str:
    return dict(part.split("=", 1) for part in ready.split()[1:])["http"]


@pytest.fixture
def page(stack: Stack) -> Generator[str]:
    """Where the page of a gateway before the whole local stack is."""
    with process([sys.executable, "-m", "voice_gateway"], page_of(stack, stack.llm)) as ready:
        yield address(ready)


@pytest.fixture
async def scripted(stack: Stack) -> AsyncGenerator[tuple[str, FakeChat]]:
    """The same with a model that says what it is told to: at length, until it is given an order."""

    def reply(messages: Sequence[dict[str, Any]], number: int) -> str:
        return DONE if "forward" in str(messages[-1]["content"]).lower() else LONG

    async with FakeChat(reply, token_s=0.02) as chat:
        env = page_of(stack, chat.base_url) | {"LLM_WARM_UP": "false"}
        with process([sys.executable, "-m", "voice_gateway"], env) as ready:
            yield address(ready), chat


async def test_a_spoken_question_is_shown_and_answered_aloud(page: str, tmp_path: Path):
    wav = recording(tmp_path / "question.wav", (1.0, "en_nlp_question"))
    async with visit(page, wav) as visitor:
        await visitor.talk()
        question = await visitor.reads("you")
        assert word_errors(words("en_nlp_question"), normalised(question)) <= 1
        await visitor.hears()
        answer = await visitor.reads("voice")
        assert len(normalised(answer)) > 3
        latency = visitor.page.locator("#transcript details summary")
        assert 0 < float((await latency.inner_text()).removesuffix(" s")) < 30
        await visitor.hears_nothing()
        await visitor.write("What is two plus two?")
        await visitor.hears()
        await visitor.reads("voice", nth=1)


@pytest.mark.parametrize(("scheme", "screen"), [("light", DESK), ("dark", PHONE)])
async def test_talking_over_the_voice_stops_it_and_is_answered(
    scripted: tuple[str, FakeChat], tmp_path: Path, scheme: str, screen: tuple[int, int]
):
    url, chat = scripted
    said = ((1.0, "en_nlp_question"), (10.5, "en_goforward"))
    wav = recording(tmp_path / "interruption.wav", *said)
    look: dict[str, Any] = {"color_scheme": scheme, "screen": screen, "device_scale_factor": 2}
    async with visit(url, wav, **look) as visitor:
        await visitor.talk()
        await visitor.hears()
        await visitor.sees("The voice has the floor")
        await visitor.picture(f"speaking-{scheme}")
        answer = await visitor.reads("voice")
        lost = await visitor.page.locator("#transcript .voice s").first.inner_text()
        order = await visitor.reads("you", nth=1)
        assert await visitor.reads("voice", DONE, nth=1) == DONE
        await visitor.picture(f"interrupted-{scheme}")
        began = (await visitor.frames("input_audio_buffer.speech_started"))[1]["at"]
        truncated = (await visitor.frames("conversation.item.truncate"))[0]["event"]
        assert await visitor.last_sound_before(began) < began + AT_ONCE_S
    assert word_errors(words("en_goforward"), normalised(order)) <= 1
    assert answer == LONG
    assert len(lost) > len(LONG) / 3
    cut = chat.requests[-1].messages[-2]
    heard = LONG.removesuffix(lost).strip()
    assert cut["role"] == "assistant"
    assert abs(len(cut["content"]) - len(heard)) < 30, (cut, heard)
    assert 1500 < truncated["audio_end_ms"] < 8000
