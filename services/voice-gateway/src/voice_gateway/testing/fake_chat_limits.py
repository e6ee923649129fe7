"""Refuses chat requests as model servers do: for their length, and for the order of their roles.

    FakeChat(limits=Limits(tokens=4096, server="vLLM"))
    FakeChat(limits=Limits(template=Template(alternate=True)))

The texts are those of the servers, word for word.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from voice_gateway.testing.fake_chat_wire import Json

_TOKEN = re.compile(r"[A-Za-z]{1,4}|[^\sA-Za-z]")
_PER_MESSAGE = 5


@dataclass(frozen=True, slots=True)
class Refused:
    status: int
    body: Json


@dataclass(frozen=True, slots=True)
class Template:
    """What a chat template raises an exception for; the defaults take everything."""

    alternate: bool = False
    system: bool = True
    tools: bool = True
    status: int = 400
    """400 in vLLM and NIM, 500 in llama.cpp."""

    def refusal(self, messages: Sequence[Json]) -> str | None:
        roles = [message["role"] for message in messages]
        if roles[:1] == ["system"]:
            if not self.system:
                return "System role not supported"
            roles = roles[1:]
        if not self.tools and "tool" in roles:
            return "Only user, system and assistant roles are supported!"
        if self.alternate and not _alternate(roles):
            text = "conversation roles must alternate user/assistant/user/assistant/..."
            return (
                f"After the optional system message, {text}" if self.system else text.capitalize()
            )
        return None


def _alternate(roles: Sequence[str]) -> bool:
    """Whether they take turns; a tool's output stands between a call and what the model says."""
    if any(a == "tool" and b == "user" for a, b in pairwise(roles)):
        return False
    turns = [role for n, role in enumerate(roles) if role != "tool" and not _calls(roles, n)]
    return bool(turns) and all(
        (role == "user") == (place % 2 == 0) for place, role in enumerate(turns)
    )


def _calls(roles: Sequence[str], place: int) -> bool:
    return roles[place] == "assistant" and list(roles[place + 1 : place + 2]) == ["tool"]


Count = Callable[[Sequence[Json]], int]


def count_tokens(messages: Sequence[Json]) -> int:
    """So many tokens as the scripted tokenizer makes of a chat: some letters, or one sign each."""
    texts = (f"{message.get('content') or ''} {_calls_of(message)}" for message in messages)
    return sum(_PER_MESSAGE + len(_TOKEN.findall(text)) for text in texts)


def _calls_of(message: Json) -> str:
    calls = (call["function"] for call in message.get("tool_calls") or ())
    return " ".join(f"{call['name']} {call['arguments']}" for call in calls)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a scripted model takes."""

    tokens: int | None = None
    """The context size; None: any."""
    server: str = "vLLM"
    """Whose texts it refuses with: a key of REFUSALS."""
    told: bool = False
    """The list of models tells the context size, as vLLM's does."""
    template: Template = Template()
    in_stream: bool = False
    """It refuses with an error inside a stream of status 200."""
    count: Count = count_tokens

    def refusal(self, body: Json) -> Refused | None:
        messages: list[Json] = body["messages"]
        if why := self.template.refusal(messages):
            return _of_template(self.template.status, why)
        if self.tokens is None:
            return None
        prompt, reply = self.count(messages), body.get("max_tokens") or 1
        counts_reply = self.server not in _ANY_REPLY
        if prompt + (reply if counts_reply else 0) <= self.tokens:
            return None
        return REFUSALS[self.server](self.tokens, prompt, reply)

    def listed(self, model: Json) -> Json:
        return model | {"max_model_len": self.tokens} if self.told else model


def _of_template(status: int, why: str) -> Refused:
    if status == 400:
        return Refused(400, _error(why, "BadRequestError", 400))
    source = (
        f"\n------------\nWhile executing CallExpression at line 19, column 27 in source:\n{why}"
    )
    return Refused(500, _error(f"{source}\nError: Jinja Exception: {why}", "server_error", 500))


