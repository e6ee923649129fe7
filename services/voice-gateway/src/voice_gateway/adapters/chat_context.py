"""Knows how much one chat model takes, and fits requests into that.

The model's context size is set, told by the endpoint's list of models, or learnt from a refusal; so
is the order of roles that it takes. What is learnt holds for every later request.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from voice_gateway.adapters.chat_refusals import TooLong, refusal
from voice_gateway.adapters.chat_roles import RoleRules, ordered
from voice_gateway.adapters.chat_tokens import TokenRates
from voice_gateway.adapters.chat_wire import Json, request
from voice_gateway.conversation import Message
from voice_gateway.conversation.fitting import fitted
from voice_gateway.conversation.history import as_turns
from voice_gateway.messages import ModelOptions

log = logging.getLogger(__name__)

_UNTOLD_TOKENS = 16_384
"""The context of a model whose size nobody tells. Twenty turns with answers of 256 tokens have half
of it, so that it binds only who says much more."""
_LEAST_LEARNT = 512  # less is never the reason of a refusal that names no number
_MOST_REPLY = 0.5  # of the context: the rest is for what is answered
_MARGIN = 0.98
_AFTER_REFUSAL = 0.8
"""The share of the context that a request asked again may fill: it must not be refused again."""
_UNKNOWN_EXCESS = 1.5
"""How many times the estimate a request has that should have fitted, where nobody says."""
_TOLD_BY = "max_model_len", "context_length", "context_window", "max_context_length", "n_ctx"
_TRAINED_WITH = "n_ctx_train"  # what the model could take, if its server gave it the memory


@dataclass(frozen=True, slots=True)
class Sent:
    """A request as it was fitted, to learn from what comes of it."""

    body: Json
    history: tuple[Message, ...]
    system_prompt: str
    has_tools: bool
    head: float
    """The estimated tokens of all but its history."""
    reply: int
    """The tokens that its reply may have."""
    rates: TokenRates
    """The rates of the estimate."""
    rules: RoleRules
    """The order that its messages are in."""

    @property
    def tokens(self) -> float:
        """The estimate of its messages and tools."""
        return self.head + sum(map(self.rates.of_message, self.history))

    @property
    def asks(self) -> bool:
        return any(message["role"] == "user" for message in self.body["messages"])


class ChatContext:
    """What is known of one model at one endpoint. Shared by all calls; no method waits."""

    def __init__(self, model: str, set_tokens: int = 0) -> None:
        """`set_tokens` is the context size as the operator set it; 0: it is found out."""
        self._model = model
        self._set_tokens = set_tokens
        self._told: int | None = None
        self._learnt: int | None = None
        self._rates = TokenRates()
        self.rules = RoleRules()

    @property
    def tokens(self) -> int:
        """The context size that requests are fitted into: prompt and reply together."""
        known = self._set_tokens or self._told or _UNTOLD_TOKENS
        return min(known, self._learnt or known)

    def listed(self, models: Sequence[Mapping[str, Any]]) -> None:
        """Take in the endpoint's list of models; what it says of its size, if anything."""
        ours = [each for each in models if each.get("id") == self._model] or list(models)
        told = _context_size(ours[0]) if len(ours) == 1 else None
        if told != self._told:
            self._learnt = None  # another server, or the same one with other memory
            self._told = told

    def fit(
        self,
        history: Sequence[Message],
        system_prompt: str,
        asking: ModelOptions,
        max_tokens: int,
        *,
        again: bool = False,
    ) -> Sent:
        """A request that the model takes, as far as is known; `again`: one was just refused."""
        share = _AFTER_REFUSAL if again else _MARGIN
        reply = min(max_tokens, int(self.tokens * _MOST_REPLY))
        head = self._rates.of_head(system_prompt, asking.tools)
        room = self.tokens * share - reply - head
        kept = fitted(as_turns(tuple(history)), room, self._rates.of_message)
        body = request(self._model, kept, system_prompt, asking)
        body |= {"messages": ordered(body["messages"], self.rules), "max_tokens": reply}
        rates = replace(self._rates)  # as they are now
        return Sent(body, kept, system_prompt, bool(asking.tools), head, reply, rates, self.rules)

    def counted(self, sent: Sent, input_tokens: int) -> None:
        """The endpoint counted so many tokens in the messages of a request."""
        if input_tokens > 0 and not sent.has_tools:
            self._rates.counted(sent.history, sent.system_prompt, input_tokens)

    def refused(self, sent: Sent, status: int | None, text: str) -> bool:
        """Learn from a refusal; whether the request, fitted again, may be taken now."""
        match refusal(status, text, asked=sent.asks):
            case TooLong() as why:
                self._too_long(sent, why)
            case RoleRules() as rules if (self.rules & rules) != sent.rules:
                self.rules = self.rules & rules
                log.warning(
                    "%s takes no such order of roles; from now on: %s", self._model, self.rules
                )
            case _:
                return False
        return True

    def _too_long(self, sent: Sent, why: TooLong) -> None:
        estimate = sent.tokens
        whole = estimate + sent.reply
        if why.counted and why.counted > estimate:
            self._rates.raised(sent.rates, why.counted / estimate)
        elif why.limit and whole <= why.limit:
            self._rates.raised(sent.rates, _UNKNOWN_EXCESS)
        limit = why.limit or max(_LEAST_LEARNT, int(whole / 2))
        self._learnt = min(limit, self.tokens)
        log.warning("%s takes %d tokens, as its refusal tells", self._model, self._learnt)


def _context_size(model: Mapping[str, Any]) -> int | None:
    meta = model.get("meta")
    fields: dict[str, Any] = {**(meta if isinstance(meta, Mapping) else {}), **model}
    told = (_positive(fields.get(name)) for name in _TOLD_BY)
    trained_with = _positive(fields.get(_TRAINED_WITH))
    return next(filter(None, told), trained_with and min(trained_with, _UNTOLD_TOKENS))


def _positive(value: Any) -> int | None:
    return value if isinstance(value, int) and value > 0 else None
