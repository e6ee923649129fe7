"""The scripted recogniser, chat model and voice, in one process.

    python -m turns.scripted_upstreams DELAYS_AS_JSON

Prints its ready line, then answers lines: `{"calls": {ORDINAL: [[TEXT, START_S, END_S], ...]},
"answers": {TAG: ANSWER}}` sets what is said from now on, `{"take": true}` returns the records
since the last time. Times are the machine's monotonic clock.
"""

import asyncio
import json
import sys
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import grpc.aio
from voice_gateway.testing.fake_chat import ChatRequest, FakeChat
from voice_gateway.testing.fake_riva import (
    AsrCall,
    FakeRecogniser,
    FakeRiva,
    Says,
    VoiceCall,
)

from shared.call_names import call_of
from shared.delays import AUDIO_S_PER_CHAR, Delays
from shared.lines import Json, answer_lines
from turns.speechlike_voice import AudibleVoice

_UNKNOWN = "Say that again, please."


class CallerAudioRecogniser(FakeRecogniser):
    """Counts the caller's audio alone, without the silence that the gateway adds to a request."""

    async def StreamingRecognize(self, _requests: Any, context: Any) -> None:  # noqa: N802
        await super().StreamingRecognize(_requests, _CallersAudio(context))


class _CallersAudio:
    """A call's context without the silence that the gateway adds."""

    def __init__(self, context: Any) -> None:
        self._context = context

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    async def read(self) -> Any:
        request = await self._context.read()
        if request is not grpc.aio.EOF and request.runtime_config:
            request.audio_content = b""
        return request


class Upstreams:
    def __init__(self, delays: Delays) -> None:
        self.riva = FakeRiva()
        self.riva.asr = CallerAudioRecogniser(
            says=self._says,
            endpoint_s=delays.endpoint_s,
            stable_s=None,
            delay_s=delays.asr_s,
            languages=(),
            fault=None,
            idle_s=60.0,
        )
        self.riva.voice = AudibleVoice(
            first_audio_s=delays.voice_s,
            real_time_factor=delays.voice_real_time_factor,
            audio_s_per_char=AUDIO_S_PER_CHAR,
            chunk_s=0.2,
            languages=(),
            voices=(),
            fault=None,
        )
        self.chat = FakeChat(
            self._reply, first_token_s=delays.first_token_s, token_s=delays.token_s
        )
        self._calls: dict[int, list[Says]] = {}
        self._answers: dict[str, str] = {}
        self._taken = [0, 0, 0]

    def answer(self, request: Json) -> Json:
        if "calls" in request:
            self._answers = request["answers"]
            self._calls = {
                int(ordinal): [Says(*said) for said in says]
                for ordinal, says in request["calls"].items()
            }
            return {}
        recognised, chats, voices = self.riva.asr_calls, self.chat.requests, self.riva.voice_calls
        since, self._taken = self._taken, [len(recognised), len(chats), len(voices)]
        return {
            "recognised": dict(_recognised(call) for call in recognised[since[0] :]),
            "chats": self._by_tag([(_asked(one), _chat(one)) for one in chats[since[1] :]]),
            "voices": self._by_tag([(one.text, _voice(one)) for one in voices[since[2] :]]),
        }

    def _says(self, config: Any, _ordinal: int) -> list[Says]:
        return self._calls[call_of(config.config.language_code)]

    def _reply(self, messages: Sequence[Json], _ordinal: int) -> str:
        return self._answers.get(self._tag(str(messages[-1]["content"])), _UNKNOWN)

    def _by_tag(self, records: list[tuple[str, Json]]) -> dict[str, list[Json]]:
        by_tag: dict[str, list[Json]] = defaultdict(list)
        for text, record in records:
            by_tag[self._tag(text)].append(record)
        return by_tag

    def _tag(self, text: str) -> str:
        """The last question named in a text; empty where there is none."""
        words = (word.strip(".,?").lower() for word in reversed(text.split()))
        return next((word for word in words if word in self._answers), "")


def _recognised(call: AsrCall) -> tuple[int, Json]:
    said = [
        {"at": response.sent_at, "until_s": response.result.words[-1].end_s}
        for response in call.responses
        if response.result.words
    ]
    return call_of(call.config.config.language_code), {"said": said, "forced_at": call.forced_at}


def _asked(request: ChatRequest) -> str:
    return str(request.messages[-1]["content"])


def _chat(request: ChatRequest) -> Json:
    return {
        "asked_at": request.asked_at,
        "pieces": len(request.pieces_sent),
        "cancelled": request.cancelled,
        "ended_at": request.ended_at,
    }


def _voice(call: VoiceCall) -> Json:
    return {
        "text": call.text,
        "started_at": call.started_at,
        "cancelled": call.cancelled,
        "ended_at": call.ended_at,
    }


async def serve(delays: Delays) -> None:
    upstreams = Upstreams(delays)
    async with upstreams.riva as riva, upstreams.chat as chat:
        await answer_lines(f"riva={riva.uri} llm={chat.base_url}", upstreams.answer)


if __name__ == "__main__":
    asyncio.run(serve(Delays(**json.loads(sys.argv[1]))))
