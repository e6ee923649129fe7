"""The command lines of the gateway: answers `--help` and `--version` before settings are read."""

import argparse
import textwrap
from importlib.metadata import version
from typing import NoReturn

from pydantic import SecretStr

from voice_gateway.settings import Settings

_MOST_NEEDED = (
    "grpc_port",
    "http_port",
    "riva_uri",
    "llm_base_url",
    "llm_model",
    "llm_api_key",
    "asr_language",
    "sample_rate",
    "tts_voice",
    "api_keys",
    "call_state_url",
    "greeting",
)
_NAME_COLUMN, _DEFAULT_COLUMN, _WIDTH = 16, 30, 98

_WHAT_IT_DOES = """\
Serves callers until it is told to stop: the caller's audio goes to Riva ASR, the words to a
chat model, and Riva TTS audio back to the caller. It answers on a gRPC port, and on an HTTP port
with the web page, /v1/realtime, /metrics, /healthz and /readyz.

It takes its settings from the environment, or from a file .env where it is started."""

_HOW_IT_ENDS = """\
exit status: 0 after a stop (Ctrl-C or SIGTERM, once running replies have had DRAIN_S seconds);
1 where a port is taken; 2 for a bad setting or argument, in one line that names it"""


class OneLineParser(argparse.ArgumentParser):
    """A parser with `--version` whose errors are one line that points to `--help`."""

    def __init__(
        self,
        prog: str,
        description: str | None,
        epilog: str = "",
        package: str = "voice-gateway",
    ) -> None:
        super().__init__(
            prog=prog,
            description=description,
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        self.add_argument("--version", action="version", version=f"%(prog)s {version(package)}")

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def answer(arguments: list[str] | None = None) -> None:
    """Answer `--help`, `--version` or a bad argument and end the process; else return."""
    parser = OneLineParser("voice-gateway", _WHAT_IT_DOES, _epilog())
    parser.parse_args(arguments)


def _epilog() -> str:
    rows = "\n".join(_row(name) for name in _MOST_NEEDED)
    every = "Every setting, its default and what it does: docs/settings.md"
    return f"settings that matter first, and their defaults:\n{rows}\n\n{every}\n\n{_HOW_IT_ENDS}"


def _row(name: str) -> str:
    """The lines of one setting; a long description wraps in its own column."""
    field = Settings.model_fields[name]
    default = "" if isinstance(field.default, SecretStr) else str(field.default)
    head = f"  {name.upper():{_NAME_COLUMN}}{default or 'empty':{_DEFAULT_COLUMN}}"
    said = (field.description or "").replace("`", "")
    lines = textwrap.wrap(said, _WIDTH - len(head), break_on_hyphens=False)
    return head + f"\n{' ' * len(head)}".join(lines)
