"""The page that `dvc plots show` fills, with the scripts that draw its plots.

DVC's own page loads its scripts from a network.
"""

from __future__ import annotations

from pathlib import Path

from hadaptive.records import write_text

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Loss and accuracy by epoch</title>
{refresh_tag}
<style>
body { font: 16px system-ui, sans-serif; margin: 1rem; }
</style>
<script>
SCRIPTS
</script>
</head>
<body>
{plot_divs}
</body>
</html>
"""


def write(path: Path, scripts: str | None = None) -> Path:
    """Write the template that `plots.html_template` of .dvc/config names; `scripts` defaults to Vega's, by vl-convert.

    DVC replaces what stands in braces.
    """
    if scripts is None:
        import vl_convert

        scripts = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", vl_version="5.20")  # as in curves.json
    write_text(path, PAGE.replace("SCRIPTS", scripts.replace("</script", r"<\/script")))
    return path
