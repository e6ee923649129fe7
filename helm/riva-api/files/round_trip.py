"""Has Riva's voice say a sentence and Riva's recogniser write it down; the words must agree."""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportAttributeAccessIssue=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false
# Riva ships no types.

import argparse
import sys
from collections.abc import Iterator

import grpc
from riva.client.proto import riva_asr_pb2 as asr
from riva.client.proto import riva_asr_pb2_grpc as asr_grpc
from riva.client.proto import riva_audio_pb2 as audio
from riva.client.proto import riva_tts_pb2 as tts
from riva.client.proto import riva_tts_pb2_grpc as tts_grpc

_RATE_HZ = 16_000
_CHUNK = _RATE_HZ // 10 * 2  # 100 ms of s16le


def speak(address: str, sentence: str, language: str, voice: str, timeout_s: float) -> bytes:
    """The sentence as s16le mono audio at 16 kHz."""
    request = tts.SynthesizeSpeechRequest(
        text=sentence,
        language_code=language,
        voice_name=voice,
        encoding=audio.LINEAR_PCM,
        sample_rate_hz=_RATE_HZ,
    )
    with grpc.insecure_channel(address) as channel:
        replies = tts_grpc.RivaSpeechSynthesisStub(channel).SynthesizeOnline(
            iter([request]), timeout=timeout_s, wait_for_ready=True
        )
        return b"".join(reply.audio for reply in replies)


def hear(address: str, said: bytes, language: str, timeout_s: float) -> str:
    """The final words of what was said."""
    with grpc.insecure_channel(address) as channel:
        replies = asr_grpc.RivaSpeechRecognitionStub(channel).StreamingRecognize(
            _requests(said, language), timeout=timeout_s, wait_for_ready=True
        )
        finals = (one for reply in replies for one in reply.results if one.is_final)
        return " ".join(one.alternatives[0].transcript for one in finals if one.alternatives)


def _requests(said: bytes, language: str) -> Iterator[asr.StreamingRecognizeRequest]:
    config = asr.RecognitionConfig(
        encoding=audio.LINEAR_PCM,
        sample_rate_hertz=_RATE_HZ,
        language_code=language,
        max_alternatives=1,
        audio_channel_count=1,
    )
    yield asr.StreamingRecognizeRequest(
        streaming_config=asr.StreamingRecognitionConfig(config=config)
    )
    # A recogniser ends its last word in the silence after it.
    heard = said + bytes(_RATE_HZ * 2)
    for start in range(0, len(heard), _CHUNK):
        yield asr.StreamingRecognizeRequest(audio_content=heard[start : start + _CHUNK])


def word_error_rate(meant: str, heard: str) -> float:
    """Words inserted, lost or changed, per word meant."""
    wanted, got = _words(meant), _words(heard)
    row = list(range(len(got) + 1))
    for i, word in enumerate(wanted, 1):
        before, row[0] = row[0], i
        for j, other in enumerate(got, 1):
            changed = before + (word != other)
            before, row[j] = row[j], min(changed, row[j] + 1, row[j - 1] + 1)
    return row[-1] / max(len(wanted), 1)


def _words(text: str) -> list[str]:
    # By spaces: a pattern such as \w+ would cut Hindi at its vowel signs.
    return [word for one in text.lower().split() if (word := one.strip(".,;:!?।…\"'“”"))]


def _given() -> argparse.Namespace:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--asr", required=True, help="HOST:PORT")
    options.add_argument("--tts", required=True, help="HOST:PORT")
    options.add_argument("--language", default="en-US")
    options.add_argument("--voice", default="", help="empty: the server's own")
    options.add_argument("--sentence", required=True)
    options.add_argument("--max-word-error-rate", type=float, default=0.4)
    options.add_argument("--timeout", type=float, default=60.0, help="seconds for each half")
    return options.parse_args()


def main() -> int:
    """Status 0 where the words agree well enough, 1 where they do not, or a server fails."""
    given = _given()
    try:
        said = speak(given.tts, given.sentence, given.language, given.voice, given.timeout)
        heard = hear(given.asr, said, given.language, given.timeout)
    except grpc.RpcError as error:
        sys.stderr.write(f"round-trip: {error.code().name}: {error.details()}\n")
        return 1
    rate = word_error_rate(given.sentence, heard)
    seconds = len(said) / 2 / _RATE_HZ
    sys.stdout.write(f"said:  {given.sentence} ({seconds:.1f} s)\nheard: {heard}\n")
    sys.stdout.write(f"word error rate {rate:.2f}, allowed {given.max_word_error_rate}\n")
    return 0 if said and rate <= given.max_word_error_rate else 1


if __name__ == "__main__":
    sys.exit(main())
