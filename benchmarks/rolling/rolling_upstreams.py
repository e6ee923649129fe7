"""The scripted upstreams of all gateways in one process; ends when its standard input does.

The model answers each question with words that are nowhere else, so that one that is missing or
comes twice shows.
"""

import asyncio
from collections.abc import Sequence

from voice_gateway.testing.fake_chat import FakeChat
from voice_gateway.testing.fake_riva import FakeRiva

from shared.lines import Json, answer_lines

WORDS = 14
AUDIO_S_PER_CHAR = 0.03


def answer_to(question: str) -> str:
    """The answer to a question that ends with its tag."""
    tag = question.rsplit(" ", 1)[-1]
    return " ".join(f"{tag}{letters(number)}" for number in range(WORDS)) + "."


def letters(number: int) -> str:
    """The number as a word that is spoken as it is written."""
    return "".join(chr(ord("a") + int(digit)) for digit in str(number))


def _reply(messages: Sequence[Json], _ordinal: int) -> str:
    return answer_to(str(messages[-1]["content"]))


async def _main() -> None:
    riva = FakeRiva(voice_first_audio_s=0.03, voice_audio_s_per_char=AUDIO_S_PER_CHAR)
    chat = FakeChat(_reply, first_token_s=0.1, token_s=0.03)
    async with riva, chat:
        ready = f"riva={riva.uri} llm={chat.base_url}"
        await answer_lines(ready, lambda _: {"requests": len(chat.requests)})


if __name__ == "__main__":
    asyncio.run(_main())
