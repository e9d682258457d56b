"""Archives of results: what fits is taken, what does not is refused by name, and nothing is written elsewhere."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from hadaptive import config, record
from hadaptive.data.prepared import write_arrays
from hadaptive.errors import UserError
from hadaptive.offline import merge as module
from hadaptive.offline.merge import merge
from hadaptive.offline.pack import state_of
from hadaptive.records import seal, sha256
from hadaptive.study import Study
from hadaptive.study.settling import code_of
from tests.offline.conftest import drawn

ROOT = Path(__file__).resolve().parents[2]
RUN, MEASURE = "cifar100/starnet_s1/base/seed0", "kernels/table4"


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    """The study of a project with prepared digits; Snakemake is not started."""
    values = yaml.safe_load((ROOT / "params.yaml").read_text())
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "params.yaml").write_text(yaml.safe_dump(values, sort_keys=False))
    monkeypatch.chdir(folder)
    monkeypatch.setattr(module, "remember", lambda executed, scale: None)
    write_arrays("digits", Path("data/prepared/digits"), drawn())
    return Study(config.load(given={"scale": "demo", "reference": "never"}))


def training(given: Study, **changes: Any) -> dict[str, Any]:
    """The fields of a record of the training, as a trainer on this data would leave it."""
    run = given.runs[RUN]
    data = {"dataset": run.dataset, "sha256": sha256(Path("data/prepared/digits/manifest.json"))}
    checkpoints = {"last": {"path": "x", "sha256": hashlib.sha256(b"weights").hexdigest()}}
    fields = record.envelope(run, {}, data=data, checkpoints=checkpoints, code=code_of(run), curve=[])
    return {**fields, **changes}


def sealed(fields: dict[str, Any]) -> bytes:
    return json.dumps({**fields, "sha256": seal(fields)}).encode()


def archive(
    tmp_path: Path, files: dict[str, bytes], given: Study, sums: dict[str, str] | None = None, **more: Any
) -> Path:
    """An archive as run.sh writes it."""
    jobs = {f"measure {MEASURE}": {"status": "done", "code": code_of(given.measures[MEASURE])}}
    said = {"format": 1, "pack": "abc", "scale": "demo", "jobs": jobs, "carried": {}, **more}
    said["files"] = sums or {name: hashlib.sha256(raw).hexdigest() for name, raw in files.items()}
    path = tmp_path / "results.tar"
    with tarfile.open(path, "w") as tar:
        for name, raw in {"results.json": json.dumps(said).encode(), **files}.items():
            info = tarfile.TarInfo(name)
            info.size = len(raw)
            tar.addfile(info, io.BytesIO(raw))
    return path


def folder_of(name: str) -> str:
    return f"results/demo/{name}"


def test_records_checkpoints_states_and_logs_go_where_the_workflow_expects_them(given: Study, tmp_path: Path) -> None:
    measured = sealed(record.envelope(given.measures[MEASURE], {}))
    unfinished = given.runs["cifar100/starnet_s2/base/seed0"]
    state = state_of(unfinished, code_of(unfinished))
    files = {
        f"{folder_of(RUN)}/record.json": sealed(training(given)),
        f"{folder_of(RUN)}/last.pt": b"weights",
        f"{folder_of(MEASURE)}/record.json": measured,
        state.as_posix(): b"state",
        "logs/offline/x.log": b"said",
    }
    merged = merge(archive(tmp_path, files, given))
    assert (merged.records, merged.states, merged.refused) == ([RUN, MEASURE], [unfinished.id], {})
    assert {name: Path(name).read_bytes() for name in files} == files
    again = merge(archive(tmp_path, files, given))
    assert again.refused == {}, "the same once more is no conflict"
    further = {state.as_posix(): b"further"}
    assert "another state" in merge(archive(tmp_path, further, given)).refused[state.as_posix()]
    went_on = archive(tmp_path, further, given, carried={state.as_posix(): sha256(state)})
    assert merge(went_on).states == [unfinished.id] and state.read_bytes() == b"further"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda fields: fields["run"]["recipe"].update(epochs=99), "other settings"),
        (lambda fields: fields.update(code="0123456789abcdef"), "other code"),
        (lambda fields: fields["data"].update(sha256="0" * 64), "other data"),
    ],
)
def test_what_was_made_otherwise_is_refused(
    given: Study, tmp_path: Path, change: Callable[[dict[str, Any]], None], reason: str
) -> None:
    fields = training(given)
    change(fields)
    merged = merge(archive(tmp_path, {f"{folder_of(RUN)}/record.json": sealed(fields)}, given))
    assert reason in merged.refused[folder_of(RUN)] and merged.records == []
    assert not Path(folder_of(RUN)).exists()


def test_what_was_edited_or_damaged_is_refused_and_the_rest_is_taken(given: Study, tmp_path: Path) -> None:
    edited = {**json.loads(sealed(training(given))), "status": "diverged at epoch 1"}
    found, unknown = "cifar100/starnet_s2/base/seed0", "cifar100/nothing/base/seed0"
    files = {
        f"{folder_of(RUN)}/record.json": json.dumps(edited).encode(),
        f"{folder_of(found)}/record.json": b"{",
        f"{folder_of(unknown)}/record.json": b"{}",
        f"{folder_of(MEASURE)}/record.json": sealed(record.envelope(given.measures[MEASURE], {})),
    }
    merged = merge(archive(tmp_path, files, given))
    assert merged.records == [MEASURE]
    assert merged.refused[folder_of(RUN)] == "edited by hand" and "no such Run" in merged.refused[folder_of(unknown)]
    assert "record damaged" in merged.refused[folder_of(found)]


def test_another_checkpoint_than_the_record_s_is_refused(given: Study, tmp_path: Path) -> None:
    files = {f"{folder_of(RUN)}/record.json": sealed(training(given)), f"{folder_of(RUN)}/last.pt": b"others"}
    assert "last.pt is not the checkpoint" in merge(archive(tmp_path, files, given)).refused[folder_of(RUN)]


def test_a_record_that_is_here_already_stays_unless_it_had_no_gpu(given: Study, tmp_path: Path) -> None:
    table4 = given.measures[MEASURE]
    place = table4.folder / "record.json"
    record.write(place, record.envelope(table4, {}, status="no CUDA device"))
    other = {f"{folder_of(MEASURE)}/record.json": sealed(record.envelope(table4, {}, status="out of memory"))}
    assert merge(archive(tmp_path, other, given)).records == [MEASURE]
    again = {f"{folder_of(MEASURE)}/record.json": sealed(record.envelope(table4, {}))}
    assert "is here already" in merge(archive(tmp_path, again, given)).refused[folder_of(MEASURE)]
    assert place.read_bytes() == other[f"{folder_of(MEASURE)}/record.json"]


def test_a_measure_by_other_code_is_refused(given: Study, tmp_path: Path) -> None:
    files = {f"{folder_of(MEASURE)}/record.json": sealed(record.envelope(given.measures[MEASURE], {}))}
    jobs = {f"measure {MEASURE}": {"status": "done", "code": "other"}}
    assert "other code" in merge(archive(tmp_path, files, given, jobs=jobs)).refused[folder_of(MEASURE)]


@pytest.mark.parametrize("name", ["/tmp/escaped", "../escaped", "results/../../escaped", "hadaptive/run.py"])
def test_members_that_would_be_written_elsewhere_are_refused(given: Study, tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="refused, as its member"):
        merge(archive(tmp_path, {name: b"x"}, given))
    assert not (tmp_path / "escaped").exists() and not Path("hadaptive").exists()


def test_links_are_refused(given: Study, tmp_path: Path) -> None:
    path = archive(tmp_path, {}, given)
    with tarfile.open(path, "a") as tar:
        link = tarfile.TarInfo("results/link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    with pytest.raises(UserError, match="'results/link'"):
        merge(path)


def test_a_damaged_archive_is_named(given: Study, tmp_path: Path) -> None:
    path = archive(tmp_path, {"logs/x.log": b"x"}, given, sums={"logs/x.log": "0" * 64})
    with pytest.raises(UserError, match=r"logs/x\.log is damaged"):
        merge(path)
    for content in (b"", b"no tar", path.read_bytes()[:700]):
        path.write_bytes(content)
        with pytest.raises(UserError, match="copy it here again"):
            merge(path)
    with pytest.raises(UserError, match="by this version"):
        merge(archive(tmp_path, {}, given, format=99))
