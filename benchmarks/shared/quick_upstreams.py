"""Riva and the chat model, scripted and at once, in a process of their own.

    python -m shared.quick_upstreams

Prints its ready line; ends when its standard input does. No request is kept.
"""

import asyncio

from voice_gateway.testing.fake_chat import FakeChat
from voice_gateway.testing.fake_riva import FakeRiva

from shared.lines import Json, answer_lines

_ANSWER = "It is sunny today."


async def _serve() -> None:
    riva = FakeRiva(voice_first_audio_s=0.02)
    chat = FakeChat(lambda _messages, _ordinal: _ANSWER, first_token_s=0.02)
    async with riva, chat:
        await answer_lines(f"riva={riva.uri} llm={chat.base_url}", _nothing)


def _nothing(_request: Json) -> Json:
    return {}


if __name__ == "__main__":
    asyncio.run(_serve())
