"""The recorded questions that come with the client; `@en_nlp_question` names one."""

from pathlib import Path

from voice_client.failures import BadInputError

FOLDER = Path(__file__).parent
MARK = "@"


def clip_names() -> list[str]:
    """Return the names of the bundled clips, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.wav"))


def clip(name: str) -> Path:
    """Return the bundled clip of that name; raise BadInputError that lists the names there are."""
    path = FOLDER / f"{name}.wav"
    if name not in clip_names():
        known = ", ".join(clip_names())
        raise BadInputError(f"{MARK}{name}: no such bundled clip; there are {known}")
    return path


def find(argument: str) -> Path:
    """Return the file that a command-line argument means: `@NAME` is a bundled clip."""
    return clip(argument[len(MARK) :]) if argument.startswith(MARK) else Path(argument)
