"""What an image holds is read out of its layers: later ones win, and may delete."""

import io
import json
import subprocess
import sys
import tarfile
from pathlib import Path

PROGRAM = Path(__file__).parents[1] / "image_sbom.py"
STATUS = "var/lib/dpkg/status"


def deb(name: str, version: str, status: str = "install ok installed") -> str:
    return f"Package: {name}\nStatus: {status}\nVersion: {version}\n"


def wheel(name: str, version: str) -> dict[str, str]:
    text = f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\nLicense-Expression: MIT\n\nHi"
    return {f"opt/v/lib/{name}-{version}.dist-info/METADATA": text}


def tar(files: dict[str, str]) -> bytes:
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w:gz") as archive:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
    return whole.getvalue()


def image(folder: Path, *layers: dict[str, str]) -> Path:
    path = folder / "image.tar"
    with tarfile.open(path, "w") as archive:
        contents = {f"l{number}": tar(files) for number, files in enumerate(layers)}
        contents["manifest.json"] = json.dumps([{"Layers": list(contents)}]).encode()
        for name, content in contents.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path


def listed(path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, PROGRAM, path, "--name", "x", "--version", "1"],
        capture_output=True,
        text=True,
        check=False,
    )


def purls(path: Path) -> list[str]:
    done = listed(path)
    assert done.returncode == 0, done.stderr
    return [one["purl"] for one in json.loads(done.stdout)["components"]]


def test_packages_of_debian_and_python(tmp_path: Path) -> None:
    base = {STATUS: f"{deb('zlib1g', '1:1.3')}\n{deb('gone', '1', 'deinstall ok config-files')}"}
    path = image(tmp_path, base, wheel("Typing_Extensions", "4.0"))
    assert purls(path) == ["pkg:deb/debian/zlib1g@1:1.3", "pkg:pypi/typing-extensions@4.0"]
    assert json.loads(listed(path).stdout)["components"][1]["licenses"] == [{"expression": "MIT"}]


def test_later_layers_win_and_delete(tmp_path: Path) -> None:
    path = image(
        tmp_path,
        {STATUS: deb("libc6", "1"), **wheel("pip", "25.0"), **wheel("uv", "1.0")},
        {STATUS: deb("libc6", "2"), "opt/v/lib/.wh.pip-25.0.dist-info": ""},
    )
    assert purls(path) == ["pkg:deb/debian/libc6@2", "pkg:pypi/uv@1.0"]
    emptied = image(tmp_path, wheel("a", "1"), {"opt/v/lib/.wh..wh..opq": "", **wheel("b", "1")})
    assert purls(emptied) == ["pkg:pypi/b@1"]


def test_same_image_same_list(tmp_path: Path) -> None:
    path = image(tmp_path, {STATUS: deb("libc6", "1")})
    assert listed(path).stdout == listed(path).stdout
    assert json.loads(listed(path).stdout)["serialNumber"].startswith("urn:uuid:")


def test_what_is_no_image(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    path.write_text("no")
    done = listed(path)
    assert done.returncode == 1
    assert done.stderr.startswith(f"image_sbom: {path}: ")
    assert len(done.stderr.splitlines()) == 1
