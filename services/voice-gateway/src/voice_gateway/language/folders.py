"""Finds the folder of a language by its tag; there is no list of languages to maintain.

A folder of this package whose name is a tag, as `de` or `en_in`, is a language with a `LANGUAGE`.
A process imports it when the language is first looked up.
"""

import re
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from pkgutil import iter_modules

from voice_gateway import language
from voice_gateway.language.shape import Language

_TAG = re.compile(r"[a-z]{2,3}(?:-[a-z0-9]{1,8}){0,8}")
_FOLDER = re.compile(r"[a-z]{2,3}(?:_[a-z0-9]{1,8}){0,3}")
_CACHED_TAGS = 256  # callers may send any tag, so the cache is limited

NONE = Language(tag="")
"""The language of an unknown tag: it has no words."""


@lru_cache(maxsize=_CACHED_TAGS)
def language_of(tag: str) -> Language:
    """The language of a BCP-47 tag: its most specific folder, or NONE."""
    name = tag.lower() if _TAG.fullmatch(tag.lower()) else ""
    while name:
        if (found := _load(name.replace("-", "_"))) is not None:
            return found
        name = name.rpartition("-")[0]
    return NONE


def primary_subtag(tag: str) -> str:
    """The language of a tag without its region or script: "hi" of "hi-IN"."""
    return tag.partition("-")[0].lower()


def languages() -> tuple[Language, ...]:
    """Load and return every language."""
    folders = (module.name for module in iter_modules(language.__path__) if module.ispkg)
    found = (_load(name) for name in folders if _FOLDER.fullmatch(name))
    return tuple(each for each in found if each is not None)


def _load(folder: str) -> Language | None:
    name = f"{language.__name__}.{folder}"
    spec = find_spec(name)
    if spec is None or spec.origin is None:  # no folder, or one without Python
        return None
    return import_module(name).LANGUAGE
