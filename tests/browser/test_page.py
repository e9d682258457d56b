"""The bundle in a real browser, from disk and without a network: what a reader does, compared with the records."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

from tests.browser.conftest import EDITED
from tests.paper.bundle.conftest import COMMIT, HOSTILE, Made

RUN = "cifar100/hadaptive_net_s/dysoft/seed0"
ROWS = (By.CSS_SELECTOR, "#table7 tbody tr")
AXE = Path(__file__).resolve().parents[2] / "node_modules/axe-core/axe.min.js"


@pytest.fixture
def browser(chromium: Chrome, address: str) -> Chrome:
    """The page, opened anew in a wide window; by the end of a test nothing may stand in the console."""
    chromium.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    chromium.get("about:blank")
    chromium.get(address)
    return chromium


@pytest.fixture(autouse=True)
def _a_quiet_console(browser: Chrome) -> Any:
    yield
    assert browser.get_log("browser") == []


def cell(browser: Chrome, table: str, row: str, column: int) -> WebElement:
    for line in browser.find_elements(By.CSS_SELECTOR, f"#{table} tbody tr"):
        if line.find_element(By.TAG_NAME, "th").text.startswith(row):
            return line.find_elements(By.CSS_SELECTOR, "td[data-cell]")[column]
    raise AssertionError(f"no row {row} in {table}")


def panel(browser: Chrome) -> WebElement:
    return browser.find_element(By.ID, "panel")


def test_a_click_shows_the_run_behind_a_cell(browser: Chrome, made: Made) -> None:
    record = json.loads(made.record(RUN).read_text())
    found = cell(browser, "table7", "Hadaptive-Net-S", 5)
    assert found.text == f"{record['metrics']['top1_last']:.2f}"
    assert not panel(browser).is_displayed()
    found.click()
    for folded in panel(browser).find_elements(By.TAG_NAME, "summary"):
        folded.click()
    text = panel(browser).text
    assert text.startswith("Table 7: Hadaptive-Net-S, Top-1 accuracy (%): CIFAR-100")
    value = f"{record['metrics']['top1_last']:.10g}"
    for said in (
        value,
        RUN,
        "Record unmodified (checksum matches).",
        "Status\ndone",
        "Seed\n0",
        "3 min 12 s",
        "1.5 GiB",
        "recipe.epochs\n3",
        "recipe.lr\n0.001",
        "torch\n2.11.0",
        COMMIT,
        record["sha256"],
        "a" * 64,
        "Published\n73.57",
        HOSTILE,
    ):
        assert said in text, said
    command = panel(browser).find_element(By.CLASS_NAME, "command").get_attribute("textContent")
    assert command == (
        f"uv run snakemake --cores 8 results/demo/{RUN}/record.json --config scale=demo "
        "&& uv run hadaptive render table7 --scale demo"
    )
    plots = panel(browser).find_elements(By.CSS_SELECTOR, ".plots svg")
    said = [plot.get_attribute("aria-label") for plot in plots]
    last = record["curve"][-1]["test_top1"]
    assert said[0] == "loss (test, train) over epochs 1 to 3, from 1.33 to 4.5"
    assert f"to {max(last, 60):.3g}" in str(said[1])
    assert len(plots[0].find_elements(By.CSS_SELECTOR, "path.line")) == 2


def test_an_empty_cell_says_why(browser: Chrome) -> None:
    cell(browser, "table7", "Hadaptive-Net-S", 6).click()
    text = panel(browser).text
    assert "empty\nnot part of scale demo" in text and "No record: nothing was to be run." in text
    assert "paper_tables/table7.tex" in text


def test_what_is_hostile_is_only_text(browser: Chrome) -> None:
    assert cell(browser, "table7", HOSTILE, 0).is_displayed()
    failed = cell(browser, "table7", "GhostNet-1.0", 5)
    browser.execute_script("arguments[0].scrollIntoView()", failed)
    failed.click()
    assert f"empty\n{HOSTILE}" in panel(browser).text
    assert not browser.find_elements(By.CSS_SELECTOR, 'img[src="x"]')


def test_the_keyboard_goes_from_cell_to_panel_and_back(browser: Chrome) -> None:
    first = browser.find_element(By.CSS_SELECTOR, "#table7 td[tabindex='0']")
    assert len(browser.find_elements(By.CSS_SELECTOR, "#table7 td[tabindex='0']")) == 1
    browser.execute_script("arguments[0].focus()", first)
    active = browser.switch_to.active_element
    for key in (
        Keys.ARROW_DOWN,
        Keys.ARROW_DOWN,
        Keys.ARROW_RIGHT,
        Keys.ARROW_LEFT,
        Keys.ARROW_LEFT,
        Keys.END,
        Keys.ARROW_LEFT,
    ):
        active.send_keys(key)
        active = browser.switch_to.active_element
    chosen = cell(browser, "table7", "Hadaptive-Net-S", 5)
    assert active == chosen and chosen.get_attribute("tabindex") == "0"
    active.send_keys(Keys.ENTER)
    assert "Hadaptive-Net-S" in browser.switch_to.active_element.text, "the panel's title has the focus"
    assert chosen.get_attribute("aria-expanded") == "true"
    browser.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert not panel(browser).is_displayed()
    assert browser.switch_to.active_element == chosen


def test_the_switch_shows_measured_published_and_difference(browser: Chrome, made: Made) -> None:
    found = cell(browser, "table7", "Hadaptive-Net-S", 0)
    record = json.loads(made.record("complexity/hadaptive_net_s/dysoft").read_text())
    ours = record["metrics"]["parameters_inference"] / 1e6
    views = [f"{ours:.2f}", "2.10", f"{ours - 2.10:+.2f}".replace("-", "\N{MINUS SIGN}")]
    for view, said in zip(("measured", "published", "difference"), views, strict=True):
        browser.find_element(By.CSS_SELECTOR, f"input[name=view-table7][value={view}] + span").click()
        assert found.text == said
        assert cell(browser, "table5", "MobileNetV3-S", 1).text != "1.61", "other tables stay as they are"
    browser.find_element(By.CSS_SELECTOR, "[data-all=published]").click()
    assert (found.text, cell(browser, "table5", "MobileNetV3-S", 1).text) == ("2.10", "1.61")


def test_an_edit_by_hand_is_at_the_top_and_at_the_cell(browser: Chrome) -> None:
    top = browser.find_element(By.ID, "edited")
    assert top.is_displayed() and EDITED in top.text and "1 record was edited by hand" in top.text
    found = cell(browser, "table7", "MobileNetV3-S", 5)
    assert "edited" in found.text
    found.click()
    said = panel(browser).find_element(By.CSS_SELECTOR, ".seal.edited").text
    assert said == "Record edited by hand (checksum does not match)."


def test_a_link_opens_its_cell(browser: Chrome, address: str) -> None:
    browser.get("about:blank")
    browser.get(f"{address}#table7/Hadaptive-Net-S/cifar100_top1")
    assert RUN in panel(browser).text
    browser.find_element(By.ID, "panel-close").click()
    assert "#" not in browser.current_url


def test_a_figure_has_words_and_records(browser: Chrome) -> None:
    button = browser.find_element(By.CSS_SELECTOR, "#figure7 button")
    browser.execute_script("arguments[0].scrollIntoView()", button)
    button.click()
    browser.execute_script("document.querySelector('#figure2 .numbers').open = true")
    assert "Scale: demo" in browser.find_element(By.CSS_SELECTOR, "#figure2 .numbers").text
    assert "kernels/figure7" in panel(browser).text and "paper_tables/figure7.pdf" in panel(browser).text
    assert browser.execute_script("return [...document.images].every(i => i.naturalWidth > 0 && i.alt)")


def test_a_phone_scrolls_tables_not_the_page(browser: Chrome, address: str) -> None:
    phone = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
    wide, boxes = browser.execute_script(
        "return [document.documentElement.scrollWidth, "
        "[...document.querySelectorAll('#table7 .scroll')].map(b => b.scrollWidth > b.clientWidth)]"
    )
    assert wide == 390 and boxes == [True]
    browser.execute_script("document.querySelector('#table7 td[data-cell]').click()")
    assert panel(browser).rect["width"] == 390
    browser.get("about:blank")
    browser.get(address)
    accuracy = browser.execute_script("return document.querySelector('#table7 th[data-key]').getBoundingClientRect()")
    assert 0 < accuracy["left"] < accuracy["right"] <= 390, "accuracies are seen first"


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_axe_finds_no_accessibility_violation(browser: Chrome, colours: str) -> None:
    if not AXE.is_file():
        pytest.skip("axe-core is not installed (npm install --no-save axe-core)")
    wanted = {"features": [{"name": "prefers-color-scheme", "value": colours}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", wanted)
    cell(browser, "table7", "Hadaptive-Net-S", 5).click()
    browser.execute_script(AXE.read_text(encoding="utf-8"))
    found = browser.execute_async_script("const done = arguments[0]; axe.run().then(done, (e) => done(String(e)))")
    assert isinstance(found, dict), found
    assert [(each["id"], each["help"], [n["target"] for n in each["nodes"]][:3]) for each in found["violations"]] == []


def test_search_finds_cells_by_model_value_and_run(browser: Chrome, made: Made) -> None:
    field = browser.find_element(By.CSS_SELECTOR, "#search input")
    for words in ("table 7 hadaptive-net-s cifar-100", RUN.replace("/seed0", "") + " table 7"):
        field.clear()
        field.send_keys(words)
        links = browser.find_elements(By.CSS_SELECTOR, "#found a")
        (link,) = (each for each in links if "Table 7, Hadaptive-Net-S, Top-1 accuracy (%): CIFAR-100" in each.text)
    link.click()
    assert RUN in panel(browser).text
    field.send_keys(" zzz")
    assert browser.find_element(By.ID, "found").text == "No cell found"


def test_a_head_sorts_by_what_is_shown(browser: Chrome) -> None:
    (head,) = (h for h in browser.find_elements(By.CSS_SELECTOR, "#table7 th button") if h.text.startswith("Params"))

    def column() -> list[float]:
        texts = [line.find_elements(By.TAG_NAME, "td")[0].text for line in browser.find_elements(*ROWS)]
        return [float(text) for text in texts if text != "—"]

    printed = column()
    browser.execute_script("arguments[0].click()", head)
    assert column() == sorted(printed, reverse=True) != printed
    browser.execute_script("arguments[0].click()", head)
    assert column() == sorted(printed)
    browser.execute_script("arguments[0].click()", head)
    assert column() == printed


def test_light_dark_and_print(browser: Chrome) -> None:
    def ground() -> str:
        return str(browser.execute_script("return getComputedStyle(document.body).backgroundColor"))

    light = ground()
    dark_wanted = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", dark_wanted)
    dark = ground()
    assert light != dark
    browser.find_element(By.ID, "theme").click()
    assert ground() == light
    browser.find_element(By.ID, "theme").click()
    assert ground() == dark
    browser.execute_script("localStorage.clear()")
    cell(browser, "table7", "Hadaptive-Net-S", 5).click()
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print", "features": []})
    assert not panel(browser).is_displayed() and ground() != dark
    overflow = "return getComputedStyle(document.querySelector('#table7 .scroll')).overflowX"
    assert browser.execute_script(overflow) == "visible"
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})
