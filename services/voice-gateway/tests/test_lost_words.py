"""No word is lost, doubled or answered by half when the recogniser fails or is late."""

import random
from dataclasses import dataclass, field
from functools import cache

import pytest
from voice_gateway.adapters.riva_asr import RecogniserOptions, RivaRecogniser
from voice_gateway.call.session import CallOptions, Session
from voice_gateway.conversation.policy import TurnPolicy
from voice_gateway.messages import Audio, CallConfig, Failed, Processing, ToCaller, Transcript
from voice_gateway.ports import Services
from voice_gateway.testing import virtual_time
from voice_gateway.testing.fake_riva_transcripts import TimedWord
from voice_gateway.testing.marked_riva import (
    KINDS,
    RATE_HZ,
    Fault,
    Kind,
    MarkedRiva,
    marked_audio,
    words,
)
from voice_gateway.testing.scripted import (
    ScriptedActivity,
    ScriptedCaller,
    ScriptedModel,
    ScriptedVoice,
    Sends,
)

SENTENCE = "please transfer five hundred dollars to Bob from my savings account"
FRAME_S = 0.04
SEEDED = 200
POLICY = TurnPolicy()


@cache
def audio(seconds: float) -> tuple[Sends, ...]:
    """The caller's audio, whose samples say when they were said, in frames on time."""
    ends = [n * FRAME_S for n in range(1, round(seconds / FRAME_S))]
    return tuple(Sends(end, Audio(marked_audio(end - FRAME_S, end))) for end in ends)


@dataclass
class Spoken:
    """One call in which this is said, to the adapter of Riva and its scripted server."""

    said: tuple[TimedWord, ...] = words(SENTENCE, 1.0, 5.4)
    riva: MarkedRiva = field(default_factory=lambda: MarkedRiva(()))
    seconds: float = 20.0
    voiced: tuple[tuple[float, bool], ...] = ()
    timeout_s: float = 5.0
    policy: TurnPolicy = POLICY
    language: str = "en-US"
    received: list[tuple[float, ToCaller]] = field(default_factory=list[tuple[float, ToCaller]])
    asked: list[str] = field(default_factory=list[str])
    spoken: list[str] = field(default_factory=list[str])
    error: Exception | None = None

    def run(self) -> "Spoken":
        virtual_time.run(self._run())
        return self

    async def _run(self) -> None:
        self.riva.words = self.said
        voice_ends = self.said[-1].end_s + 0.05
        edges = self.voiced or ((self.said[0].start_s, True), (voice_ends, False))
        caller = ScriptedCaller(audio(self.seconds), self.seconds)
        model, voice = ScriptedModel(["Done."] * 20), ScriptedVoice()
        recogniser = RivaRecogniser(
            self.riva.connection(), RecogniserOptions(timeout_s=self.timeout_s)
        )
        services = Services(recogniser, model, voice, lambda _: ScriptedActivity(edges))
        config = CallConfig("test", self.language, RATE_HZ, "", "Be brief.", False, "")
        try:
            await Session(caller, services, config, CallOptions(policy=self.policy)).run()
        except Exception as error:  # noqa: BLE001  # tests check it
            self.error = error
        self.received, self.spoken = caller.received, voice.spoken
        self.asked = [history[-1].text for history in model.asked]

    def turns(self) -> list[float]:
        """When each reply was begun for the caller to hear."""
        return [at for at, message in self.received if isinstance(message, Processing)]

    def answered(self) -> bool:
        """Whether the whole of it was asked, once, and nothing else was answered."""
        said = " ".join(word.text for word in self.said)
        return self.asked[-1:] == [said] and len(self.turns()) == 1 and not self.asked_again()

    def asked_again(self) -> bool:
        return POLICY.request_to_repeat().split(".")[0] + "." in self.spoken

    def finals(self) -> list[str]:
        return [m.text for _, m in self.received if isinstance(m, Transcript) and m.final]

    def failures(self) -> list[float]:
        return [at for at, message in self.received if isinstance(message, Failed)]


