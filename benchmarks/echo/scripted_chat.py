"""A chat model that knows from the system prompt which call it is asked in."""

from collections.abc import Sequence

from voice_gateway.testing.fake_chat import FakeChat

from echo.call_plans import Plan

TYPED = "Question "
"""What every typed question begins with."""


class Chat:
    """What the model was asked in each call, and what it answers."""

    def __init__(self, plans: Sequence[Plan]) -> None:
        self._plans = {plan.name: plan for plan in plans}
        self._asked: dict[str, list[str]] = {}
        self.served = FakeChat(self._reply, first_token_s=0.12, token_s=0.01)

    def question(self, call: str) -> str:
        """The last question of this call."""
        return self._asked.get(call, [""])[-1]

    def _reply(self, messages: Sequence[dict[str, str]], _ordinal: int) -> str:
        call = messages[0]["content"]
        questions = [each["content"] for each in messages if each["role"] == "user"]
        if call not in self._plans or not questions:
            return "Very well."
        self._asked.setdefault(call, []).append(questions[-1])
        plan = self._plans[call]
        if not plan.asks:
            return plan.reply_to(len(questions))
        typed = sum(question.startswith(TYPED) for question in questions)
        return plan.reply_to(typed) if questions[-1].startswith(TYPED) else "Very well."
