"""The closing message names what was made at this scale, and nothing left over from another."""

from __future__ import annotations

from pathlib import Path

import yaml

from hadaptive import config, guide
from hadaptive.study import Study

VALUES = yaml.safe_load((Path(__file__).resolve().parent.parent / "params.yaml").read_text())


def test_only_what_this_scale_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "table7.md").write_text("Comparison. Scale `cpu`: CIFAR-100.")
    (tmp_path / "table1.md").write_text("Curves. Scale `demo`: digits.")
    (tmp_path / "figure7.txt").write_text("Figure 7\n\nA heatmap.\n\nScale: demo\n")
    said = guide.made(Study(config.check({**VALUES, "scale": "cpu"})), tmp_path)
    assert "table7.tex" in said
    assert "table1.tex" not in said
    assert "figure7" not in said
    assert "index.html" not in said
    (tmp_path / "index.html").write_text('<html lang="en" data-scale="cpu">')
    assert "index.html, bundle.zip" in guide.made(Study(config.check({**VALUES, "scale": "cpu"})), tmp_path)


def test_what_to_try_next_depends_on_what_was_run(tmp_path: Path) -> None:
    shown, own = (Study(config.check({**VALUES, "scale": "cpu", "reference": how})) for how in ("only", "first"))
    assert "results/reference/cpu/ " in guide.made(shown, tmp_path)
    assert "--config scale=cpu reference=never" in guide.made(shown, tmp_path)
    assert "results/cpu/ " in guide.made(own, tmp_path)
    assert "--config scale=gpu" in guide.made(own, tmp_path)
