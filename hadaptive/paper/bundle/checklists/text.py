"""Both checklists as one Markdown document."""

from __future__ import annotations

from pathlib import Path

from hadaptive.paper.bundle.checklists import acm, ml
from hadaptive.paper.bundle.checklists.facts import Facts, Unanswered
from hadaptive.paper.escape import markdown
from hadaptive.paper.files import CHECKLISTS
from hadaptive.records import write_text


def text(facts: Facts) -> str:
    """The document: a table a section; what has no answer says why."""
    head = "> **Demonstration, not a result**: stand-in data.\n\n" if facts.demonstration else ""
    parts = [f"# Checklists\n\n{head}Answered from the records of scale `{facts.scale}`: {markdown(facts.about)}."]
    for checklist in (acm, ml):
        parts.append(f"## {checklist.TITLE}")
        for title, items in checklist.sections(facts).items():
            lines = [f"### {title}", ""] if title else []
            lines += ["| | |", "| :-- | :-- |"]
            for question, answer in items:
                reply = f"*{answer.word}*: {answer.reason}" if isinstance(answer, Unanswered) else answer
                lines.append(f"| {_cell(question)} | {_cell(reply)} |")
            parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def write(facts: Facts, out_dir: Path) -> Path:
    """Write checklists.md; returns its path."""
    path = out_dir / CHECKLISTS
    write_text(path, text(facts))
    return path


def _cell(text: str) -> str:
    """Markdown written here stays; a pipe or a line break, which a record may hold, must not end the cell."""
    return " ".join(text.replace("|", "\\|").split()).replace("<", "&lt;")
