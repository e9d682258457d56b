"""Files appear whole or not at all."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest

from hadaptive import records
from hadaptive.errors import UserError


def test_a_write_that_fails_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    records.write_json(path, {"a": 1})

    def fail() -> None:
        with records.atomic(path) as temporary:
            temporary.write_text("half")
            raise OSError(errno.ENOSPC, "disk full")

    with pytest.raises(OSError, match="full"):
        fail()
    assert json.loads(path.read_text()) == {"a": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["record.json"]


def test_equal_values_are_equal_bytes(tmp_path: Path) -> None:
    records.write_json(tmp_path / "a", {"x": 1, "y": [1.5, None]})
    records.write_json(tmp_path / "b", {"y": [1.5, None], "x": 1})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_nan_is_not_json(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        records.write_json(tmp_path / "a", {"loss": float("nan")})


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "manifest.json"
    path.write_text('{"a": ')
    with pytest.raises(UserError, match=r"manifest\.json is damaged"):
        records.read_json(path)


def test_environment_can_be_written(tmp_path: Path) -> None:
    environment = records.environment()
    records.write_json(tmp_path / "e.json", environment)
    assert environment["packages"]["torch"] and environment["cores"] >= 1


def test_records_of_packed_code_name_the_commit_it_came_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "commit.json").write_text('{"git_commit": "abc", "git_dirty": false}')
    monkeypatch.setattr(records, "COMMIT", str(tmp_path / "commit.json"))
    found = records.environment()
    assert (found["git_commit"], found["git_dirty"]) == ("abc", False)
