"""What a user of the client gets: the right words, and an answer that says what was written."""

import json
import sys
import wave
from pathlib import Path
from typing import Any

import pytest
from owned_processes import output
from voice_client.call import REASON_LOST

from .conftest import normalised, word_errors
from .judging import judged

pytestmark = [pytest.mark.models, pytest.mark.timeout(900)]


async def voice(*arguments: str) -> tuple[int, dict[str, Any], str]:
    """Run the installed client; return its status, its JSON and its complaints."""
    command = (sys.executable, "-m", "voice_client", *arguments, "--json")
    status, out, complaints = await output(*command)
    return status, json.loads(out or "{}"), complaints


def recording(path: Path) -> tuple[bytes, int]:
    with wave.open(str(path), "rb") as file:
        return file.readframes(file.getnframes()), file.getframerate()


async def test_a_spoken_question_gets_the_spoken_answer_that_was_written(
    gateway: str, tmp_path: Path
):
    reply = tmp_path / "reply.wav"
    status, report, complaints = await voice(
        "wav", "@en_nlp_question", "--server", gateway, "--out", str(reply)
    )
    assert status == 0, complaints
    turn = report["turns"][-1]
    assert turn["heard"] == "What is natural language processing?"
    written = normalised(turn["reply"])
    errors = word_errors(written, judged(*recording(reply)))
    print(f"{turn['reply']!r}: {errors} of {len(written)} words not heard so")
    assert errors / len(written) <= 0.2
    assert turn["latency"]["total_ms"] > 0


async def test_the_client_says_what_failed(gateway: str):
    status, _, complaints = await voice("text", "hi", "--server", "127.0.0.1:1", "--timeout", "3")
    assert status == 3, complaints
    status, _, complaints = await voice("wav", "no-such.wav", "--server", gateway)
    assert status == 2, complaints
    assert "config.language_code is 'xx-XX'" in await _refusal_of_a_language(gateway)


async def _refusal_of_a_language(gateway: str) -> str:
    """What the client reports; it asks again where gRPC lost the reason, as its text says."""
    report: dict[str, Any] = {"error": REASON_LOST}
    for _ in range(5):
        if REASON_LOST not in report["error"]:
            break
        status, report, complaints = await voice(
            "wav", "@en_goforward", "--language", "xx-XX", "--server", gateway
        )
        assert status == 4, complaints
    return report["error"]
