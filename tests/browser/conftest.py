"""A real Chromium without a window, driven through chromedriver; Debian's `chromium` and `chromium-driver`."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from hadaptive.paper.bundle import page
from tests.paper.bundle.conftest import Made, made

__all__ = ["made"]
OFFLINE = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-dev-shm-usage --window-size=1360,900 "
    "--proxy-server=127.0.0.1:9 --force-prefers-reduced-motion"
)  # the proxy is a closed port: a page that wanted the network would fail


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    binary, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if binary is None or driver is None:
        pytest.skip("chromium and chromedriver are not installed (Debian: chromium chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for word in (*OFFLINE.split(), f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    started = webdriver.Chrome(options=options, service=Service(driver))
    yield started
    started.quit()


@pytest.fixture(scope="session")
def address(made: Made) -> str:
    """The bundle's page on disk, one of its records edited by hand."""
    path = made.record(EDITED)
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record, "finished": "2020-02-02T20:20:20Z"}))
    _, (index, _) = page.write(made.spec, made.results, made.out)
    return Path(index).resolve().as_uri()


EDITED = "cifar100/mobilenetv3_small_100/base/seed0"
