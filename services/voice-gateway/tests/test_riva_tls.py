"""Riva behind TLS, as hosted Riva is: the right authority is trusted, any other is not."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import grpc.aio
import pytest
import trustme
from voice_gateway.adapters.riva_link import RivaConnection
from voice_gateway.adapters.riva_tts import RivaVoice
from voice_gateway.errors import Unavailable
from voice_gateway.testing.fake_riva import FakeRiva


@asynccontextmanager
async def behind_tls(riva: FakeRiva, authority: trustme.CA) -> AsyncGenerator[str]:
    """Serve the scripted voice on a TLS port of its own; give its address."""
    certificate = authority.issue_cert("localhost")
    key, chain = certificate.private_key_pem.bytes(), certificate.cert_chain_pems[0].bytes()
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    riva.voice.add_to(server)
    port = server.add_secure_port("localhost:0", grpc.ssl_server_credentials([(key, chain)]))
    await server.start()
    yield f"localhost:{port}"
    await server.stop(None)


def voice_at(uri: str, authority: trustme.CA, folder: Path) -> RivaVoice:
    ca = folder / "ca.pem"
    authority.cert_pem.write_to_path(str(ca))
    return RivaVoice(RivaConnection("tts", uri, tls=True, tls_ca=ca, api_key="k"), timeout_s=60.0)


async def test_a_trusted_riva_speaks_over_tls_and_gets_the_key(tmp_path: Path):
    riva, authority = FakeRiva(), trustme.CA()
    async with behind_tls(riva, authority) as uri:
        voice = voice_at(uri, authority, tmp_path)
        spoken = [
            chunk
            async for chunk in voice.speak("hello", language="en-US", voice="", rate_hz=16_000)
        ]
        await voice.close()
    assert b"".join(chunk.pcm for chunk in spoken) == riva.voice.pcm("hello", 16_000)
    assert riva.voice_calls[0].metadata["authorization"] == "Bearer k"


async def test_a_riva_of_another_authority_is_not_trusted(tmp_path: Path):
    async with behind_tls(FakeRiva(), trustme.CA()) as uri:
        voice = voice_at(uri, trustme.CA(), tmp_path)
        with pytest.raises(Unavailable, match="Riva TTS at localhost"):
            await voice.check()
        await voice.close()
