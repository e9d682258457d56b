"""The template of `dvc plots show`."""

from __future__ import annotations

from configparser import ConfigParser
from pathlib import Path

from hadaptive.paper.plots_page import write

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_has_what_dvc_fills_and_its_scripts_inside(tmp_path: Path) -> None:
    page = write(tmp_path / "plots.html", scripts="window.vegaEmbed = '</script>';").read_text()
    assert page.count("{plot_divs}") == page.count("{refresh_tag}") == 1 and "{scripts}" not in page
    assert r"window.vegaEmbed = '<\/script>';" in page and page.count("</script>") == 1


def test_dvc_is_told_where_the_page_lies() -> None:
    settings = ConfigParser()
    settings.read_string("\n".join(line.strip() for line in (ROOT / ".dvc/config").read_text().splitlines()))
    assert (ROOT / ".dvc" / settings["plots"]["html_template"]).resolve() == ROOT / "results/plots.html"
    assert '"results/plots.html"' in (ROOT / "workflow/rules/metrics.smk").read_text()
