"""All scripted upstreams in one process: Riva, the chat model, and the pass-through's mirror.

    python -m latency.scripted_upstreams LOAD_AS_JSON

Prints its ready line, then answers one line on standard output for each line on standard input:
`{"recordings": [...]}` sets what the mirror plays, `{"take": true}` returns the records since the
last time. Ends when its standard input does. Times are the machine's monotonic clock.
"""

import asyncio
import json
import sys
from collections.abc import Sequence
from typing import Any, TypeVar

import grpc.aio
from voice_gateway.testing.fake_chat import FakeChat
from voice_gateway.testing.fake_riva import FakeRiva, Says

from latency.mirror import Mirror
from latency.raw_calls import serve_calls
from latency.scenario import DELAYS, Load, answer_to, says, tag_in
from shared.call_names import call_of
from shared.delays import AUDIO_S_PER_CHAR
from shared.lines import Json, answer_lines

Record = TypeVar("Record")


class Upstreams:
    def __init__(self, load: Load) -> None:
        def words(config: Any, _ordinal: int) -> list[Says]:
            return says(load, call_of(config.config.language_code))

        def reply(messages: Sequence[Json], _ordinal: int) -> str:
            return answer_to(str(messages[-1]["content"]))

        self.riva = FakeRiva(
            words,
            endpoint_s=DELAYS.endpoint_s,
            asr_delay_s=DELAYS.asr_s,
            voice_first_audio_s=DELAYS.voice_s,
            voice_real_time_factor=DELAYS.voice_real_time_factor,
            voice_audio_s_per_char=AUDIO_S_PER_CHAR,
        )
        self.chat = FakeChat(reply, first_token_s=DELAYS.first_token_s, token_s=DELAYS.token_s)
        self.mirror = Mirror()
        self._seen = [0, 0, 0]

    def answer(self, request: Json) -> Json:
        if "recordings" in request:
            self.mirror.recordings = request["recordings"]
            return {}
        return {"turns": self._turns(), "mirrored": self._mirrored()}

    def _turns(self) -> dict[str, Json]:
        """The records of turns since the last time, by tag."""
        turns: dict[str, Json] = {}
        calls = self._new(0, self.riva.asr_calls)
        finals = (one for call in calls for one in call.responses if one.result.is_final)
        for final in finals:
            turns[tag_in(final.text)] = {"heard_at": final.caused_at, "final_at": final.sent_at}
        for asked in self._new(1, self.chat.requests):
            turn = turns.setdefault(tag_in(str(asked.messages[-1]["content"])), {})
            turn |= {"asked_at": asked.asked_at, "pieces_at": asked.pieces_at}
        for spoken in self._new(2, self.riva.voice_calls):
            turn = turns.get(tag_in(spoken.text))
            if turn is not None:
                turn |= {
                    "clause": spoken.text,
                    "voice_at": spoken.started_at,
                    "voice_audio_at": spoken.first_audio_at,
                }
        return turns

    def _new(self, kind: int, records: Sequence[Record]) -> Sequence[Record]:
        start, self._seen[kind] = self._seen[kind], len(records)
        return records[start:]

    def _mirrored(self) -> dict[int, Json]:
        calls = self.mirror.calls
        self.mirror.calls = {}
        return {
            ordinal: {"came_at": call.came_at, "went_at": call.went_at}
            for ordinal, call in calls.items()
        }


async def serve(load: Load) -> None:
    upstreams = Upstreams(load)
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    serve_calls(server, upstreams.mirror.stream_audio)
    port = server.add_insecure_port("127.0.0.1:0")
    async with upstreams.riva as riva, upstreams.chat as chat:
        await server.start()
        ready = f"riva={riva.uri} llm={chat.base_url} mirror=127.0.0.1:{port}"
        await answer_lines(ready, upstreams.answer)
        await server.stop(None)


if __name__ == "__main__":
    asyncio.run(serve(Load(**json.loads(sys.argv[1]))))
