"""The verdicts on the claims as text: for a terminal, as Markdown, as CSV."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.markup import escape

from hadaptive.paper.claims import statements
from hadaptive.paper.claims.findings import VERDICTS
from hadaptive.paper.claims.statements import Judged, Verdict, marked
from hadaptive.paper.escape import markdown
from hadaptive.paper.spec import ClaimsSpec
from hadaptive.records import write_text
from hadaptive.terminal import as_text, columns

RULE = (
    "A comparison holds or is contradicted where the difference is beyond noise: over seeds and test examples, with an "
    "error of 5% for each claim (Holm's method); a count where it differs as printed. Intervals are of 95%, each for "
    "itself; P(A > B) is the probability that one more training of each comes out in the order claimed. A claim is "
    "contradicted where one of its comparisons is, otherwise undecided where one that was run is, and it holds partly "
    "where all that was run holds and something was not run. What stands beside a claim has no weight in it."
)
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
    return f"{as_text(shown, width)}\n\n" + ", ".join(f"{counted[v]} {v}" for v in VERDICTS if counted[v])


def as_markdown(judged: Sequence[Judged], spec: ClaimsSpec) -> str:
    """A table of the claims, then every comparison with its numbers."""
    head = "> **Demonstration, not a result**: stand-in data.\n\n" if spec.demonstration else ""
    head += (
        f"What the paper claims, on the records of scale `{spec.scale}`. {RULE} In the column of the paper's numbers "
        "the same comparisons are made between the numbers it prints, with the size of its test sets.\n\n"
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
            parts.append(f"- {beside}{markdown(part.comparison)}: **{verdict}**, {markdown(part.because)}{paper}")
    return head + "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n" + "\n".join(parts) + "\n"


def as_csv(judged: Sequence[Judged], spec: ClaimsSpec) -> str:
    """A line a comparison."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        [
            "claim",
            "source",
            "statement",
            "comparison",
            "verdict",
            "demonstration",
            "because",
            "paper_verdict",
            "claim_verdict",
            "claim_paper_verdict",
            "scale",
            "beside",
            "difference",
            "low",
            "high",
            "p",
            "p_holm",
            "probability_above",
            "seeds_to_decide",
        ]
    )
    for each in judged:
        for part in (*each.parts, *each.beside):
            writer.writerow(
                [
                    each.claim.number,
                    each.claim.source,
                    each.claim.statement,
                    part.comparison,
                    part.verdict,
                    "yes" if part.demonstration else "no",
                    part.because,
                    part.paper,
                    each.verdict,
                    each.paper,
                    spec.scale,
                    "yes" if part in each.beside else "no",
                    *_numbers(part),
                ]
            )
    return out.getvalue()


def _numbers(part: Verdict) -> list[float | str]:
    """Difference, interval, p, p by Holm, P(A > B), seeds to decide; empty where there is none."""
    found = part.estimate
    numbers = [found.gap, found.low, found.high, found.p] if found else [None] * 4
    each = [*numbers, part.p, found.above if found else None, part.seeds]
    return ["" if value is None else float(f"{value:.6g}") for value in each]


def write(judged: Sequence[Judged], spec: ClaimsSpec, out_dir: Path) -> list[Path]:
    """Write claims.md and claims.csv; returns their paths."""
    written = {out_dir / "claims.md": as_markdown(judged, spec), out_dir / "claims.csv": as_csv(judged, spec)}
    for path, text in written.items():
        write_text(path, text)
    return list(written)
