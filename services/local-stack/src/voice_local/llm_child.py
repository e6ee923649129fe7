# xllamacpp is a compiled module without types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportAttributeAccessIssue=false
"""The chat server's own process: llama.cpp behind the OpenAI API, until its parent ends it.

It takes one JSON object of `llm.ChatSettings` as its argument, prints one JSON line with its
address when it serves, and ends when its standard input does.
"""

import argparse
import json
import os
import signal
import sys
import urllib.request
from typing import Any

import xllamacpp

_BATCH = 32
"""Tokens computed at one go. While one caller's long prompt is read, the other callers get a token
between any two batches: small ones keep them from stalling (0.5 s at worst instead of 12 s with
the usual 2048, at the same speed)."""

_PROMPT_CACHE_MIB = 256
_LONGEST_REPLY = 512
"""Tokens of a reply where the request names no limit."""

_WARM_UP: dict[str, Any] = {
    "model": "any",
    "max_tokens": 1,
    "messages": [
        {
            "role": "system",
            "content": "You are a voice assistant. Answer in one or two short sentences.",
        },
        {"role": "user", "content": "Hello."},
    ],
}


def main() -> None:
    parser = argparse.ArgumentParser("python -m voice_local.llm_child", description=__doc__)
    parser.add_argument("settings", type=json.loads, help="JSON of llm.ChatSettings")
    settings: dict[str, Any] = parser.parse_args().settings
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C and ends this process
    try:
        server = xllamacpp.Server(_params(settings))
    except RuntimeError as error:
        sys.exit(f"llama.cpp: {error}")
    address: str = server.listening_address
    _warm(address)
    sys.stdout.write(json.dumps({"address": address}) + "\n")
    sys.stdout.flush()
    sys.stdin.buffer.read()
    os._exit(0)  # a graceful end would wait for replies that nobody reads any more


def _params(settings: dict[str, Any]) -> Any:
    params = xllamacpp.CommonParams()
    params.model.path = settings["weights"]
    params.model_alias = {settings["name"]}
    params.hostnames = [settings["host"]]
    params.port = settings["port"]
    params.n_parallel = settings["slots"]
    params.n_ctx = settings["slots"] * settings["tokens_per_slot"]
    params.n_batch = params.n_ubatch = _BATCH
    params.n_predict = _LONGEST_REPLY
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = settings["threads"]
    params.n_gpu_layers = 0
    params.cache_ram_mib = _PROMPT_CACHE_MIB
    params.ui = False
    params.warmup = False
    params.verbosity = settings["verbosity"]
    return params


def _warm(address: str) -> None:
    request = urllib.request.Request(
        address + "/v1/chat/completions",
        json.dumps(_WARM_UP).encode(),
        {"Content-Type": "application/json"},
    )
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(request, timeout=60) as answer:
        answer.read()


if __name__ == "__main__":
    main()
