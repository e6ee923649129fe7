"""Runs the gateway, watched, with a leak: it keeps so many bytes of each call that it admits.

    LEAK_BYTES=2000 HELD_FILE=FILE python -m churn.leaking_gateway

The leak is this program's; with 0 bytes the gateway is as it is shipped.
"""

import os
from typing import Any

from voice_gateway.call.calls import Calls

from shared.gateway_watch import watch

_kept: list[bytes] = []


def _leak(size: int) -> None:
    admitted = Calls.admitted

    def admitted_and_kept(self: Calls, *arguments: Any, **named: Any) -> Any:
        _kept.append(os.urandom(size))
        return admitted(self, *arguments, **named)

    Calls.admitted = admitted_and_kept


if __name__ == "__main__":
    if leak := int(os.environ["LEAK_BYTES"]):
        _leak(leak)
    watch()