def _error(message: str, kind: str = "invalid_request_error", code: object = None) -> Json:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def _vllm(limit: int, prompt: int, reply: int) -> Refused:
    text = (
        f"This model's maximum context length is {limit} tokens. However, you requested "
        f"{prompt + reply} tokens ({prompt} in the messages, {reply} in the completion). Please "
        "reduce the length of the messages or completion."
    )
    return Refused(
        400, {"object": "error", "message": text, "type": "BadRequestError", "code": 400}
    )


def _newer_vllm(limit: int, prompt: int, reply: int) -> Refused:
    text = (
        f"You passed {prompt} input tokens and requested {reply} output tokens. However, the "
        f"model's context length is only {limit} tokens, resulting in a maximum input length of "
        f"{limit - reply} tokens. Please reduce the length of the input prompt. "
        f"(parameter=input_tokens, value={prompt})"
    )
    return Refused(400, _error(text, "BadRequestError", 400))


def _llama_cpp(limit: int, prompt: int, reply: int) -> Refused:
    text = (
        f"request ({prompt} tokens) exceeds the available context size ({limit} tokens), try "
        "increasing it"
    )
    body = _error(text, "exceed_context_size_error", 400)
    body["error"] |= {"n_prompt_tokens": prompt, "n_ctx": limit}
    return Refused(400, body)


def _openai(limit: int, prompt: int, reply: int) -> Refused:
    text = (
        f"This model's maximum context length is {limit} tokens. However, your messages resulted "
        f"in {prompt} tokens. Please reduce the length of the messages."
    )
    return Refused(400, _error(text, code="context_length_exceeded"))


def _newer_openai(limit: int, prompt: int, reply: int) -> Refused:
    text = "Your input exceeds the context window of this model. Please adjust your input."
    return Refused(400, _error(text, code="context_length_exceeded"))


def _sglang(limit: int, prompt: int, reply: int) -> Refused:
    text = (
        f"Requested token count exceeds the model's maximum context length of {limit} tokens. You "
        f"requested a total of {prompt + reply} tokens: {prompt} tokens from the input messages "
        f"and {reply} tokens for the completion. Please reduce the number of tokens."
    )
    return Refused(
        400, {"object": "error", "message": text, "type": "BadRequestError", "code": 400}
    )


def _tgi(limit: int, prompt: int, reply: int) -> Refused:
    text = (
        f"Input validation error: `inputs` tokens + `max_new_tokens` must be <= {limit}. "
        f"Given: {prompt} `inputs` tokens and {reply} `max_new_tokens`"
    )
    return Refused(422, {"error": text, "error_type": "validation"})


def _ollama(limit: int, prompt: int, reply: int) -> Refused:
    text = f"prompt too long; exceeded max context length by {prompt - limit} tokens"
    return Refused(400, _error(text, "api_error"))


def _lm_studio(limit: int, prompt: int, reply: int) -> Refused:
    text = (
        f"Trying to keep the first {prompt} tokens when context the overflows. However, the model "
        f"is loaded with context length of only {limit} tokens, which is not enough."
    )
    return Refused(400, {"error": text})


def _litellm(limit: int, prompt: int, reply: int) -> Refused:
    text = (
        "litellm.BadRequestError: litellm.ContextWindowExceededError: AnthropicError - "
        '{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: '
        f'{prompt} tokens > {limit} maximum"}}}}'
    )
    return Refused(400, _error(text, code="400"))


REFUSALS: Mapping[str, Callable[[int, int, int], Refused]] = {
    "vLLM": _vllm,
    "newer vLLM": _newer_vllm,
    "llama.cpp": _llama_cpp,
    "OpenAI": _openai,
    "newer OpenAI": _newer_openai,
    "SGLang": _sglang,
    "TGI": _tgi,
    "Ollama": _ollama,
    "LM Studio": _lm_studio,
    "LiteLLM": _litellm,
}
_ANY_REPLY = frozenset({"llama.cpp", "OpenAI", "newer OpenAI", "Ollama", "LM Studio", "LiteLLM"})
"""Who looks at the prompt alone."""
