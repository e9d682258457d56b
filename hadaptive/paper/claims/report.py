"""The verdicts on the claims as text: for a terminal, as Markdown, as CSV."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.markup import escape

from hadaptive.paper.claims import statements
from hadaptive.paper.claims.statements import Judged, marked
from hadaptive.paper.escape import markdown
from hadaptive.paper.spec import ClaimsSpec
from hadaptive.records import write_text
from hadaptive.terminal import as_text, columns

NARROW = 100  # columns of a terminal below which every column is wrapped


def table(judged: Sequence[Judged], width: int | None = None) -> str:
    """The verdicts for a terminal, statements wrapped to its width, and how many claims have each."""
    from rich.table import Table

    head, *rows = statements.lines(judged)
    shown = Table(*head, box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in shown.columns[:-1]:
        column.no_wrap = (width or columns()) >= NARROW
    for row in rows:
        shown.add_row(*map(escape, row))
    counted = Counter(each.verdict for each in judged)
    return f"{as_text(shown, width)}\n\n" + ", ".join(f"{counted[v]} {v}" for v in statements.WORST_FIRST if counted[v])


def as_markdown(judged: Sequence[Judged], spec: ClaimsSpec) -> str:
    """A table of the claims, then every comparison with its numbers."""
    head = "> **Demonstration, not a result**: stand-in data.\n\n" if spec.demonstration else ""
    head += (
        f"What the paper claims, on the records of scale `{spec.scale}`. An accuracy is greater where the intervals "
        "(mean, plus and minus the binomial standard error of its test set or, if larger, the deviation over seeds) do "
        "not overlap; a count where it is greater as printed. A claim takes the verdict of its weakest comparison; "
        "what stands beside a claim has no weight in it. In the column of the paper's numbers the same comparisons are "
        "made between the numbers it prints.\n\n"
    )
    rows = [[str(markdown(cell)) for cell in row] for row in statements.lines(judged)]
    rows.insert(1, [":--"] * len(rows[0]))
    parts = []
    for each in judged:
        parts.append(
            f"\n**{markdown(each.claim.number)}** {markdown(each.claim.statement)} ({markdown(each.claim.source)}).\n"
        )
        for part in (*each.parts, *each.beside):
            paper = f"; the paper's numbers: {part.paper}" if part.paper else ""
            verdict = marked(part.verdict, part.demonstration)
            beside = "beside the claim: " * (part in each.beside)
            parts.append(f"- {beside}{markdown(part.said)}: **{verdict}**, {markdown(part.because)}{paper}")
    return head + "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n" + "\n".join(parts) + "\n"


def as_csv(judged: Sequence[Judged], spec: ClaimsSpec) -> str:
    """A line a comparison."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["claim", "source", "statement", "comparison", "verdict", "demonstration", "because",
                     "paper_verdict", "claim_verdict", "claim_paper_verdict", "scale", "beside"])  # fmt: skip
    for each in judged:
        for part in (*each.parts, *each.beside):
            writer.writerow([
                each.claim.number, each.claim.source, each.claim.statement, part.said, part.verdict,
                "yes" if part.demonstration else "no", part.because, part.paper, each.verdict, each.paper, spec.scale,
                "yes" if part in each.beside else "no",
            ])  # fmt: skip
    return out.getvalue()


def write(judged: Sequence[Judged], spec: ClaimsSpec, out_dir: Path) -> list[Path]:
    """Write claims.md and claims.csv; returns their paths."""
    written = {out_dir / "claims.md": as_markdown(judged, spec), out_dir / "claims.csv": as_csv(judged, spec)}
    for path, text in written.items():
        write_text(path, text)
    return list(written)
