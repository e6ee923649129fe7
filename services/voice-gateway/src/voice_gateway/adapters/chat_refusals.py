"""Reads why a chat endpoint refused a request: too long, or roles in an order it does not take.

The servers have no common code for either, so their texts are read. Each pattern names who writes
so. Pure.
"""

import re
from dataclasses import dataclass

from voice_gateway.adapters.chat_roles import RoleRules

_READ_CHARS = 4_000
_LEAST_LIMIT, _MOST_LIMIT = 128, 50_000_000
_ANSWERS_ABOUT_A_REQUEST = frozenset({None, 400, 413, 422, 500})
"""The statuses of such refusals; None: an error inside a stream. 500 is llama.cpp's for templates.
"""

_NUMBER = r"(\d[\d,_]*)"
_TOO_LONG = re.compile(
    r"context_(length|window)_exceeded|exceed_context_size"  # OpenAI, Groq, llama.cpp
    r"|(maximum|model'?s) (context|model) (length|limit)"  # vLLM, NIM, SGLang, OpenRouter, Mistral
    r"|exceed\w* (the |its |a )?(available |model'?s |maximum |max )?context"  # llama.cpp, Ollama
    r"|context (length|size|window|limit) (has been |is |was )?exceed"  # LM Studio, LocalAI
    r"|greater than the context length|context the overflows"  # LM Studio
    r"|max_model_len|max_total_tokens|max_seq_len"  # vLLM, TensorRT-LLM
    r"|inputs.{0,3} tokens \+ .{0,3}max_new_tokens|must have less than \d+ tokens"  # TGI
    r"|prompt (is )?too long|input is too long|message\w* too long"  # Anthropic, Bedrock, Ollama
    r"|prompt length .{0,40}exceed|exceeds? (the )?(maximum|max) (allowed )?(input|prompt) length"
    r"|maximum prompt length|exceeds the limit of \d"  # xAI, Copilot
    r"|reduce the length of|token count .{0,30}exceeds|maximum number of tokens"  # Groq, Gemini
    r"|tokens? exceed|exceeded model token limit|too many tokens|too large for (the )?model",
    re.IGNORECASE,
)
_LIMITS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"{_NUMBER} maximum",
        rf"context (?:length|window|size|limit)(?! by)[^\d]{{0,30}}{_NUMBER}",
        rf"n_ctx\W{{1,4}}{_NUMBER}",
        rf"(?:max_model_len|max_total_tokens|max_seq_len)\W{{1,4}}(?:\w+=)?{_NUMBER}",
        rf"must be <= {_NUMBER}",
        rf"less than {_NUMBER} tokens",
        rf"(?:limit of|tokens allowed|max\w* (?:prompt|input) length)[^\d]{{1,10}}{_NUMBER}",
    )
)
_COUNTS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"{_NUMBER} (?:tokens )?(?:in|of|from) (?:the |your )?(?:messages|prompt|text|input)",
        rf"n_prompt_tokens\W{{1,4}}{_NUMBER}",
        rf"(?:passed|has|contains(?: at least)?|given:|resulted in) {_NUMBER}",
        rf"(?:request|input) \({_NUMBER} tokens\)",
        rf"too long: {_NUMBER} tokens",
    )
)

_NO_QUESTION = re.compile(r"no user query found", re.IGNORECASE)
"""Qwen's template; in Ollama also where a prompt was too long, and lost its questions for that."""

_ROLES: tuple[tuple[re.Pattern[str], RoleRules], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), rules)
    for pattern, rules in (
        # Mistral 7B's first template; Phi and others that know no tools
        (
            r"only user and assistant roles",
            RoleRules(alternate=True, system=False, tools=False),
        ),
        (r"only user, system and assistant roles", RoleRules(alternate=True, tools=False)),
        # Gemma; hosted models without instructions
        (
            r"system (role|message|prompt)s? (is |are )?(not|un)[ -]?(supported|allowed)"
            r"|does not support (a |the )?system|developer instruction is not enabled",
            RoleRules(alternate=True, system=False),
        ),
        # Mistral's templates in vLLM and llama.cpp; Perplexity
        (
            r"after the \(?optional\)? system message|system message must be (at the|first)",
            RoleRules(alternate=True),
        ),
        # Mistral's API and its NIMs
        (r"expected last role|unexpected role|invalid_request_message_order", RoleRules(True)),
        # Anthropic, Bedrock and Gemini behind proxies
        (
            r"(first|last) message (must|should|has to)|(must|should) (start|begin|end) with a user"
            r"|ends with a user|incorrect role information|assistant messages at the end",
            RoleRules(alternate=True),
        ),
        # Llama 2, Mistral 7B and Gemma in any server: some of them mean the system message, too
        (
            r"roles (must|should) alternate|alternat\w+ (between|user|with)|must alternate",
            RoleRules(alternate=True, system=False),
        ),
    )
)


@dataclass(frozen=True, slots=True)
class TooLong:
    """The request has more tokens than the model takes."""

    limit: int | None = None
    """The tokens that it takes; None: not told."""
    counted: int | None = None
    """The tokens of the request's messages; None: not told."""


def refusal(status: int | None, text: str, *, asked: bool) -> TooLong | RoleRules | None:
    """Why the request was refused; None: for another reason.

    `status` is the answer's status, None where the error came inside a stream. `asked` says
    whether the request had a user message.
    """
    text = text[:_READ_CHARS]
    if status not in _ANSWERS_ABOUT_A_REQUEST:
        return None
    if _NO_QUESTION.search(text):
        return TooLong() if asked else RoleRules(alternate=True)
    if _TOO_LONG.search(text):
        return TooLong(_first(_LIMITS, text), _first(_COUNTS, text))
    for pattern, rules in _ROLES:
        if pattern.search(text):
            return rules
    return None


def _first(patterns: tuple[re.Pattern[str], ...], text: str) -> int | None:
    for pattern in patterns:
        if found := pattern.search(text):
            number = int(re.sub(r"\D", "", found[1]))
            if _LEAST_LIMIT <= number <= _MOST_LIMIT:
                return number
    return None
