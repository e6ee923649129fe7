"""One scripted service in a process of its own, so that it can be killed, paused and reset.

    python -m faults.scripted_service {asr,llm,tts} PORT NOT_BEFORE ASKED_FILE

Listens at PORT (0: any free one) once the machine's monotonic clock shows NOT_BEFORE, prints its
ready line, then answers lines: `{"reset": true}` resets the connections of its callers,
`{"spoil": "hang"}` or `"refuse"` spoils the streams that a recogniser has open, `{"state": true}`
returns how many streams are open. The model appends the words of every request to
ASKED_FILE, which outlives it.
"""

import asyncio
import json
import os
import sys
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

from voice_gateway.testing.fake_chat import FakeChat
from voice_gateway.testing.fake_riva import FakeRiva, FakeVoice

from faults.connection_resets import reset_connections
from faults.listening_recogniser import ListeningRecogniser
from faults.spoken_questions import answer_to, name_of, spoken
from faults.words_in_sound import plain_words
from shared.clock import now
from shared.delays import AUDIO_S_PER_CHAR, Delays
from shared.lines import Json, answer_lines
from shared.recordings import RATE_HZ

DELAYS = Delays(endpoint_s=0.48, first_token_s=0.12, token_s=0.01, voice_s=0.06)


class ReadableVoice(FakeVoice):
    """Speaks so that the words can be read from its audio."""

    def pcm(self, text: str, rate_hz: int) -> bytes:
        if rate_hz != RATE_HZ:
            return super().pcm(text, rate_hz)  # no caller hears it
        return spoken(text, self.duration_s(text))


@dataclass(frozen=True, slots=True)
class Model:
    """Answers with a name that tells which words it was asked, and notes them in a file."""

    asked_file: int

    def reply(self, messages: Sequence[Json], _ordinal: int) -> str:
        words = asked(messages)
        record = {"at": now(), "name": name_of(words), "words": words}
        os.write(self.asked_file, json.dumps(record).encode() + b"\n")
        return answer_to(words)


def asked(messages: Sequence[Json]) -> tuple[str, ...]:
    """The words that wait for an answer: of all that the caller said since the last answer."""
    words: tuple[str, ...] = ()
    for message in reversed(messages):
        if message["role"] != "user":
            break
        words = plain_words(str(message["content"])) + words
    return words


def scripted_riva(port: int) -> FakeRiva:
    riva = FakeRiva(port=port)
    riva.asr = ListeningRecogniser(
        says=(),
        endpoint_s=DELAYS.endpoint_s,
        stable_s=None,
        delay_s=0.0,
        languages=(),
        fault=None,
        idle_s=60.0,
    )
    riva.voice = ReadableVoice(
        first_audio_s=DELAYS.voice_s,
        real_time_factor=DELAYS.voice_real_time_factor,
        audio_s_per_char=AUDIO_S_PER_CHAR,
        chunk_s=0.2,
        languages=(),
        voices=(),
        fault=None,
    )
    return riva


class Service:
    """What serves, and where."""

    def __init__(self, name: str, port: int, asked_file: int) -> None:
        model = Model(asked_file)
        self._riva = scripted_riva(port) if name != "llm" else None
        self._chat = FakeChat(
            model.reply, first_token_s=DELAYS.first_token_s, token_s=DELAYS.token_s, port=port
        )

    @property
    def serving(self) -> AbstractAsyncContextManager[Any]:
        return self._riva or self._chat

    @property
    def address(self) -> str:
        return self._riva.uri if self._riva else self._chat.base_url

    @property
    def port(self) -> int:
        return int(self.address.removesuffix("/v1").rpartition(":")[2])

    @property
    def open_streams(self) -> int:
        """The requests that have not ended."""
        if self._riva is None:
            return sum(one.ended_at is None for one in self._chat.requests)
        voices = sum(one.ended_at is None for one in self._riva.voice_calls)
        return voices + len(ListeningRecogniser.open_streams)

    def answer(self, request: Json) -> Json:
        if "reset" in request:
            return {"reset": reset_connections(self.port)}
        if "spoil" in request:
            return {"spoiled": ListeningRecogniser.spoil(request["spoil"])}
        return {"streams": self.open_streams}


async def serve(name: str, port: int, not_before: float, asked_file: int) -> None:
    service = Service(name, port, asked_file)
    await asyncio.sleep(not_before - now())
    async with service.serving:
        await answer_lines(f"at={service.address}", service.answer)


if __name__ == "__main__":
    _, _name, _port, _not_before, _path = sys.argv
    _file = os.open(_path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    asyncio.run(serve(_name, int(_port), float(_not_before), _file))
