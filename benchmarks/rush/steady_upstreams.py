"""Riva and the chat model, scripted with delays as services have them, in a process of their own.

    python -m rush.steady_upstreams

Prints its ready line; ends when its standard input does.
"""

import asyncio

from voice_gateway.testing.fake_chat import FakeChat
from voice_gateway.testing.fake_riva import FakeRiva

from shared.lines import Json, answer_lines

_ANSWER = "It is sunny today."


async def _serve() -> None:
    riva = FakeRiva(voice_first_audio_s=0.06)
    chat = FakeChat(lambda _messages, _ordinal: _ANSWER, first_token_s=0.12, token_s=0.01)
    async with riva, chat:
        await answer_lines(f"riva={riva.uri} llm={chat.base_url}", _nothing)


def _nothing(_request: Json) -> Json:
    return {}


if __name__ == "__main__":
    asyncio.run(_serve())
