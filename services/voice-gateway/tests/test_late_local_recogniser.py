"""The local stack's recogniser is late: nobody is answered on the words that it has by then."""

import asyncio
from dataclasses import dataclass, field

import numpy as np
import pytest
from voice_gateway.adapters.riva_asr import RecogniserOptions, RivaRecogniser
from voice_gateway.adapters.riva_link import RivaConnection
from voice_gateway.call.session import CallOptions, Session
from voice_gateway.conversation.policy import TurnPolicy
from voice_gateway.messages import (
    Audio,
    CallConfig,
    FromCaller,
    LineEcho,
    Processing,
    ToCaller,
    Transcript,
)
from voice_gateway.ports import Edge, Services
from voice_gateway.testing.scripted import RATE_HZ, ScriptedModel, ScriptedVoice
from voice_local.riva.server import RivaServer
from voice_local.testing import EnergyActivity, ToneRecogniser, ToneVoice, pcm, say, silence

FRAME_S = 0.04
FRAME_BYTES = round(FRAME_S * RATE_HZ) * 2
PAUSE_S = 0.64  # ends an utterance of the recogniser, and no turn
SILENCE_S = 1.4
SPOKEN = np.concatenate([silence(0.4), say("one two three"), silence(PAUSE_S), say("four five")])
BEFORE_THE_REST_S = 0.4 + 3 * 0.352 + PAUSE_S


class SoundActivity:
    """Hears a voice in whatever is loud."""

    echoed_at = float("-inf")
    unechoed_s = float("inf")

    def __init__(self) -> None:
        self._voiced = False
        self._soft_s = 0.0

    def feed(self, pcm: bytes, at: float) -> list[Edge]:
        loud = bool(np.abs(np.frombuffer(pcm, "<i2").astype(np.int32)).max() > 1_000)
        self._soft_s = 0.0 if loud else self._soft_s + FRAME_S
        voiced = loud or (self._voiced and self._soft_s < 0.2)
        changed, self._voiced = voiced != self._voiced, voiced
        return [Edge(voiced, 0.0 if voiced else self._soft_s)] if changed else []

    def plays(self, pcm: bytes, rate_hz: int, at: float) -> None:
        """Nothing of it comes back."""

    def expects(self, line: LineEcho) -> None:
        """Nothing comes back, whatever is said of the line."""

    def echoes(self) -> bool | None:
        return None


@dataclass
class LateCall:
    """A call to a gateway whose recogniser stands still once `still_after_s` of it was sent."""

    still_after_s: float
    recogniser: ToneRecogniser = field(default_factory=ToneRecogniser)
    received: list[ToCaller] = field(default_factory=list[ToCaller])
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    _sent: int = 0
    _began: float = 0.0
    _last: FromCaller | None = None

    async def receive(self) -> FromCaller | None:
        """The caller's audio on time; silence after it, until an answer is begun."""
        now = asyncio.get_running_loop().time()
        self._began = self._began or now
        await asyncio.sleep(self._began + self._sent * FRAME_S - now)
        if self._sent * FRAME_S >= self.still_after_s and not self._let_go():
            self.recogniser.gate.clear()
        audio = pcm(SPOKEN)[self._sent * FRAME_BYTES :][:FRAME_BYTES]
        self._sent += 1
        return None if self.answered.is_set() else Audio(audio.ljust(FRAME_BYTES, b"\0"))

    async def send(self, message: ToCaller) -> None:
        self.received.append(message)
        if isinstance(message, Processing):
            self.answered.set()
            self.recogniser.gate.set()

    def _let_go(self) -> bool:
        """A second after a turn would have been taken that does not wait for its words."""
        if self._sent * FRAME_S < len(SPOKEN) / RATE_HZ + SILENCE_S + 1.0:
            return False
        self.recogniser.gate.set()
        return True

    async def run(self) -> str:
        """What the model was asked last: drafts are asked before."""
        server = RivaServer(self.recogniser, ToneVoice(), EnergyActivity, host="127.0.0.1", port=0)
        riva = RivaRecogniser(
            RivaConnection("asr", f"127.0.0.1:{await server.start()}"), RecogniserOptions()
        )
        model = ScriptedModel(["Done."])
        services = Services(riva, model, ScriptedVoice(), lambda _: SoundActivity())
        config = CallConfig("test", "en-US", RATE_HZ, "", "Be brief.", False, "")
        policy = TurnPolicy(
            silence_s=SILENCE_S, unsure_silence_s=SILENCE_S, open_silence_s=SILENCE_S
        )
        try:
            await Session(self, services, config, CallOptions(policy=policy)).run()
        finally:
            self.recogniser.gate.set()
            await riva.close()
            await server.stop(0)
        return " ".join(said.text for said in model.asked[-1])


@pytest.mark.parametrize("words_by_then", ["none", "a final"])
async def test_a_recogniser_that_stands_still_is_waited_for(words_by_then: str):
    still_after_s = 0.5 if words_by_then == "none" else BEFORE_THE_REST_S
    call = LateCall(still_after_s)
    asked = await call.run()
    finals = [m.text for m in call.received if isinstance(m, Transcript) and m.final]
    assert finals == ["One two three.", "Four five."]
    assert asked.rstrip(".") == "One two three. Four five"
    assert [type(m) for m in call.received].count(Processing) == 1
