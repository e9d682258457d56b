"""The embedded data set, prepared once for all tests of training."""

from __future__ import annotations

from pathlib import Path

import pytest

from hadaptive.data import DataSettings, prepare


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "digits"
    prepare("digits", folder, DataSettings())
    return folder
