"""What is known not to hold yet: each switch names a fault of the gateway that stands open.

Take a switch out, and the simulation finds its fault within a few hundred calls. A switch goes with
the fault that it stands for.
"""

import re

KNOWN: dict[str, re.Pattern[str] | None] = {
    # A clause whose audio ends in half a sample shifts the next one's by a byte: noise.
    # None: such clauses are not drawn.
    "half_sample": None,
    # The recogniser is down, and never takes what the caller said: a caller who hung up waits for
    # the longest call there is. None: outages that long are not drawn.
    "down_for_good": None,
    # Cut off while the voice still makes a clause, or failed in the middle of one: all of its
    # words count as heard, those too that never became audio.
    "unfinished_clause": re.compile(r"^what_was_heard: .* was not sent as audio$"),
    # Cut off before its first moment: the playback of the reply before counts as its own.
    "stale_playback": re.compile(r"^the_floor: .* s were heard, and only 0\.000 s sent$"),
    # The model's text that comes in the very moment of the interruption is still sent.
    "stale_text": re.compile(
        r"^the_floor: at .* text of reply \d+ came (after its interruption|while it was not live)$"
    ),
    # A call that fails while a reply is under way drops its audio, says END_OF_TURN, and takes in
    # what happens until its last notices are read: new replies, too.
    "false_end": re.compile(
        r"^nothing_begins: |^whole_replies: at .*(samples were sent, \d+ made$|text was shown)"
    ),
    # The recogniser is down, what the caller said fills the uplink, and nothing is read any more: a
    # caller who talks on counts as silent, what is typed or interrupted does not get through.
    "full_uplink": re.compile(r"^true_reasons: the call ended with CallerSilent\('nothing came"),
    # While the caller's voice is not noticed, words told during the reply to a question that was
    # taken before its words were final pass for late words of that question, new as they may be,
    # and are lost. None: in calls with voice activity, words told during a reply do not count.
    "unheard_voice": None,
    # The timer of a turn rings while the call's tasks are being cancelled, and starts a reply.
    "late_timer": re.compile(r"^nothing_left: .* Session\._ring.* is shutting down"),
}


def is_known(sentence: str) -> bool:
    return any(pattern and pattern.match(sentence) for pattern in KNOWN.values())
