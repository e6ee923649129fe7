#!/usr/bin/env python3
"""Lists what an image holds, as CycloneDX JSON: read out of its layers, not out of a wish list.

Takes an archive as `docker save` writes it. Debian's packages come from dpkg's own record, Python's
from their metadata. The same image gives the same list.
"""

import argparse
import hashlib
import json
import re
import sys
import tarfile
import uuid
from collections.abc import Iterator
from email.parser import HeaderParser
from typing import IO, NamedTuple, cast

_DPKG = re.compile(r"^(\./)?var/lib/dpkg/status(\.d/[^/]+)?$")
_PYTHON = re.compile(r"/[^/]+\.(dist-info/METADATA|egg-info/PKG-INFO)$")
_WHITEOUT = ".wh."


class Package(NamedTuple):
    kind: str  # deb or pypi
    name: str
    version: str
    licence: str

    @property
    def purl(self) -> str:
        where = "deb/debian" if self.kind == "deb" else "pypi"
        return f"pkg:{where}/{self.name}@{self.version}"


def files_of(archive: tarfile.TarFile) -> dict[str, bytes]:
    """The records of packages that the finished image holds: later layers win and may delete."""
    kept: dict[str, bytes] = {}
    for layer in _layers(archive):
        with tarfile.open(fileobj=layer, mode="r:*") as files:
            _apply(files, kept)
    return kept


def _layers(archive: tarfile.TarFile) -> Iterator[IO[bytes]]:
    manifest = cast("list[dict[str, list[str]]]", json.load(_member(archive, "manifest.json")))
    for name in manifest[0]["Layers"]:
        yield _member(archive, name)


def _member(archive: tarfile.TarFile, name: str) -> IO[bytes]:
    found = archive.extractfile(archive.getmember(name))
    if found is None:
        raise ValueError(f"{name} in the archive is no file")
    return found


def _apply(files: tarfile.TarFile, kept: dict[str, bytes]) -> None:
    for entry in files:
        folder, _, last = entry.name.removeprefix("./").rpartition("/")
        if last.startswith(_WHITEOUT):
            # `.wh..wh..opq` empties its folder, `.wh.NAME` takes NAME away.
            gone = folder if last == ".wh..wh..opq" else f"{folder}/{last[len(_WHITEOUT) :]}"
            for path in [one for one in kept if one == gone or one.startswith(f"{gone}/")]:
                del kept[path]
        elif entry.isfile() and (_DPKG.match(entry.name) or _PYTHON.search(entry.name)):
            content = files.extractfile(entry)
            kept[entry.name.removeprefix("./")] = content.read() if content else b""


def packages_of(files: dict[str, bytes]) -> list[Package]:
    found: set[Package] = set()
    for path, content in files.items():
        text = content.decode("utf-8", "replace")
        found.update(_debian(text) if _DPKG.match(path) else _python(text))
    return sorted(found)


def _debian(text: str) -> Iterator[Package]:
    for stanza in text.split("\n\n"):
        fields = HeaderParser().parsestr(stanza)
        if fields["Package"] and "deinstall" not in (fields["Status"] or ""):
            yield Package("deb", fields["Package"], fields["Version"] or "", "")


def _python(text: str) -> Iterator[Package]:
    fields = HeaderParser().parsestr(text)
    if fields["Name"]:
        name = re.sub(r"[-_.]+", "-", str(fields["Name"])).lower()
        licence = str(fields["License-Expression"] or "")
        yield Package("pypi", name, str(fields["Version"] or ""), licence)


def bill_of_materials(name: str, version: str, packages: list[Package]) -> dict[str, object]:
    """CycloneDX 1.6; its serial number follows from what is in it."""
    seed = "\n".join([name, version, *(one.purl for one in packages)])
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.UUID(bytes=hashlib.sha256(seed.encode()).digest()[:16])}",
        "version": 1,
        "metadata": {"component": {"type": "container", "name": name, "version": version}},
        "components": [_component(one) for one in packages],
    }


def _component(one: Package) -> dict[str, object]:
    component: dict[str, object] = {
        "type": "library",
        "name": one.name,
        "version": one.version,
        "purl": one.purl,
    }
    if one.licence:
        component["licenses"] = [{"expression": one.licence}]
    return component


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("archive", help="the image, as `docker save` writes it")
    options.add_argument("--name", required=True)
    options.add_argument("--version", required=True)
    given = options.parse_args()
    try:
        with tarfile.open(given.archive) as archive:
            packages = packages_of(files_of(archive))
    except (OSError, tarfile.TarError, KeyError, ValueError) as error:
        sys.stderr.write(f"image_sbom: {given.archive}: {str(error).splitlines()[0]}\n")
        return 1
    json.dump(bill_of_materials(given.name, given.version, packages), sys.stdout, indent=1)
    sys.stdout.write("\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
