"""The numbers and rules of turn-taking: when a turn is over, and which words interrupt.

The rules are pure and keep no state. All times are in seconds.

    voice    ▂▅▇▅▂▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁
    words    "what is the weather"
                  │← silence_s →│ the recogniser is asked for its final words, and the turn ends
             "I want to"
                  │←──────── open_silence_s ────────→│
"""

from dataclasses import dataclass
from itertools import pairwise

from voice_gateway.conversation.end_of_turn import Evidence, asks_for_more, likelihood
from voice_gateway.language import (
    asks,
    ends_in_question,
    just_asked,
    language_of,
    sounds_open,
    whole_sentences,
)

_LONGEST_BACKCHANNEL = 4  # words


@dataclass(frozen=True, slots=True)
class TurnOptions:
    """The turn options of one caller's program; a call without a program has these defaults."""

    by_hand: bool = False
    """No silence ends a turn: the program asks for each reply."""

    answers: bool = True
    """A turn that is over is answered; else it waits until the program asks for a reply."""

    interruptible: bool = True
    """The caller's words interrupt a reply; else they are kept until the reply is over."""

    silence_s: float | None = None
    """Silence that ends a turn, whatever was said; None: it depends on the words."""

    patience: float = 1.0
    """The factor by which the silence that ends a turn is longer than usual."""

    idle_s: float | None = None
    """Silence before the idle prompt; None: the policy's `idle_prompt_s`."""

    speaks_unasked: bool = True
    """The greeting, the idle prompt and the goodbye are said; else nothing but answers is."""


