"""The cache of model weights: fetched once, verified by hash, used without a network afterwards."""

import asyncio
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from voice_local.catalogue import Model
from voice_local.failures import WeightsUnavailable, first
from voice_local.settings import default_cache
from voice_local.verified import missing_files

if TYPE_CHECKING:
    from voice_local.sources import Patience


def ensure(model: Model, cache: Path | None = None, *, offline: bool = False) -> Path:
    """Return the folder that holds the model's verified files, fetching what is missing.

    Blocks. Works with or without an event loop running in the calling thread.
    """
    root = cache or default_cache()
    if missing_files(model, root):
        with ThreadPoolExecutor(1) as thread:
            thread.submit(lambda: asyncio.run(fetch([model], root, offline=offline))).result()
    return root / model.name


async def fetch(
    models: Iterable[Model],
    cache: Path,
    *,
    offline: bool = False,
    patience: "Patience | None" = None,
) -> None:
    """Bring every file of the models into `cache/NAME/`; raise WeightsUnavailable otherwise.

    Safe beside other processes that do the same. With `offline` nothing touches the network.
    """
    lacks = {model: await asyncio.to_thread(missing_files, model, cache) for model in models}
    wanted = {model: files for model, files in lacks.items() if files}
    if not wanted:
        return
    if offline:
        names = ", ".join(model.name for model in wanted)
        raise WeightsUnavailable(f"not in the cache {cache}: {names}; fetch them without --offline")
    from voice_local.fetching import fetch_files  # brings an HTTP client: only when it is needed

    try:
        await fetch_files(wanted, cache, patience)
    except BaseExceptionGroup as errors:
        raise _plain(errors, cache) from errors


def _plain(errors: BaseExceptionGroup[BaseException], cache: Path) -> BaseException:
    error = first(errors)
    if isinstance(error, OSError):
        return WeightsUnavailable(f"cannot write to the cache {cache}: {error}")
    return error
