"""What is known not to hold yet: each switch names a fault of the gateway that stands open.

A switch goes with the fault that it stands for. Its pattern leaves out what the invariants say of
it; None stands for what is not drawn, or not counted, wherever the name is looked for.
"""

import re

KNOWN: dict[str, re.Pattern[str] | None] = {}


def is_known(sentence: str) -> bool:
    return any(pattern and pattern.match(sentence) for pattern in KNOWN.values())
