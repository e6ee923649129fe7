#!/usr/bin/env python3
"""Checks commit messages: a subject of at most 72 characters, and a blank line before a body.

git runs it on a message in the making (.pre-commit-config.yaml); `--since main` checks every
commit that a branch adds to `main`.
"""

import argparse
import subprocess
import sys
from pathlib import Path

LONGEST_SUBJECT = 72
MESSAGE_END, COMMENT = "\0", "#"


def main() -> int:
    options = argparse.ArgumentParser("check_commits.py", description=__doc__)
    options.add_argument("message", nargs="?", type=Path, help="the file git keeps a message in")
    options.add_argument("--since", metavar="COMMIT", help="check what came after this commit")
    given = options.parse_args()
    if (given.message is None) == (given.since is None):
        options.error("name a message or --since COMMIT")
    try:
        messages = since(given.since) if given.since else [given.message.read_text()]
    except (OSError, subprocess.CalledProcessError) as error:
        sys.stderr.write(f"check_commits: {error}\n")
        return 2
    found = [complaint for message in messages for complaint in wrong(message)]
    sys.stderr.write("".join(f"check_commits: {complaint}\n" for complaint in found))
    return 1 if found else 0


def since(commit: str) -> list[str]:
    """The messages of the commits after this one, merges left out: git writes those."""
    log = ("git", "log", "--no-merges", "--format=%B%x00", f"{commit}..HEAD")
    said = subprocess.run(log, capture_output=True, text=True, check=True).stdout
    return [message.lstrip("\n") for message in said.split(MESSAGE_END) if message.strip()]


def wrong(message: str) -> list[str]:
    """What is wrong with a message; lines of comment count for nothing, as git drops them."""
    lines = [line for line in message.splitlines() if not line.startswith(COMMENT)]
    subject = lines[0].rstrip() if lines else ""
    if not subject:
        return ["a commit needs a subject in its first line"]
    complaints: list[str] = []
    if len(subject) > LONGEST_SUBJECT:
        size = f"{len(subject)} characters, allowed are {LONGEST_SUBJECT}"
        complaints.append(f"“{subject}” has {size}: say why in the body")
    if subject.endswith("."):
        complaints.append(f"“{subject}” ends in a full stop: a subject is a title")
    if len(lines) > 1 and lines[1].strip():
        complaints.append(f"“{subject}” is followed by its body at once: leave a blank line")
    return complaints


if __name__ == "__main__":
    sys.exit(main())
