"""Records that are damaged or edited by hand: each harms its own cells, and nothing else."""

from __future__ import annotations

import copy
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from hadaptive import cli, config, record
from hadaptive.errors import UserError
from hadaptive.paper.bundle import page
from hadaptive.paper.bundle.checklists.facts import gather as gather_facts
from hadaptive.paper.bundle.contents import gather
from hadaptive.paper.bundle.provenance import Evidence
from hadaptive.paper.bundle.runs import Shared, lean
from hadaptive.paper.cells import BY_HAND
from hadaptive.paper.claims import report
from hadaptive.paper.claims.statements import judge
from hadaptive.paper.figures import figure2, figure4
from hadaptive.paper.spec import BundleSpec, record_path
from hadaptive.paper.tables import frames_of, metrics
from hadaptive.paper.tables.frame import Frame
from hadaptive.paper.tables.render import render
from hadaptive.record import Damaged, Missing, Record, RecordDamaged, files, find, read
from hadaptive.study import Study, reference
from tests.reliability.attack_records import COMMITTED, DAMAGES, IDS, TRAINED, Damage

ROOT = Path(__file__).resolve().parent.parent
NAMES = [f"{each.kind}: {each.name}" for each in DAMAGES]


@cache
def study() -> Study:
    """Everything of scale cpu from the committed records alone."""
    values = yaml.safe_load((ROOT / "params.yaml").read_text())
    return Study(config.check({**values, "scale": "cpu", "reference": "only"}))


@cache
def bundle() -> BundleSpec:
    return study().bundle


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the committed records, each of which a test puts back as it was."""
    folder = tmp_path_factory.mktemp("records") / "results"
    shutil.copytree(COMMITTED, folder / "reference/cpu")
    return folder


def path_of(results: Path, record_id: str) -> Path:
    return results / "reference/cpu" / record_id / "record.json"


@pytest.fixture
def damaged(shared: Path, request: pytest.FixtureRequest) -> Iterator[tuple[Damage, Path]]:
    """The copy with one record damaged."""
    damage = request.param
    path = path_of(shared, IDS[damage.kind][0])
    before = path.read_bytes()
    path.write_bytes(damage.apply(before))
    assert path.read_bytes() != before
    yield damage, shared
    path.write_bytes(before)


@cache
def undamaged(table: str) -> Frame:
    return frames_of(bundle().tables[table], ROOT / "results")[0]


def test_there_are_many_kinds_of_damage() -> None:
    assert len(DAMAGES) == len(set(NAMES)) >= 65


@pytest.mark.parametrize("damaged", DAMAGES, ids=NAMES, indirect=True)
def test_a_damaged_record_is_one_error_and_empties_its_own_cells(damaged: tuple[Damage, Path]) -> None:
    damage, results = damaged
    record_id, table = IDS[damage.kind]
    path = path_of(results, record_id)
    found = find(path)
    assert isinstance(found, Damaged), found
    with pytest.raises(RecordDamaged) as error:
        read(path)
    assert str(error.value) == f"record damaged: {path}: {found.what}; delete it and run the same command again"
    assert found.what and len(found.what) <= 200 and "\n" not in str(error.value)
    assert record_id in reference.usable(study().params, study().executed, results / "reference")
    if table:
        before, after = undamaged(table), frames_of(bundle().tables[table], results)[0]
        for key, cells in after.cells.items():
            for old, new in zip(before.cells[key], cells, strict=False):
                if record_id in (old.records or new.records):
                    assert new.remark is not None and "record damaged" in new.remark.text, key
                    assert new.n == max(0, old.n - 1) and (new.value is None) is (new.n == 0), key
                elif damage.kind != "structure":
                    assert new == old, key


def test_what_is_no_file_is_damaged_or_missing(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "nowhere").symlink_to(tmp_path / "none")
    for name in ("folder", "pipe", "loop"):
        assert isinstance(find(tmp_path / name), Damaged), name
    for name in ("nowhere", "none", "none/none"):
        assert isinstance(find(tmp_path / name), Missing), name
    with pytest.raises(UserError, match="no such record"):
        read(tmp_path / "none")


def test_a_newer_schema_is_no_damage_but_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    path.write_text(path_of(ROOT / "results", TRAINED).read_text().replace('"schema": 1', '"schema": 2'))
    found = find(path)
    assert isinstance(found, Damaged) and found.reason == "record of schema 2, not 1"


def test_an_unchanged_file_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = Path(shutil.copyfile(path_of(ROOT / "results", TRAINED), tmp_path / "record.json"))
    first = find(path)
    with monkeypatch.context() as patch:
        patch.setattr(files, "_checked", None)
        assert find(path) is first
    path.write_text("{")
    assert isinstance(find(path), Damaged)


def test_unknown_keys_are_kept() -> None:
    fields = json.loads(path_of(ROOT / "results", TRAINED).read_text())
    fields["environment"]["capability"] = "AVX2"
    assert files.kind_of(fields).of(fields).at("environment", "capability") == "AVX2"


def test_what_is_written_is_what_was_read(tmp_path: Path) -> None:
    for path in COMMITTED.rglob("record.json"):
        fields = json.loads(path.read_text())
        sealed = fields.pop("sha256")
        again = record.write(tmp_path / "record.json", fields)
        assert again.sha256 == sealed and (tmp_path / "record.json").read_bytes() == path.read_bytes()


def test_what_could_not_be_read_is_not_written(tmp_path: Path) -> None:
    fields = json.loads(path_of(ROOT / "results", TRAINED).read_text())
    with pytest.raises(RecordDamaged, match=r"was not written: metrics\.top1_last"):
        record.write(tmp_path / "record.json", {**fields, "metrics": {"top1_last": 1000}})
    with pytest.raises(ValueError, match="JSON compliant"):
        record.write(tmp_path / "record.json", {**fields, "metrics": {"top1_last": float("nan")}})
    assert not (tmp_path / "record.json").exists()


def test_importing_it_loads_neither_torch_nor_pandas() -> None:
    import subprocess
    import sys

    code = "import sys, hadaptive.record; sys.exit(bool({'torch', 'pandas'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in nested lists and mappings."""
    inner = value.items() if isinstance(value, dict) else enumerate(value[:3]) if isinstance(value, list) else ()
    for name, each in inner:
        yield (*path, name)
        yield from places(each, (*path, name))


