"""A client built from the contract of the first version, in a process of its own, unchanged."""

import sys
from pathlib import Path

from owned_processes import output
from voice_gateway.testing.fake_chat import FakeChat
from voice_gateway.testing.fake_riva import FakeRiva, Says

from .conftest import Serve

RELEASED = Path(__file__).parents[2] / "voice-proto" / "released"

CLIENT = """
import sys
import grpc
import voice_workflow_pb2 as pb, voice_workflow_pb2_grpc as pb_grpc

def messages():
    yield pb.ClientMessage(config=pb.VoiceConfig(language_code="en-US", sample_rate=16000))
    for _ in range(8):
        yield pb.ClientMessage(audio_chunk=bytes(8192))

words = text = ""
audio = 0
with grpc.insecure_channel(sys.argv[1]) as channel:
    for message in pb_grpc.VoiceGatewayStub(channel).StreamAudio(messages(), timeout=60):
        match message.WhichOneof("content"):
            case "transcript_chunk":
                words = message.transcript_chunk
            case "llm_response_chunk":
                text += message.llm_response_chunk
            case "audio_chunk":
                audio += len(message.audio_chunk)
            case "event":
                print(pb.EventType.Name(message.event.type))
print(words, text.strip(), audio, sep="|")
"""


async def run(*command: str, cwd: Path) -> str:
    status, out, complaints = await output(*command, cwd=cwd)
    assert status == 0, complaints
    return out


async def test_a_client_of_the_first_version_works_unchanged(serve: Serve, tmp_path: Path):
    compiler = (sys.executable, "-m", "grpc_tools.protoc", f"-I{RELEASED}", "--python_out=.")
    await run(*compiler, "--grpc_python_out=.", "voice_workflow.proto", cwd=tmp_path)
    (tmp_path / "client.py").write_text(CLIENT)
    riva = FakeRiva(says=[Says("what is the weather", 0.3, 1.0)])
    async with serve(riva, FakeChat(replies=["It is sunny."])) as gateway:
        out = await run(sys.executable, "client.py", f"127.0.0.1:{gateway.port}", cwd=tmp_path)
        spoken = sum(call.bytes_sent for call in riva.voice_calls)
    assert out.split("\n")[:-1] == [
        "LISTENING",
        "PROCESSING",
        "SPEAKING",
        "END_OF_TURN",
        f"what is the weather|It is sunny.|{spoken}",
    ]