@dataclass(frozen=True, slots=True)
class TurnPolicy:
    language: str = "en-US"
    """The BCP-47 tag of the language whose word lists are used."""

    settle_s: float = 0.0
    """Silence that ends a turn after its final, where no voice activity is known."""

    silence_s: float = 0.3
    """Silence that ends a turn whose words sound finished."""

    unsure_silence_s: float = 0.6
    """Silence that ends a turn that may go on or not."""

    open_silence_s: float = 1.2
    """Silence that ends a turn whose words ask for more, "I want to", or whose voice does."""

    halting_silence_s: float = 2.0
    """Silence that ends a turn of which nothing says that it is over."""

    likely: float = 0.75
    """From this end-of-turn probability on, all evidence fused, a turn sounds finished."""

    unlikely: float = 0.5
    """At this end-of-turn probability a turn may go on or not; at half of it, it sounds open."""

    final_wait_s: float = 0.7
    """How long the recogniser may take over a final that it was asked for."""

    late_wait_s: float = 6.0
    """How long a turn waits for a recogniser that is behind; then the caller is asked again."""

    say_again: str = ""
    """The text said when the caller's words could not be had; empty: the language's own."""

    late_s: float = 2.0
    """How long after its turn a caller's final may still come."""

    max_silence_s: float = 3.0
    """How long interim words may wait for their final, and how long words that stay the same keep
    the turn open while the voice goes on."""

    drafts: int = 3
    """How many drafts may be made in one turn; 0: none."""

    reopen_s: float = 1.0
    """Voice that begins this soon after the turn was taken still belongs to that turn."""

    words_to_interrupt: int = 1
    """How many words during a reply are an interruption; backchannels never are."""

    interrupt_voice_s: float = 1.0
    """Voice activity during a reply that is speech, though it has no words yet: they are asked for,
    and the reply waits for them; 0: none is."""

    resume_s: float = 0.5
    """How long a paused reply waits for a transcript after the voice has ended."""

    longest_pause_s: float = 3.0
    """The longest pause: after it, a reply goes on even under voice. A recogniser that is behind
    has `late_wait_s` for the words, if that is longer."""

    pauses: int = 2
    """How many false alarms may pause one reply; 0: a reply never pauses."""

    greeting: str = ""
    """The text that opens the call; empty: the caller speaks first."""

    greeting_interruptible: bool = True
    """The caller can interrupt the greeting; else its words are answered after the greeting."""

    idle_prompt_s: float = 0.0
    """Silence before the idle prompt is said; 0: it is never said."""

    idle_prompt: str = "Are you still there?"

    idle_end_s: float = 0.0
    """Silence that ends the call, counted from the idle prompt if there is one; 0: never."""

    goodbye: str = "Goodbye."
    """The text said before silence ends the call; empty: none."""

    memory_messages: int = 40
    """How many messages of the history are sent to the model."""

    def prompts_after(self, options: TurnOptions) -> float:
        """The silence before the idle prompt under these options; 0: it is never said."""
        if not options.speaks_unasked:
            return 0.0
        return self.idle_prompt_s if options.idle_s is None else options.idle_s

    def request_to_repeat(self) -> str:
        """The text said when the caller's words could not be had."""
        own = language_of(self.language).say_again or language_of("en").say_again
        return self.say_again or own

    def interrupts(self, text: str) -> bool:
        """Whether these words during a reply interrupt it."""
        return len(text.split()) >= self.words_to_interrupt and not self.is_backchannel(text)

    def is_backchannel(self, text: str) -> bool:
        """Whether the words are a backchannel: they show that the caller listens, and no more."""
        language = language_of(self.language)
        words = language.words_of(text)
        return 0 < len(words) <= _LONGEST_BACKCHANNEL and language.backchannels.issuperset(words)

    def answers(self, text: str) -> bool:
        """Whether words that do not interrupt answer a question: "yes", but not "mm-hm"."""
        words = language_of(self.language).words_of(text)
        if not words or self.interrupts(text):
            return False
        says = not language_of(self.language).answers.isdisjoint(words)
        return says or not self.is_backchannel(text)

    def has_just_asked(self, text: str, heard: str) -> bool:
        """Whether these small words answer what was heard last of a reply.

        "Yes" does as long as no whole sentence was heard behind the question: whoever says it a
        word or two into the next sentence answers the question, and need not hear the rest. "Mm-hm"
        does only where nothing was heard behind the question: in a story that goes on it is a
        listener's.
        """
        language = language_of(self.language)
        if self.answers(text):
            return just_asked(heard, language)
        return self.is_backchannel(text) and ends_in_question(heard, language)

    def asked_when(self, text: str, begun: int) -> bool | None:
        """Whether a reply had asked by the end of the sentence that `begun` characters end in.

        None: that is not known, as the text has not come to the end of the sentence.
        """
        language = language_of(self.language)
        heard, whole = whole_sentences(text, begun, language)
        return True if asks(heard, language) else (False if whole else None)

    def sounds_open(self, text: str) -> bool:
        """Whether the words ask for more: "I want to"."""
        return sounds_open(text, language_of(self.language))

    def silence_after(
        self,
        text: str,
        probability: float | None = None,
        options: "TurnOptions | None" = None,
        asked: str = "",
    ) -> float:
        """The silence that ends a turn with these words.

        `probability` is the end-of-turn probability of the sound; None: it is not known. `asked` is
        what the caller has heard last of a reply. All evidence is fused (`end_of_turn`).
        """
        if options and options.silence_s is not None:
            return options.silence_s
        evidence = Evidence(text, probability, asked)
        silence_s = self.silence_for(likelihood(evidence, language_of(self.language)), evidence)
        return silence_s * (options.patience if options else 1.0)

    def silence_for(self, likely: float, evidence: Evidence) -> float:
        """The silence that ends a turn which is over with this probability.

        Words alone tell no more than three kinds of turns apart: finished, unsure and open. With
        the sound, the silence falls steadily from one that is set to the next:

            likely     0.125     0.25     0.5       0.75
            silence_s  halting   open     unsure    silence_s

        Words that ask for more get `open_silence_s` at least, however final they sound.
        """
        if likely >= self.likely:
            return self.silence_s
        if evidence.sound is None:
            return self.unsure_silence_s if likely >= self.unlikely else self.open_silence_s
        silence_s = self._between(likely)
        if asks_for_more(evidence.text, language_of(self.language)):
            return max(silence_s, self.open_silence_s)
        return silence_s

    def _between(self, likely: float) -> float:
        steps = (
            (self.likely, self.silence_s),
            (self.unlikely, self.unsure_silence_s),
            (self.unlikely / 2, self.open_silence_s),
            (self.unlikely / 4, self.halting_silence_s),
        )
        for (above, shorter_s), (below, longer_s) in pairwise(steps):
            if likely >= below:
                share = (above - likely) / (above - below)
                return shorter_s + share * (longer_s - shorter_s)
        return self.halting_silence_s
