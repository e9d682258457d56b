"""What README and docs promise, checked."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from hadaptive import cli

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "README.md").read_text()
PAGES = {path.relative_to(ROOT).as_posix(): path.read_text() for path in [ROOT / "README.md", *ROOT.glob("docs/*.md")]}
VERBS = sorted({verb for text in PAGES.values() for verb in re.findall(r"uv run hadaptive ([a-z]+(?: [a-z]+)?)", text)})


def test_the_python_example_runs() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, re.S)
    names: dict[str, object] = {}
    exec(code, names)
    expand = names["expand"]
    assert isinstance(expand, torch.nn.Module)
    assert expand(torch.randn(2, 96, 7, 7)).shape == (2, 96 + 120, 7, 7)


@pytest.mark.parametrize("words", VERBS)
def test_every_verb_named_exists(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    verb = words.split()[0]
    with pytest.raises(SystemExit) as ended:
        cli.main([verb, "--help"])
    assert ended.value.code == 0
    assert verb not in ("bench", "offline") or words.split()[1] in capsys.readouterr().out


def headings(text: str) -> set[str]:
    """The anchors of a page's headings, as on GitHub."""
    lines = [line.strip("# ") for line in text.splitlines() if line.startswith("#")]
    return {re.sub(r"[^\w -]", "", line).lower().replace(" ", "-") for line in lines}


@pytest.mark.parametrize("page", sorted(PAGES))
def test_every_link_within_the_project_leads_somewhere(page: str) -> None:
    for link in re.findall(r"\]\(([^)]+)\)", PAGES[page]):
        path, _, heading = link.partition("#")
        target = (ROOT / page).parent / path if path else ROOT / page
        assert "://" in link or target.is_file(), link
        assert "://" in link or not heading or heading in headings(target.read_text()), link


def test_the_readme_stays_short() -> None:
    assert len(TEXT.splitlines()) <= 115


def test_every_option_has_its_help() -> None:
    parsers = [cli._parser()]
    for parser in parsers:
        for action in parser._actions:
            parsers += getattr(action, "choices", None).values() if action.nargs == "A..." else []
            assert action.help or action.nargs == "A...", f"{parser.prog}: {action.dest}"
