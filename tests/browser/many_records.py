"""How a page of many records opens in Chromium: `python -m tests.browser.many_records 34`.

34 seeds make 3,000 records. Prints one line for a page of one seed and one for the large page, twice each, so that the
two can be compared: sizes, milliseconds of wall time from the request to the end of loading, and of the slowest
keystroke of a search, of a panel and of a sorted table, each with its layout.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from hadaptive import config
from hadaptive.paper.bundle import page
from hadaptive.study import Study
from tests.browser.conftest import OFFLINE
from tests.paper.bundle.conftest import ROOT, fill

LOADED = "const n = performance.getEntriesByType('navigation')[0]; return n.loadEventEnd;"
USED = """
const timed = (act) => {
  const start = performance.now();
  act();
  document.body.offsetHeight;
  return performance.now() - start;
};
const input = document.querySelector("#search input");
const type = (text) => timed(() => { input.value = text; input.dispatchEvent(new Event("input", { bubbles: true })); });
const search = Math.max(...["m", "mo", "mob", "mobilenetv3 seed7", "top-1 hadaptive", "nothing", ""].map(type));
const panel = timed(() => document.querySelectorAll("td[data-cell]")[5].click());
const sort = timed(() => document.querySelector("th[data-column] button").click());
return { search, panel, sort };
"""


def written(seeds: int, folder: Path) -> tuple[int, Path]:
    """Write a page of random records; return how many, and where it lies."""
    values = yaml.safe_load((ROOT / "params.yaml").read_text())
    values["scales"]["demo"]["seeds"] = list(range(seeds))
    spec = Study(config.check(values)).bundle
    records = fill(spec, folder / "results", epochs=30)
    (folder / "out").mkdir(parents=True)
    _, (index, _) = page.write(spec, folder / "results", folder / "out")
    return records, Path(index)


def main(seeds: int) -> None:
    """Print what the two pages take."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or sys.exit("chromium is not installed")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for word in (*OFFLINE.split(), f"--user-data-dir={folder / 'profile'}"):
            options.add_argument(word)
        pages = [written(count, folder / str(count)) for count in (1, seeds)]
        browser = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
        try:
            for records, index in pages * 2:
                browser.get(index.resolve().as_uri())
                took: dict[str, Any] = {"load": browser.execute_script(LOADED), **browser.execute_script(USED)}
                shown = ", ".join(f"{what} {milliseconds:.0f} ms" for what, milliseconds in took.items())
                print(f"{records} records, {index.stat().st_size / 1e6:.1f} MB: {shown}", flush=True)
        finally:
            browser.quit()


if __name__ == "__main__":
    main(int(sys.argv[1]))