def test_a_sentence_is_asked_once_where_nothing_fails():
    call = Spoken().run()
    assert call.answered()
    assert call.turns() == [pytest.approx(5.45 + 0.6, abs=0.3)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_stream_lost_in_mid_sentence_costs_no_word(kind: Kind):
    call = Spoken(riva=MarkedRiva((), faults=[Fault(1.8, kind)])).run()
    assert call.answered(), (call.asked, call.spoken)
    assert call.finals() == [SENTENCE]
    assert len(call.failures()) == 1
    assert call.error is None


@pytest.mark.parametrize("kind", ["killed", "hung", "not found"])
def test_a_sentence_after_a_silence_costs_no_word_either(kind: Kind):
    """The silence was let go of, and so the interim was taken for all that was left."""
    late = words(SENTENCE, 6.0, 10.4)
    for at in (6.1, 6.8, 7.5, 8.2, 8.9, 9.6, 10.3):
        call = Spoken(late, MarkedRiva((), faults=[Fault(at, kind)]), seconds=26.0).run()
        assert call.answered(), (at, call.asked)


@pytest.mark.parametrize("kind", ["not found", "unknown model", "no such method"])
def test_a_stream_that_was_accepted_blames_no_config(kind: Kind):
    """It was accepted by its metadata alone, as the server answers no silence."""
    riva = MarkedRiva((), tells_silence=False, faults=[Fault(1.0, kind)])
    call = Spoken(riva=riva).run()
    assert call.error is None
    assert call.answered()
    assert len(call.failures()) == 1


@pytest.mark.parametrize("kind", ["killed", "reset", "hung", "not found"])
def test_streams_lost_at_any_moment_cost_no_word(kind: Kind):
    dice = random.Random(kind)
    moments = [dice.uniform(0.5, 7.0) for _ in range(SEEDED // 4)]
    calls = [Spoken(riva=MarkedRiva((), faults=[Fault(at, kind)])).run() for at in moments]
    whole = [call for call in calls if call.answered()]
    told = [call for call in calls if call.asked_again()]
    waits = sorted(call.turns()[0] - 5.45 for call in whole)
    print(
        f"{kind}: {len(whole)} of {len(calls)} answered whole, {len(told)} asked again,"
        f" answered after {waits[len(waits) // 2]:.2f} s (p50), {waits[-1]:.2f} s at most"
    )
    assert len(whole) >= 0.99 * len(calls), [
        (at, call.asked) for at, call in zip(moments, calls, strict=True) if not call.answered()
    ]
    assert not any(call.error for call in calls)


def test_a_recogniser_that_is_late_is_never_answered_on_a_prefix():
    dice = random.Random(12)
    lags = [dice.uniform(0.2, 5.0) for _ in range(SEEDED)]
    calls = [Spoken(riva=MarkedRiva((), behind_s=lag)).run() for lag in lags]
    waits = sorted(call.turns()[0] - 5.45 - lag for lag, call in zip(lags, calls, strict=True))
    print(
        f"late: answered {waits[SEEDED // 2]:.2f} s (p50), {waits[-1]:.2f} s at most after"
        " the recogniser had come to the end of the speech"
    )
    assert [call.asked for call in calls if not call.answered()] == []


@pytest.mark.parametrize("tells_position", [True, False])
def test_a_recogniser_that_stands_still_is_waited_for(tells_position: bool):
    """It answers all audio, and then none for seconds: what it gave by then is a prefix."""
    dice = random.Random(7)
    moments = [dice.uniform(1.5, 5.5) for _ in range(20)]
    stands = [(at, at + dice.uniform(1.0, 4.0)) for at in moments]
    rivas = [MarkedRiva((), tells_position=tells_position, still=still) for still in stands]
    calls = [Spoken(riva=riva).run() for riva in rivas]
    assert [call.asked for call in calls if not call.answered()] == []


def test_a_recogniser_that_gives_nothing_has_the_caller_asked_once():
    """It is there, and so late that it has no word when the bound is over."""
    riva = MarkedRiva((), still=(0.9, 14.0))
    call = Spoken(riva=riva, seconds=30.0, timeout_s=0.0).run()
    assert call.spoken.count("Please say it again.") == 1
    assert call.turns()[0] == pytest.approx(5.45 + 6.0, abs=0.3)
    assert call.asked[-1] == SENTENCE
    assert call.failures() == []


@pytest.mark.parametrize(
    ("language", "own", "said"),
    [
        ("de-DE", "", "Bitte sagen Sie es noch einmal."),
        ("xx-XX", "", "Please say it again."),
        ("de-DE", "Once more?", "Once more?"),
    ],
)
def test_the_caller_is_asked_in_the_language_of_the_call(language: str, own: str, said: str):
    policy = TurnPolicy(say_again=own)
    riva = MarkedRiva((), still=(0.9, 14.0))
    call = Spoken(riva=riva, timeout_s=0.0, policy=policy, language=language).run()
    assert said in call.spoken


def test_a_caller_who_says_it_again_is_heard_once_where_the_stream_is_lost_after_all():
    said = words(SENTENCE, 1.0, 5.4) + words(SENTENCE, 13.0, 17.4)
    riva = MarkedRiva((), still=(0.9, 13.6), faults=[Fault(13.5, "killed")])
    voiced = ((1.0, True), (5.45, False), (13.0, True), (17.45, False))
    call = Spoken(said, riva, seconds=30.0, timeout_s=0.0, voiced=voiced).run()
    assert call.spoken.count("Please say it again.") == 1
    assert call.asked[-1] == SENTENCE


def test_a_recogniser_that_stays_away_has_the_caller_asked_once():
    """It is refused for good after the first words: half of the sentence is not answered."""
    faults = [Fault(1.9 + n / 10, "killed") for n in range(400)]
    call = Spoken(riva=MarkedRiva((), faults=faults), seconds=30.0).run()
    assert call.spoken.count("Please say it again.") == 1
    assert call.turns() == [pytest.approx(5.45 + 0.3 + 6.0, abs=0.7)]


def test_a_connection_that_went_silent_is_dialled_again():
    riva = MarkedRiva((), faults=[Fault(1.8, "hung"), Fault(1.9, "hung")])
    call = Spoken(riva=riva, seconds=30.0, timeout_s=1.0).run()
    assert riva.opened == 2
    assert len(call.failures()) == 2
    assert call.answered()


def test_a_recogniser_that_answers_no_silence_is_not_taken_for_dead():
    riva = MarkedRiva((), tells_silence=False)
    call = Spoken(riva=riva, seconds=60.0).run()
    assert (riva.streams, call.failures()) == (1, [])
    assert call.answered()