@cache
def committed(kind: str) -> tuple[dict[str, Any], list[tuple[Any, ...]]]:
    fields = json.loads(path_of(ROOT / "results", IDS[kind][0]).read_text())
    return fields, list(places(fields))


ODD = st.sampled_from(
    [None, True, 0, -1, 1, 10**18, -0.0, 1e300, 1e-300, "", "x", "\u0000", "1", [], [[]], {}, {"a": 1}]
)


@settings(deadline=None, max_examples=40)
@given(st.sampled_from(list(IDS)), st.data())
def test_any_value_anywhere_is_damage_or_an_edit(kind: str, data: st.DataObject) -> None:
    original, known = committed(kind)
    place, value = data.draw(st.sampled_from(known)), data.draw(ODD)
    fields = copy.deepcopy(original)
    inner: Any = fields
    for name in place[:-1]:
        inner = inner[name]
    inner[place[-1]] = value
    record_id, table = IDS[kind]
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder)
        path = path_of(results, record_id)
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(fields))
        found = find(path)
        assert isinstance(found, Record | Damaged)
        if isinstance(found, Record):
            assert found.seal != record.SEALED or json.dumps(fields) == json.dumps(original)
            json.dumps(lean(Evidence(record_id, path, "done", found.seal, found), Shared(), Shared()), allow_nan=False)
        spec = bundle()
        if table:
            for frame in frames_of(spec.tables[table], results):
                assert all(cell.value is None or cell.remark is None or cell.n for cell in frame.cells.get("top1", []))
        if kind == "structure":
            for figure, module in (("figure2", figure2), ("figure4", figure4)):
                module.draw(spec.figures[figure], results)
        gather_facts("cpu", "", False, [path], [])


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A copy of the committed records to change at will."""
    shutil.copytree(COMMITTED, tmp_path / "results/reference/cpu")
    return tmp_path / "results"


def test_everything_else_goes_on_with_a_damaged_record_of_every_kind(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, text in zip(IDS, ("[]", "null", "{", "", "[" * 10**5, '{"schema": 1}', "\x00"), strict=True):
        path_of(results, IDS[name][0]).write_text(text)
    spec, out = bundle(), tmp_path / "out"
    for table in spec.tables.values():
        render(table, results, out)
    assert "record damaged" in (out / "table7.md").read_text() and "record damaged" in (out / "table9.md").read_text()
    judged = judge(spec.claims, results)
    because = {each.claim.number: [part.because for part in each.parts] for each in judged}
    assert set(because["11"]) == {"record damaged"} and because["13"][:2] == ["record damaged"] * 2
    assert len(report.write(judged, spec.claims, out)) == 2
    contents, paths = page.write(spec, results, out)
    assert all(path.stat().st_size for path in paths)
    assert "record damaged" in {empty.reason for empty in contents.empty}
    assert path_of(results, TRAINED) not in contents.records
    kept = [path_of(results, each) for each, _ in IDS.values()]
    assert gather_facts("cpu", "", False, [*kept, tmp_path / "none"], []).damaged == len(IDS)

    shutil.copy(ROOT / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    for words in (["runs"], ["claims"], ["cell", "table7", "Hadaptive-Net-S", "cifar100_top1"], ["keep"]):
        assert cli.main([*words, "--scale", "cpu"]) == 0, words
        said = capsys.readouterr().out
        assert "record damaged" in said or words[0] in ("claims", "keep"), words
    capsys.readouterr()


def edit(results: Path, record_id: str) -> None:
    path = path_of(results, record_id)
    value = json.loads(path.read_text())["metrics"]["top1_last"]
    text = path.read_text().replace(repr(value), "99.25")
    assert text != path.read_text()
    path.write_text(text)


def test_a_number_edited_by_hand_is_marked_everywhere(results: Path, tmp_path: Path) -> None:
    spec = bundle()
    edit(results, TRAINED)
    for table in ("table7", "table1", "v1_table5"):
        render(spec.tables[table], results, tmp_path)
    for suffix in ("tex", "md", "csv"):
        text, compared = ((tmp_path / f"{name}.{suffix}").read_text() for name in ("table7", "table7_compare"))
        assert BY_HAND.text in text and BY_HAND.text in compared
    frame = frames_of(spec.tables["table7"], results)[0]
    row = next(n for n, row in enumerate(frame.spec.rows) if row.label == "Hadaptive-Net-S")
    marked = {(key, n) for key, cells in frame.cells.items() for n, cell in enumerate(cells) if cell.edited}
    assert {n for _, n in marked} == {row} and ("cifar100_top1", row) in marked and ("params_m", row) not in marked
    judged = judge(spec.claims, results)
    for text in (report.as_markdown(judged, spec.claims), report.as_csv(judged, spec.claims)):
        assert BY_HAND.text in text
    parts = [part for each in judged if each.claim.number == "8" for part in each.parts if BY_HAND.text in part.because]
    assert parts and all("Hadaptive-Net-S" in part.comparison for part in parts)
    cells = metrics.cells(spec.tables["table7"], results)
    assert cells["hadaptive_net_s", "dysoft"]["cifar100_top1_edited_by_hand"] == 1
    assert not [key for key in cells["starnet_s1", "base"] if "edited" in key]
    assert gather(spec, results, tmp_path).edited == [TRAINED]
    assert record_path(spec.tables["table7"], TRAINED, results) == path_of(results, TRAINED)


def test_nothing_is_marked_as_edited_that_was_not(results: Path, tmp_path: Path) -> None:
    for table in bundle().tables.values():
        for frame in frames_of(table, results):
            assert not [cell for cells in frame.cells.values() for cell in cells if cell.edited]
