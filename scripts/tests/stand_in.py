#!/usr/bin/env -S python3 -E -S
"""Stands in for kubectl, helm, docker and the like: records each call, and answers as it was told.

Beside it lie `answers.json`, a list of {program, says (a pattern on the arguments), out, err,
status}, the first that fits answering (`out` may be a list: one answer per call; with `after` it
comes once a call that fits that pattern is recorded, or never), and
`calls.jsonl`, one line per call. What needs no cluster is left to the real program, where
`real.json` names one.
"""

import json
import os
import re
import select
import sys
import time
from pathlib import Path
from typing import TypedDict


class Answer(TypedDict, total=False):
    program: str
    says: str
    out: str | list[str]
    err: str
    status: int
    file: str
    after: str


HERE = Path(__file__).parent
PATIENCE_S = 60.0
OFFLINE = re.compile(r"^(kustomize|template|lint|version --short)\b")
READS_INPUT = re.compile(r" -f -")


def main() -> int:
    program, arguments = Path(sys.argv[0]).name, sys.argv[1:]
    said = " ".join(arguments)
    given = _given() if READS_INPUT.search(f" {said}") else ""
    call = {"program": program, "argv": arguments, "stdin": given, "env": dict(os.environ)}
    with (HERE / "calls.jsonl").open("a") as calls:
        calls.write(json.dumps(call) + "\n")
    for number, answer in enumerate(json.loads((HERE / "answers.json").read_text())):
        if answer["program"] == program and re.search(answer["says"], said):
            return _answer(number, answer)
    real = json.loads((HERE / "real.json").read_text()).get(program)
    if real and OFFLINE.search(said):
        os.execv(real, [real, *arguments])
    return 0


def _given() -> str:
    return sys.stdin.read() if select.select([sys.stdin], [], [], PATIENCE_S)[0] else ""


def _wait_for(pattern: str) -> None:
    """A program of its own, which nobody can wake; who never stops it is not waited for."""
    ends_at = time.monotonic() + PATIENCE_S
    while not re.search(pattern, (HERE / "calls.jsonl").read_text()):
        if time.monotonic() > ends_at:
            sys.exit(f"nobody called {pattern} within {PATIENCE_S:g} s")
        time.sleep(0.01)


def _answer(number: int, answer: Answer) -> int:
    if "after" in answer:
        _wait_for(answer["after"])
    out = answer.get("out", "")
    if isinstance(out, list):
        count = HERE / f"answered.{number}"
        before = int(count.read_text()) if count.exists() else 0
        count.write_text(str(before + 1))
        out = out[min(before, len(out) - 1)]
    if "file" in answer:  # such as `docker save --output FILE`
        target = Path(sys.argv[sys.argv.index("--output") + 1])
        target.write_bytes(Path(answer["file"]).read_bytes())
    sys.stdout.write(out)
    sys.stderr.write(answer.get("err", ""))
    return int(answer.get("status", 0))


if __name__ == "__main__":
    sys.exit(main())
