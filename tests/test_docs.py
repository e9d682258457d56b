"""Links of the documentation lead somewhere; the reference of the Python API can be made."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest

import hadaptive
import kernels

ROOT = Path(__file__).resolve().parent.parent
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" not in target and not target.startswith("#"):
            assert (page.parent / target.partition("#")[0]).exists(), target


class Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.targets: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.targets += [value for name, value in attributes if name == "href" and tag == "a" and value]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_the_reference_has_no_dead_link(tmp_path: Path) -> None:
    pdoc = pytest.importorskip("pdoc", reason="needs --group docs")
    pdoc.pdoc("hadaptive", "kernels", output_directory=tmp_path)
    pages = list(tmp_path.rglob("*.html"))
    for package in (hadaptive, kernels):
        text = (tmp_path / f"{package.__name__}.html").read_text()
        assert [name for name in package.__all__ if f'id="{name}"' not in text] == []
    for page in pages:
        links = Links()
        links.feed(page.read_text())
        for target in links.targets:
            path, _ = urldefrag(unquote(target))
            if path and "://" not in path:
                assert (page.parent / path).exists(), f"{page.name}: {target}"
