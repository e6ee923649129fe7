"""Says one utterance to the gateway's own session on a virtual clock, and notes what came of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from voice_gateway.call.session import CallOptions, Session
from voice_gateway.conversation.policy import TurnPolicy
from voice_gateway.messages import Audio, CallConfig, Processing, ReplyAudio
from voice_gateway.ports import Services, Uncounted
from voice_gateway.speaking.reply import ReplyOptions
from voice_gateway.testing import virtual_time
from voice_gateway.testing.scripted import ScriptedCaller, ScriptedModel, ScriptedVoice, Sends

from settings_sweep.stored_services import StoredActivity, StoredRecogniser, StoredSound
from settings_sweep.stored_speech import FRAME_S, Utterance
from settings_sweep.stored_words import STEP_S
from shared.recordings import RATE_HZ

_ANSWER = "It is sunny and warm there, with some wind from the west."
_OWN_ENDPOINT_S = 0.48  # ASR_STOP_HISTORY_MS
_WHOLE_SHARE = 0.8  # of an utterance's words: a question with fewer is a piece of it


@dataclass(frozen=True, slots=True)
class Setup:
    """One point of a sweep."""

    policy: TurnPolicy = field(default_factory=TurnPolicy)
    model: bool = True
    """The end-of-turn model listens."""
    obeys: bool = True
    """The recogniser gives its final words when it is asked (Riva 2.19 and later)."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What came of one utterance; times are seconds from the end of its speech."""

    decided_s: float | None
    answered_s: float | None
    early: bool
    """A turn was taken before the speech had ended."""
    talked_into: bool
    """Audio was sent before the speech had ended."""
    pieces: bool
    """The answer that stood in the end was not to the whole question."""
    requests: int
    prepared: "Prepared"


@dataclass(slots=True)
class Prepared(Uncounted):
    """Counts the answers prepared before their turn was over, and nothing else."""

    used: int = 0
    dropped: int = 0
    wasted: int = 0
    """Pieces of text, about a token each, that the dropped answers had."""

    def prepared(self, *, used: bool, pieces: int = 0) -> None:
        self.used += used
        self.dropped += not used
        self.wasted += pieces


def say(of: Utterance, setup: Setup) -> Answered:
    return virtual_time.run(_talk(of, setup))


async def _talk(of: Utterance, setup: Setup) -> Answered:
    frames = [Sends((n + 1) * FRAME_S, Audio(frame)) for n, frame in enumerate(of.frames())]
    caller = ScriptedCaller(frames, of.seconds)
    model = ScriptedModel([_ANSWER] * 40, first_s=0.12, word_s=0.01)
    services = Services(
        StoredRecogniser(of, obeys=setup.obeys, own_s=_OWN_ENDPOINT_S, step_s=STEP_S),
        model,
        ScriptedVoice(first_s=0.06),
        lambda _: StoredActivity(of),
        turn_sound=(lambda _: StoredSound()) if setup.model else None,
    )
    rules = CallOptions(policy=setup.policy, reply=ReplyOptions())
    config = CallConfig("sweep", "en-US", RATE_HZ, "", "Be brief.")
    prepared = Prepared()
    await Session(caller, services, config, rules, metrics=prepared).run()
    return _result(of, caller.received, model.asked, prepared)


def _result(
    of: Utterance,
    received: Sequence[tuple[float, Any]],
    asked: Sequence[Any],
    prepared: Prepared,
) -> Answered:
    end_s = of.speech_end_s
    taken = [(at, m.reply) for at, m in received if isinstance(m, Processing)]
    audio = [(at, m.reply) for at, m in received if isinstance(m, ReplyAudio)]
    last = taken[-1] if taken else None
    first_audio = next((at for at, reply in audio if last and reply == last[1]), None)
    words = len(of.recognised_until(of.seconds).split())
    question = asked[-1][-1].text if asked else ""
    return Answered(
        None if last is None else last[0] - end_s,
        None if first_audio is None else first_audio - end_s,
        any(at < end_s for at, _ in taken),
        any(at < end_s for at, _ in audio),
        len(question.split()) < _WHOLE_SHARE * words,
        len(asked),
        prepared,
    )
