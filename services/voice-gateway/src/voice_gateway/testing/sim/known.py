"""What is known not to hold yet: each switch names a fault of the gateway that stands open.

Take a switch out, and the simulation finds its fault within a few hundred calls. A switch goes with
the fault that it stands for.
"""

import re

KNOWN: dict[str, re.Pattern[str] | None] = {
    # A voice that ends a clause early without an error is believed: all of the clause's words count
    # as said. It could only be told by its pace.
    "partial_audio": re.compile(r"^what_was_heard: .* was not sent as audio$"),
    # While the caller's voice is not noticed, final words told within two seconds of a question
    # that was taken before its words were final pass for its late words, new as they may be, and
    # take its place. None: in calls with voice activity, words told during a reply do not count.
    "unheard_voice": None,
}


def is_known(sentence: str) -> bool:
    return any(pattern and pattern.match(sentence) for pattern in KNOWN.values())
