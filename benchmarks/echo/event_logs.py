"""Reads from the gateway's event logs what callers are not told."""

import json
from dataclasses import replace
from pathlib import Path

from echo.outcomes import Alone


def keep(logs: Path, where: Path) -> None:
    where.mkdir(parents=True, exist_ok=True)
    for path in logs.iterdir():
        (where / path.name).write_bytes(path.read_bytes())


def with_pauses(alone: Alone, logs: Path) -> Alone:
    """Count pauses by the event log, because only callers who can pause are told of them."""
    pauses = 0
    for path in logs.glob(f"*{alone.call}.*"):
        for step in map(json.loads, path.read_text().splitlines()):
            at = step.get("event", {}).get("at", 0.0)
            if alone.began_at <= at <= alone.ended_at:
                pauses += sum(command["is"] == "PauseReply" for command in step["commands"])
    return replace(alone, pauses=pauses)
