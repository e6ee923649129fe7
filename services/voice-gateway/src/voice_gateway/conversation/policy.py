"""When a turn is over, and when a sound is an interruption.

Pure: rules and their numbers, no state. Seconds throughout.

    voice    ▂▅▇▅▂▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁
    words    "what is the weather"
                  │← silence_s →│ the recogniser is asked for its final words, and the turn ends
             "I want to"
                  │←──────── open_silence_s ────────→│
"""

from dataclasses import dataclass

from voice_gateway.language import language_of, only_begun, sounds_finished, sounds_open

_LONGEST_BACKCHANNEL = 4  # words


@dataclass(frozen=True, slots=True)
class TurnOptions:
    """How one caller's program wants turns taken; a call without one takes them as it does."""

    by_hand: bool = False
    """No silence ends a turn: the program says when it wants an answer."""

    answers: bool = True
    """A turn that is over is answered; else it waits until an answer is asked for."""

    interruptible: bool = True
    """The caller's words take the floor from a reply; else they are kept until it is over."""

    silence_s: float | None = None
    """Silence that ends a turn, whatever was said; None: it depends on that."""

    patience: float = 1.0
    """How much longer than usual the caller is waited for."""

    idle_s: float | None = None
    """Silence after which the caller is asked whether it is still there; None: as every call."""


@dataclass(frozen=True, slots=True)
class TurnPolicy:
    language: str = "en-US"
    """BCP-47; whose small words are known."""

    settle_s: float = 0.0
    """After the recogniser's final words, where no voice activity is known."""

    silence_s: float = 0.3
    """Silence that ends a turn whose words sound finished."""

    unsure_silence_s: float = 0.6
    """Silence that ends a turn whose words may go on or not."""

    open_silence_s: float = 1.2
    """Silence that ends a turn whose words ask for more, "I want to", or whose voice does."""

    halting_silence_s: float = 2.0
    """Silence that ends a turn whose words and voice both ask for more."""

    likely: float = 0.8
    """A turn at least so probably complete, by its sound, sounds finished."""

    unlikely: float = 0.5
    """A turn less probably complete sounds as if it goes on."""

    final_wait_s: float = 0.7
    """How long the recogniser may take over its final words once it was asked for them."""

    late_s: float = 2.0
    """How long after its turn a caller's final words may still come."""

    max_silence_s: float = 3.0
    """How long interim words may wait for their final."""

    drafts: int = 3
    """How often a turn's answer may be prepared before the turn is certainly over; 0: never."""

    reopen_s: float = 1.0
    """A caller who speaks on this soon after its turn was taken had not finished."""

    words_to_interrupt: int = 1
    """How many words during a reply are an interruption; "mm-hm" and its like are none."""

    interrupt_voice_s: float = 1.0
    """Voice during a reply that is an interruption also without words; 0: never."""

    resume_s: float = 0.5
    """After the voice that made the reply pause fell silent, the wait for its words."""

    longest_pause_s: float = 3.0
    """A reply goes on after this long, whatever sound there still is."""

    pauses: int = 2
    """How often a reply pauses for a sound that then was nothing; 0: it never pauses."""

    greeting: str = ""
    """What opens the call; empty: the caller does."""

    greeting_interruptible: bool = True
    """The caller can cut the greeting off; else what it says meanwhile is answered after it."""

    idle_prompt_s: float = 0.0
    """Silence after which the caller is asked whether it is still there; 0: never."""

    idle_prompt: str = "Are you still there?"

    idle_end_s: float = 0.0
    """Silence, after the prompt where there is one, after which the call ends; 0: never."""

    goodbye: str = "Goodbye."
    """Said before a call ends for silence; empty: nothing is."""

    memory_messages: int = 40
    """How many messages of the conversation the model is reminded of."""

    def prompts_after(self, options: TurnOptions) -> float:
        """The silence after which such a caller is asked whether it is still there; 0: never."""
        return self.idle_prompt_s if options.idle_s is None else options.idle_s

    def interrupts(self, text: str) -> bool:
        """Whether these words during a reply take the floor from it."""
        return len(text.split()) >= self.words_to_interrupt and not self.is_backchannel(text)

    def is_backchannel(self, text: str) -> bool:
        """Whether the words only show that somebody listens."""
        language = language_of(self.language)
        words = language.words_of(text)
        return 0 < len(words) <= _LONGEST_BACKCHANNEL and language.backchannels.issuperset(words)

    def sounds_open(self, text: str) -> bool:
        """Whether the words ask for more: "I want to"."""
        return sounds_open(text, language_of(self.language))

    def silence_after(
        self, text: str, probability: float | None = None, options: "TurnOptions | None" = None
    ) -> float:
        """The silence that ends a turn with these words.

        `probability`: that the turn is complete by its sound; None: nothing is known of that.
        A voice that sounds done makes up for words that leave it open whether they are all, and a
        voice that will go on is waited for, whatever the words: a recogniser puts a question mark
        after half a sentence. Words that ask for more are waited for, whatever the voice.
        """
        if options and options.silence_s is not None:
            return options.silence_s
        return self._silence_after(text, probability) * (options.patience if options else 1.0)

    def _silence_after(self, text: str, probability: float | None) -> float:
        language = language_of(self.language)
        goes_on = probability is not None and probability < self.unlikely
        begun = only_begun(text, language) and not sounds_finished(text, language)
        if begun or sounds_open(text, language):
            return self.halting_silence_s if goes_on else self.open_silence_s
        if goes_on:
            return self.open_silence_s
        done = probability is not None and probability >= self.likely
        finished = done or sounds_finished(text, language)
        return self.silence_s if finished else self.unsure_silence_s
