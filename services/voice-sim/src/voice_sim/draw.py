"""Draws the script of a call from its seed.

Times are on a grid of 10 ms, and many delays are 0, so that things often happen at the same
moment.
"""

from dataclasses import replace

from voice_gateway.call.session import CallOptions
from voice_gateway.conversation.policy import TurnPolicy
from voice_gateway.speaking.reply import ReplyOptions

from voice_sim.dice import Dice
from voice_sim.draw_floor import Floor
from voice_sim.draw_requests import Requests
from voice_sim.marked_words import GOODBYE, GREETING, PROMPT, canned
from voice_sim.script import (
    OPTIONS,
    Act,
    Answers,
    ApologyMade,
    Call,
    Deed,
    Ending,
    ModelTrouble,
    Opinion,
    Recognised,
    RecogniserFault,
    RecogniserTrouble,
    Script,
    Speaks,
    Stall,
    Voiced,
    VoiceTrouble,
)

_FOR_EVER_S = 1e6
_INSTANT_DEEDS: tuple[Deed, ...] = ("types", "interrupts", "plays", "ends_utterance")
_RECOVERABLE_TROUBLES: tuple[RecogniserTrouble, ...] = (
    "unavailable", "timed_out", "idle", "ended", "silent", "down", "deaf",
)  # fmt: skip
_RECOGNISER_TROUBLES: tuple[RecogniserTrouble, ...] = (
    *_RECOVERABLE_TROUBLES,
    "rejected",
    "misconfigured",
)
_MODEL_TROUBLES: tuple[ModelTrouble, ...] = (
    "unavailable", "timed_out", "misconfigured", "empty", "endless",
)  # fmt: skip
_VOICE_TROUBLES: tuple[VoiceTrouble, ...] = (
    "unavailable", "timed_out", "rejected", "partial", "no_audio", "half_sample",
)  # fmt: skip


def drawn(seed: int) -> Script:
    """Draw a whole script, which is the same for the same seed on every machine."""
    return Floor(seed).added(drawn_without_floor(seed))


def drawn_without_floor(seed: int) -> Script:
    """Draw a script without small words, and noise that comes besides what is said."""
    return Requests(seed).added(drawn_without_requests(seed))


def drawn_without_requests(seed: int) -> Script:
    """Draw a script without a program's requests."""
    plain = _GatewayOptions(seed).added(drawn_plain(seed))
    return _Behind(seed).added(_Apology(seed).added(plain))


def drawn_plain(seed: int) -> Script:
    """Draw a script without requests, greeting, prompts, pauses and end-of-turn predictions."""
    return _Draw(seed).script()


class _GatewayOptions(Dice):
    """Draws what a gateway says unasked, its pauses, and its end-of-turn predictions.

    They have dice of their own, so that all else of a seed's call is the same with and without.
    """

    def __init__(self, seed: int) -> None:
        super().__init__(f"manners of {seed}")

    def added(self, script: Script) -> Script:
        call = replace(script.call, can_pause=self._happens(0.2))
        policy = self._unasked(call.policy)
        predictions: tuple[Opinion, ...] = ()
        if call.activity and self._happens(0.5):
            policy = replace(policy, halting_silence_s=self._pick(2.0, 2.0, 0.5, 5.0))
            predictions = tuple(self._prediction() for _ in range(self._pick(1, 3, 7)))
        call = replace(call, options=replace(call.options, policy=policy))
        return replace(script, call=call, opinions=predictions)

    def _unasked(self, policy: TurnPolicy) -> TurnPolicy:
        if self._happens(0.15):
            greeting = canned(GREETING, self._pick(1, 4, 12))
            policy = replace(
                policy, greeting=greeting, greeting_interruptible=not self._happens(0.5)
            )
        if self._happens(0.2):
            policy = replace(
                policy,
                idle_prompt_s=self._pick(1.0, 2.0, 4.0, 0.0),
                idle_prompt=canned(PROMPT, self._pick(1, 4, 8)),
                idle_end_s=self._pick(0.5, 2.0, 5.0, 0.0),
                goodbye=self._pick(canned(GOODBYE, self._pick(1, 2, 6)), ""),
            )
        return policy

    def _prediction(self) -> Opinion:
        probability = None if self._happens(0.1) else self._grid(0.0, 1.0)
        return Opinion(probability, 0.05 if self._happens(0.5) else self._soon(1.5))


class _Apology(Dice):
    """Draws when the apology is made, with dice of its own, too."""

    def __init__(self, seed: int) -> None:
        super().__init__(f"apology of {seed}")

    def added(self, script: Script) -> Script:
        made: ApologyMade = self._pick("before", "before", "at once", "slowly", "never")
        return replace(script, call=replace(script.call, apology=made))


