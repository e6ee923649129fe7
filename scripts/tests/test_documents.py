"""The documents: every link leads somewhere, every page is in the index, every path is there."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
GATEWAY = TOP / "services" / "voice-gateway"
ROOTS = (TOP, GATEWAY, GATEWAY / "src" / "voice_gateway")
"""Where a path in CONTRIBUTING.md may begin."""

_FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_PATH = re.compile(r"[\w.<>*-]+(/[\w.<>*-]*)+|[\w-]+\.(py|md|toml|sh|yaml)")


def tracked(pattern: str) -> list[Path]:
    listed = ("git", "ls-files", "--cached", "--others", "--exclude-standard", pattern)
    said = subprocess.run(listed, cwd=TOP, capture_output=True, text=True, timeout=20, check=True)
    return [path for name in said.stdout.splitlines() if (path := TOP / name).exists()]


PAGES = tracked("*.md")


def prose(page: Path) -> str:
    return _FENCE.sub("", page.read_text())


def anchors(page: Path) -> set[str]:
    """The headings' addresses, as the hosting platform makes them."""
    titles = (title.lower().replace("`", "") for title in _HEADING.findall(prose(page)))
    return {re.sub(r"[^\w\- ]", "", title).replace(" ", "-") for title in titles}


def links(page: Path) -> Iterator[tuple[str, Path, str]]:
    """Each link to a file of the project: as it is written, the file, the heading."""
    for link in _LINK.findall(_CODE.sub("", prose(page))):
        if "://" not in link:
            name, _, heading = link.partition("#")
            yield link, (page.parent / name).resolve() if name else page, heading


def dead_links(page: Path) -> list[str]:
    return [
        link
        for link, file, heading in links(page)
        if not file.exists() or (heading and heading not in anchors(file))
    ]


def paths_in(text: str) -> list[str]:
    """What is written as code and looks like a path; `<tag>` stands for any name."""
    return [code for code in _CODE.findall(text) if _PATH.fullmatch(code)]


def is_there(path: str) -> bool:
    pattern = re.sub(r"<\w+>", "*", path).rstrip("/")
    return any(any(root.glob(pattern)) for root in ROOTS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(TOP)))
def test_links_lead_somewhere(page: Path):
    assert dead_links(page) == []


def test_a_dead_link_is_named(tmp_path: Path):
    page = tmp_path / "page.md"
    page.write_text("# A `b`, c\n[1](#a-b-c) [2](#d) [3](other.md)\n```\n[4](x.md)\n```\n")
    assert dead_links(page) == ["#d", "other.md"]


def test_every_page_under_docs_is_in_the_index():
    index = TOP / "docs" / "README.md"
    named = {file for _, file, _ in links(index)}
    assert [page for page in tracked("docs/*.md") if page not in named | {index}] == []


def test_every_path_in_contributing_is_there():
    paths = paths_in(prose(TOP / "CONTRIBUTING.md"))
    assert len(paths) > 50
    assert [path for path in paths if not is_there(path)] == []


def test_a_path_that_is_not_there_is_named():
    text = "`call/session.py`, `no/such.py`, `buf lint`, `MAX_CALLS`, `gone.md`, `language/<tag>/`"
    assert paths_in(text) == ["call/session.py", "no/such.py", "gone.md", "language/<tag>/"]
    assert not any(map(is_there, ("no/such.py", "gone.md")))
    assert is_there("helm/<chart>/values.yaml")
