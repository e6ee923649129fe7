"""The changes of one call's language: by its client, by its model's tool, by what is recognised."""

from collections.abc import Callable, Mapping, Sequence

from voice_gateway.call.languages import CallLanguage, Languages, NotOffered, Reported
from voice_gateway.conversation import Message
from voice_gateway.errors import NotPermitted, Rejected, ServiceError
from voice_gateway.messages import CallConfig, Changed, Speaks, Transcript

_FIELDS = {
    "language": "config.language_code is ",
    "voice": "config.voice_name is ",
    "rate": "config.sample_rate is ",
}


class LanguageChanges:
    """Implements `speaking.language_tool.LanguageChange`; every method returns at once."""

    def __init__(
        self,
        languages: Languages | None,
        *,
        config: Callable[[], CallConfig],
        adjust: Callable[[CallConfig], None],
        tell: Callable[[Speaks], None],
        report: Callable[[ServiceError], None],
    ) -> None:
        """`config` returns the call's, and `adjust` changes it; the caller is told by `tell`."""
        self._languages = languages or Languages({}, CallLanguage)
        self._config = config
        self._adjust = adjust
        self._tell = tell
        self._report = report
        self._reported = Reported()

    def offered(self, config: CallConfig) -> Mapping[str, str]:
        return self._languages.choices(config)

    def to(self, config: CallConfig, tag: str) -> CallConfig:
        self._move(self._languages.moved(self._config(), tag))
        return self._languages.moved(config, tag)

    def go_on(self, recalled: Sequence[Message]) -> None:
        """Go on in the language of the conversation, where the client names none."""
        now = self._config()
        spoken = recalled[-1].language if recalled and not now.language_named else ""
        if spoken in self._languages.open_to(now):
            self._move(self._languages.moved(now, spoken))

    def asked(self, change: Changed) -> None:
        """Follow what the client changes of its config; what cannot be, it is told."""
        try:
            self._move(self._languages.changed(self._config(), change))
        except (NotOffered, NotPermitted) as why:
            field = _FIELDS[why.what] if isinstance(why, NotOffered) else ""
            said = f"{field}{why}; the call goes on as it was."
            self._report(Rejected("gateway", said, said))

    def follow(self, transcript: Transcript) -> None:
        """Change to the language that the recogniser reports, once it is sure."""
        if not (transcript.final and transcript.language):
            return
        now = self._config()
        tag = self._languages.reported(transcript.language, now)
        if self._reported.believed(tag, transcript.text):
            self._move(self._languages.moved(now, tag))

    def refused(self, served: str, fault: ServiceError) -> None:
        """The recogniser refuses what the call changed to: it goes back to what it was in."""
        self._report(fault)
        self._move(self._languages.moved(self._config(), served))

    def _move(self, config: CallConfig) -> None:
        if config != self._config():
            self._adjust(config)
            self._tell(Speaks(config.language, config.voice, config.system_prompt))
