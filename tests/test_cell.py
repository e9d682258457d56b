"""`hadaptive cell` on the reference records of a clone."""

from __future__ import annotations

from pathlib import Path

import pytest

from hadaptive import cli

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize(("rendered", "words", "scale"), [
    (None, [], "demo"),
    ("cpu\n", [], "cpu"),
    ("cpu\n", ["--scale", "gpu"], "gpu"),
])  # fmt: skip
def test_without_a_scale_the_one_rendered_last_answers(
    rendered: str | None,
    words: list[str],
    scale: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    (tmp_path / "results").mkdir()  # with no other records: the project's own folder may hold some of its user's
    (tmp_path / "results/reference").symlink_to(ROOT / "results/reference")
    if rendered is not None:
        (tmp_path / ".snakemake").mkdir()
        (tmp_path / ".snakemake/scale").write_text(rendered)
    monkeypatch.chdir(tmp_path)
    assert cli.main(["cell", "figure3_table", "ACH", "top1", *words]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].endswith(f"scale {scale}")
    assert any(line.startswith("empty: ") for line in said) == (scale != "cpu"), "cpu alone has reference records"
