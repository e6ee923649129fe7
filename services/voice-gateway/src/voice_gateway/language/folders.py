"""Finds the folder of a language by its tag: there is no list of languages to keep.

A folder of this package that is named by a tag is a language, `de` or `en_in`: importing it gives
its `LANGUAGE`. That happens once in a process, when the language is first asked for.
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
_ASKED_FOR = 256  # tags that are remembered; callers may send any

NONE = Language(tag="")
"""A language that is not there: it has no words."""


@lru_cache(maxsize=_ASKED_FOR)
def language_of(tag: str) -> Language:
    """The language of a BCP-47 tag: the most special folder there is for it, else NONE."""
    name = tag.lower() if _TAG.fullmatch(tag.lower()) else ""
    while name:
        if (found := _load(name.replace("-", "_"))) is not None:
            return found
        name = name.rpartition("-")[0]
    return NONE


def languages() -> tuple[Language, ...]:
    """Every language there is, loaded."""
    folders = (module.name for module in iter_modules(language.__path__) if module.ispkg)
    found = (_load(name) for name in folders if _FOLDER.fullmatch(name))
    return tuple(each for each in found if each is not None)


def _load(folder: str) -> Language | None:
    name = f"{language.__name__}.{folder}"
    spec = find_spec(name)
    if spec is None or spec.origin is None:  # None, or a folder without any Python in it
        return None
    return import_module(name).LANGUAGE
