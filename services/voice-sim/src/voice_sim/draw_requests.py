"""Draws what a caller's program requests, besides what its caller says and does.

The requests have dice of their own, so that all else of a seed's call is the same without them.
"""

from dataclasses import replace

from voice_gateway.conversation.policy import TurnOptions

from voice_sim.dice import Dice
from voice_sim.script import Act, Role, Script

_OURS: tuple[str, ...] = "nobody's", "question-1", "question-2", "answer-1", "answer-2"
"""Messages that a program has not noted itself."""


class Requests(Dice):
    """Draws one program's requests at any time, often close to what the caller says."""

    def __init__(self, seed: int) -> None:
        super().__init__(f"requests of {seed}")
        self._words = 0
        self._names = list(_OURS)
        """The names of messages that may be withdrawn."""
        self._acts: list[Act] = []

    def added(self, script: Script) -> Script:
        if not self._happens(0.35):
            return script
        if self._happens(0.6):
            self._acts.append(Act(0.0, "adjusts", turns=self._turns()))
        moments = [*(each.at for each in script.recognised), *(each.at for each in script.voiced)]
        length_s = max([1.0, *moments])
        for _ in range(self._dice.randint(1, 8)):
            near = bool(moments) and self._happens(0.6)
            at = self._dice.choice(moments) + self._soon(1.0) if near else self._grid(0, length_s)
            self._request(round(at, 2))
        acts = sorted([*script.acts, *self._acts], key=lambda act: act.at)
        return replace(script, acts=tuple(acts))

    def _request(self, at: float) -> None:
        match self._dice.randrange(10):
            case 0 | 1:
                self._acts.append(Act(at, "asks", self._pick("", "Be long.")))
            case 2 | 3:
                self._acts.append(Act(at, "ends_utterance"))
                self._acts.append(Act(round(at + self._soon(0.3), 2), "asks"))
            case 4:
                self._acts.append(Act(at, "adjusts", turns=self._turns()))
            case 5 | 6:
                self._note(at)
            case 7:
                self._withdraw(at)
            case 8:
                reply, seconds = self._dice.randint(0, 5), self._grid(0.0, 6.0)
                self._acts.append(Act(at, "truncates", reply=reply, seconds=seconds))
            case _:
                self._acts.append(Act(at, "forgets"))

    def _note(self, at: float) -> None:
        """Draw a message to note, which is sometimes withdrawn or answered soon."""
        first = self._words + 1
        self._words += self._dice.randint(1, 3)
        text = " ".join(f"n{n}" for n in range(first, self._words + 1))
        name = f"note-{first}"
        roles: tuple[Role, ...] = ("user", "user", "assistant", "system")
        role = self._dice.choice(roles)
        self._acts.append(Act(at, "notes", text, name=name, role=role))
        self._names.append(name)
        later = round(at + self._soon(1.0), 2)
        if self._happens(0.2):
            self._withdraw(later)
        elif self._happens(0.4):
            self._acts.append(Act(later, "asks"))

    def _withdraw(self, at: float) -> None:
        name = self._dice.choice(self._names)
        self._acts.append(Act(at, "withdraws", name=name))

    def _turns(self) -> TurnOptions:
        return TurnOptions(
            by_hand=self._happens(0.4),
            answers=self._happens(0.7),
            interruptible=self._happens(0.75),
            silence_s=self._pick(None, None, 0.2, 1.0),
            patience=self._pick(1.0, 1.0, 0.5, 2.0),
            idle_s=self._pick(None, None, 0.0, 1.0, 3.0),
        )