class _Behind(Dice):
    """Draws how far the recogniser is behind, with dice of its own."""

    def __init__(self, seed: int) -> None:
        super().__init__(f"recogniser of {seed}")

    def added(self, script: Script) -> Script:
        call = script.call
        policy = replace(call.policy, late_wait_s=self._pick(6.0, 6.0, 2.0, 0.0))
        behind_s = self._soon(self._pick(0.3, 3.0, 8.0)) if self._happens(0.6) else None
        options = replace(call.options, policy=policy)
        return replace(script, call=replace(call, options=options, recogniser_behind_s=behind_s))


class _Draw(Dice):
    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self._seed = seed
        self._words = 0
        self._acts: list[Act] = []
        self._recognised: list[Recognised] = []
        self._troubled = self._happens(0.6)

    def script(self) -> Script:
        length_s = self._grid(1.0, self._pick(6.0, 15.0, 40.0))
        self._timeline(length_s)
        call = self._call(length_s)
        return Script(
            call,
            tuple(sorted(self._acts, key=lambda act: act.at)),
            tuple(sorted(self._recognised, key=lambda each: each.at)),
            self._voiced(),
            self._recogniser_faults(length_s),
            tuple(self._answer() for _ in range(self._dice.randint(1, 6))),
            tuple(self._speech() for _ in range(self._dice.randint(1, 5))),
            self._stalls(length_s),
        )

    def _said(self, mark: str, most: int = 5) -> str:
        """Draw words that were not said before in this call."""
        first = self._words + 1
        self._words += self._dice.randint(1, most)
        return " ".join(f"{mark}{n}" for n in range(first, self._words + 1))

    # The call.

    def _call(self, length_s: float) -> Call:
        endings: tuple[Ending, ...] = ("hangs up", "hangs up", "vanishes", "stays", "drained")
        rate_hz = self._pick(16_000, 16_000, 16_000, 16_000, 8_000, 24_000)
        return Call(
            seed=self._seed,
            rate_hz=rate_hz,
            options=self._options(),
            ending=self._pick(*endings),
            ends_at=self._grid(0.0, length_s * 1.3),
            activity=self._happens(0.6),
            headphones=self._happens(0.4),
            gone_at=self._grid(0.0, length_s) if self._happens(0.05) else None,
            recogniser_lag_s=self._soon(2.0),
            recogniser_obeys_s=self._soon(1.0) if self._happens(0.5) else None,
        )

    def _options(self) -> CallOptions:
        return replace(
            OPTIONS,
            playback_lead_s=self._pick(0.3, 0.3, 0.05, 0.0, 1.0),
            idle_timeout_s=self._pick(30.0, 30.0, 5.0, 300.0),
            longest_s=self._pick(600.0, 600.0, 600.0, 20.0),
            policy=self._policy(),
            reply=ReplyOptions(
                normalise=self._happens(0.8),
                min_words=self._pick(1, 1, 2, 4),
                trim_s=self._pick(0.0, 0.3),
            ),
        )

    def _policy(self) -> TurnPolicy:
        return replace(
            OPTIONS.policy,
            settle_s=self._pick(0.0, 0.0, 0.2, 0.8),
            max_silence_s=self._pick(3.0, 1.0),
            silence_s=self._pick(0.3, 0.3, 0.0, 0.6),
            unsure_silence_s=self._pick(0.6, 0.6, 0.0, 1.5),
            open_silence_s=self._pick(1.2, 1.2, 0.3, 4.0),
            final_wait_s=self._pick(0.7, 0.7, 0.0, 2.0),
            late_s=self._pick(2.0, 2.0, 0.0, 6.0),
            reopen_s=self._pick(1.0, 1.0, 0.0, 5.0),
            drafts=self._pick(3, 3, 0, 1),
            words_to_interrupt=self._pick(1, 1, 1, 2),
            memory_messages=self._pick(40, 40, 4, 1),
        )

    # The caller.

    def _timeline(self, length_s: float) -> None:
        if self._happens(0.85):
            self._audio(length_s)
        at = self._soon(1.5)
        while at < length_s:
            at = self._something(at) + self._soon(self._pick(0.3, 3.0, 6.0))

    def _audio(self, length_s: float) -> None:
        """Draw audio for the whole call, or some now and then, on time or in bursts."""
        if self._happens(0.5):
            self._acts.append(Act(0.0, "talks", seconds=length_s, frame_s=self._pick(0.1, 0.02)))
            return
        at = 0.0
        while at < length_s:
            seconds = self._grid(0.02, 4.0)
            burst = self._happens(0.4)
            self._acts.append(Act(at, "talks", seconds=seconds, frame_s=0.1, burst=burst))
            at = round(at + seconds + self._soon(4.0), 2)

    def _something(self, at: float) -> float:
        """Draw the caller's next act; return when it is done."""
        match self._dice.randrange(12):
            case 0:
                self._acts.append(Act(at, "types", self._said("t")))
            case 1:
                self._acts.append(Act(at, "interrupts"))
            case 2:
                self._acts.append(Act(at, "ends_utterance"))
            case 3:
                self._playback(at)
            case 4:
                self._noise(at)
            case 5:
                self._many_things_at_once(at)
            case _:
                return self._utterance(at)
        return at

    def _many_things_at_once(self, at: float) -> None:
        for _ in range(self._dice.randint(2, 4)):
            does = self._dice.choice(_INSTANT_DEEDS)
            text = self._said("t") if does == "types" else ""
            self._acts.append(Act(at, does, text, reply=self._dice.randint(0, 4)))

    def _playback(self, at: float) -> None:
        """Draw playback reports, which may be false or of a reply that does not exist."""
        for _ in range(self._dice.randint(1, 4)):
            reply, seconds = self._dice.randint(0, 5), self._grid(0.0, 6.0)
            self._acts.append(Act(round(at, 2), "plays", reply=reply, seconds=seconds))
            at += 0.2

    def _noise(self, at: float) -> None:
        """Draw an interim that gets no final with words."""
        self._recognised.append(Recognised(at, self._said("u", 2), final=False))
        if self._happens(0.7):
            self._recognised.append(Recognised(round(at + 0.2, 2), "", final=self._happens(0.5)))

    def _utterance(self, at: float) -> float:
        words = self._said("u", 6).split()
        if self._happens(0.8):
            for count in range(1, len(words) + 1):
                at = round(at + self._soon(0.3), 2)
                self._recognised.append(Recognised(at, " ".join(words[:count]), final=False))
        at = round(at + self._soon(0.8), 2)
        if self._happens(0.1):
            return at  # there is no final
        text = " ".join(words) + self._pick("", "", ".", "?", ",")
        self._recognised.append(Recognised(at, text, final=True))
        if self._happens(0.12):  # the final comes twice, or an interim after it
            late = round(at + self._soon(1.0), 2)
            self._recognised.append(Recognised(late, text, final=self._happens(0.5)))
        return at

    def _voiced(self) -> tuple[Voiced, ...]:
        """Draw voice activity: for most words, and some without words."""
        starts = [round(max(0.0, each.at - self._soon(0.6)), 2) for each in self._recognised]
        starts += [self._grid(0.0, 10.0) for _ in range(self._dice.randint(0, 3))]
        voiced: list[Voiced] = []
        silent_at = 0.0
        for at in sorted(starts):
            if at < silent_at or self._happens(0.1):
                continue
            seconds = max(0.02, self._soon(self._pick(0.5, 2.0)))
            voiced.append(Voiced(at, seconds))
            silent_at = at + seconds
        return tuple(voiced)

    # The services.

    def _recogniser_faults(self, length_s: float) -> tuple[RecogniserFault, ...]:
        if not self._troubled or self._happens(0.4):
            return ()
        all_troubles = self._happens(0.3)
        troubles = _RECOGNISER_TROUBLES if all_troubles else _RECOVERABLE_TROUBLES
        kinds: list[RecogniserTrouble] = [
            self._dice.choice(troubles) for _ in range(self._dice.randint(1, 4))
        ]
        most_s = self._pick(0.5, 8.0, 8.0, 90.0, _FOR_EVER_S)
        faults = [
            RecogniserFault(self._grid(0, length_s), kind, self._soon(most_s)) for kind in kinds
        ]
        return tuple(sorted(faults, key=lambda fault: fault.at))

    def _answer(self) -> Answers:
        trouble: ModelTrouble = ""
        if self._troubled and self._happens(0.3):
            trouble = self._dice.choice(_MODEL_TROUBLES)
        return Answers(
            words=self._pick(1, 4, 12, 12, 40),
            style=self._pick("plain", "plain", "markdown", "thinking", "breathless"),
            piece_chars=20 if trouble == "endless" else self._pick(1, 3, 6, 6, 20, 100),
            first_s=self._soon(self._pick(0.3, 2.0)),
            gap_s=self._soon(self._pick(0.05, 0.3)),
            trouble=trouble,
            after=self._pick(0, 1, 5, 20),
            stall_s=self._soon(5.0),
            closing_s=self._pick(0.0, 0.0, 0.0, 0.01, 0.1),
        )

    def _speech(self) -> Speaks:
        trouble: VoiceTrouble = ""
        if self._troubled and self._happens(0.3):
            trouble = self._dice.choice(_VOICE_TROUBLES)
        chunk_bytes = self._pick(6400, 3200, 1601, 333, 32_001)
        return Speaks(
            first_s=self._soon(self._pick(0.2, 2.0)),
            word_s=self._pick(0.2, 0.3, 0.41),
            chunk_bytes=chunk_bytes,
            gap_s=round(self._pick(0.0, 0.0, 0.1, 0.5, 1.3) * chunk_bytes / 32_000, 3),
            trouble=trouble,
            share=self._grid(0.0, 1.0),
            stall_s=self._soon(4.0),
        )

    def _stalls(self, length_s: float) -> tuple[Stall, ...]:
        if self._happens(0.8):
            return ()
        return tuple(
            Stall(self._grid(0, length_s), self._pick(0.05, 0.5, 3.0, 12.0, None))
            for _ in range(self._dice.randint(1, 3))
        )
