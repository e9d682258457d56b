"""The bundle's text and zip: complete, of one scale, escaped, the same bytes each time."""

from __future__ import annotations

import csv
import json
import re
import shutil
import tempfile
import time
import zipfile
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from jinja2 import UndefinedError
from pydantic import ValidationError

from hadaptive.paper.bundle import page
from hadaptive.paper.bundle.contents import gather
from hadaptive.paper.bundle.provenance import Evidence, machine
from hadaptive.paper.bundle.runs import POINTS, Shared, lean, plots
from hadaptive.record import EDITED, Record, find
from hadaptive.record.parts import Environment
from tests.paper.bundle.conftest import COMMIT, HOSTILE, Made, fill, outputs, study
from tests.records import completed


class Tags(HTMLParser):
    """Every tag with its attributes, and the text of the data block."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.data, self._inside = "", False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = ("id", "data") in attrs

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.data += data


@pytest.fixture(scope="module")
def text(made: Made) -> str:
    return page.html(gather(made.spec, made.results, made.out))


@pytest.fixture(scope="module")
def tags(text: str) -> Tags:
    return Tags(text)


@pytest.fixture
def copy(made: Made, tmp_path: Path) -> Made:
    """A copy to change at will."""
    shutil.copytree(made.results, tmp_path / "results")
    shutil.copytree(made.out, tmp_path / "paper_tables")
    return Made(made.spec, tmp_path / "results", tmp_path / "paper_tables")


def test_everything_registered_is_there(made: Made, tags: Tags) -> None:
    floats = [a["id"] for tag, a in tags.tags if tag == "section"]
    assert set(floats) == {*made.spec.tables, *made.spec.figures, "claims", "errata", "empty", "environment"}
    assert floats.index("table2") < floats.index("figure3") < floats.index("table7") < floats.index("v1_table1")
    links = {a["href"] for tag, a in tags.tags if tag == "a"}
    assert {f"#{name}" for name in floats} <= links
    pictures = [a for tag, a in tags.tags if tag == "img"]
    assert len(pictures) == len(made.spec.figures)
    assert all((a["src"] or "").startswith("data:image/png;base64,") and a["alt"] for a in pictures)


def test_cells_are_those_of_the_csv(made: Made, tags: Tags) -> None:
    floats = json.loads(tags.data)["floats"]
    for name in made.spec.tables:
        with (made.out / f"{name}.csv").open() as file:
            rows = {row["label"]: row for row in csv.DictReader(file)}
        for cell in floats[name]["cells"]:
            row, _, key = cell["key"].rpartition("/")
            assert cell.get("value", "") == rows[row][key]
            assert cell.get("remark", "") == rows[row][f"{key}_reason"]


def test_nothing_from_data_is_markup(text: str, tags: Tags) -> None:
    assert HOSTILE not in text and HOSTILE in json.dumps(json.loads(tags.data), ensure_ascii=False)
    assert [tag for tag, _ in tags.tags].count("script") == 2
    assert not [name for _, a in tags.tags for name in a if name.startswith("on") or name == "style"]
    assert not [a for tag, a in tags.tags if tag == "img" and a["src"] == "x"]


def test_groups_of_records_are_named_by_machine_instructions_and_commit(text: str) -> None:
    summary, *_ = re.findall(r"<summary>(.*) <small>", text.partition('id="environment"')[2])
    assert summary.endswith(f"(PyTorch AVX2, oneDNN AVX512_CORE), commit {COMMIT[:10]}")


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"device": "cpu: A", "processor": "A"}, "cpu: A"),
        ({"processor": "A", "instruction_sets": {"pytorch": "DEFAULT"}}, "A (PyTorch DEFAULT)"),
        ({}, None),
    ],
)
def test_old_records_name_what_they_have(environment: dict[str, Any], named: str | None) -> None:
    assert machine(Environment.model_validate(environment)) == named


def test_nothing_is_fetched(tags: Tags) -> None:
    addresses = [a.get(name) or "" for _, a in tags.tags for name in ("href", "src")]
    assert not [each for each in addresses if re.match(r"\w+:|//", each) and not each.startswith("data:")]
    (policy,) = [a["content"] or "" for _, a in tags.tags if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy.startswith("default-src 'none'") and "unsafe" not in policy


def test_a_missing_variable_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "t.j2").write_text("{{ it.no_such_thing }}")
    with pytest.raises(UndefinedError, match="no_such_thing"):
        page.environment(tmp_path).get_template("t.j2").render(it=object())


def test_an_edited_record_is_marked(copy: Made) -> None:
    record_id = "cifar100/hadaptive_net_s/dysoft/seed0"
    path = copy.record(record_id)
    value = json.loads(path.read_text())["metrics"]["top1_last"]
    path.write_text(path.read_text().replace(repr(value), "99.99"))
    contents = gather(copy.spec, copy.results, copy.out)
    assert contents.edited == [record_id]
    text = page.html(contents)
    assert "1 record was edited by hand" in text and text.count('class="edited"') >= 3  # Tables 1, 7, Figure 3
    (entry,) = [each for each in contents.data["records"] if each["edited"]]
    assert entry["id"] == record_id


def test_scales_are_never_mixed(copy: Made) -> None:
    other = study(scale="cpu").bundle
    with pytest.raises(ValidationError, match=r"one scale, demo; not of it: table7 \(cpu\)"):
        type(copy.spec)(
            scale="demo",
            about="",
            figures={},
            claims=copy.spec.claims,
            tables={**copy.spec.tables, "table7": other.tables["table7"]},
        )
    contents = gather(other, copy.results, copy.out)
    assert contents.measured == 0 and contents.outputs == [] and contents.records == []
    assert "Table 7: the files were not made at scale cpu" in contents.left_out
    text = page.html(contents)
    assert "data:image/png" not in text and "Not drawn at scale cpu" in text
    assert "Demonstration" not in text


def test_one_leftover_is_left_out_and_said(copy: Made) -> None:
    (copy.out / "figure7.txt").write_text("Figure 7\n\nOf yesterday.\n\nScale: cpu\n")
    (copy.out / "table1.md").unlink()
    contents, (_, archive) = page.write(copy.spec, copy.results, copy.out)
    assert contents.left_out == [
        "Table 1: the files were not made at scale demo",
        "Figure 7: the files were not made at scale demo",
    ]
    names = {name.rpartition("/")[2] for name in zipfile.ZipFile(archive).namelist()}
    assert "figure7.pdf" not in names and "table1.tex" not in names and {"table2.tex", "index.html"} <= names


def test_the_zip_holds_all_and_is_the_same_bytes_each_time(copy: Made) -> None:
    contents, paths = page.write(copy.spec, copy.results, copy.out)
    before = [path.read_bytes() for path in paths]
    page.write(copy.spec, copy.results, copy.out)
    assert [path.read_bytes() for path in paths] == before
    with zipfile.ZipFile(paths[1]) as archive:
        names = archive.namelist()
        assert archive.read("hadaptive-demo/paper_tables/index.html") == before[0]
    assert len([name for name in names if name.endswith("record.json")]) == len(contents.records) > 50
    assert "hadaptive-demo/results/demo/cifar100/hadaptive_net_s/dysoft/seed0/record.json" in names


def test_without_records_the_page_says_so(tmp_path: Path) -> None:
    contents = gather(study().bundle, tmp_path / "results", tmp_path)
    text = page.html(contents)
    assert contents.measured == 0 and "0 of " in text and "nothing was run" in text
    assert {empty.reason for empty in contents.empty} >= {"not run"}


def test_a_long_curve_is_drawn_from_few_points_with_its_ends() -> None:
    entries = [{"epoch": n, "train_loss": 1 / n, "lr": 1.0, "note": "x"} for n in range(1, 501)]
    epochs, (plot,) = plots(entries)
    assert plot["title"] == "loss" and plot["lines"][0][0] == "train"
    assert len(epochs) == POINTS == len(plot["lines"][0][1]) and (epochs[0], epochs[-1]) == (1, 500)
    assert plots([{"epoch": 1, "train_loss": None}])[1] == [] and plots(None) == ([], [])
    _, gap = plots([{"epoch": 1, "train_loss": 2.0}, {"epoch": 2, "train_loss": None}])
    assert gap[0]["lines"][0][1] == [2.0, None]


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["epoch", "recipe", "last"]), inner),
    max_leaves=4,
)
NAMES = ("metrics", "curve", "environment", "run", "checkpoints", "data", "wall_s", "peak_memory_bytes", "settings")


@given(st.dictionaries(st.sampled_from(NAMES), ODD, min_size=1))
@example({"wall_s": float("inf"), "peak_memory_bytes": 10**400})
@example({"curve": [{"epoch": float("nan"), "a": float("inf")}, {"a": 10**400, "b": 1}], "metrics": [float("nan")]})
@example({"environment": {"git_dirty": []}, "metrics": {"a": float("nan")}, "checkpoints": {"last": 1}})
def test_no_record_is_too_odd_to_be_shown(fields: dict[str, Any]) -> None:
    for record_id in ("cifar100/net/base/seed0", "latency/net/base"):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "record.json")
            path.write_text(json.dumps({**completed({"id": record_id, "scale": "cpu"}), **fields}))
            found = find(path)
        shown = found if isinstance(found, Record) else None
        json.dumps(lean(Evidence("a", path, "done", EDITED, shown), Shared(), Shared()), allow_nan=False)


def seconds(folder: Path, seeds: int) -> tuple[int, float]:
    """Records at so many seeds, and the processor's seconds to write the page of them."""
    scale = {"seeds": list(range(seeds)), "tasks": {"cifar100": {"dataset": "digits"}}}
    spec = study(scales={"demo": scale}).bundle
    results, out = folder / "results", folder / "paper_tables"
    count = fill(spec, results, epochs=200)
    outputs(spec, results, out)
    started = time.process_time()
    _, paths = page.write(spec, results, out)
    taken = time.process_time() - started
    print(f"{count} records: {taken:.1f} s, {[path.stat().st_size / 2**20 for path in paths]} MiB")
    return count, taken


@pytest.mark.slow
def test_three_thousand_records_take_no_longer_each_than_fewer(tmp_path: Path) -> None:
    (few, quickly), (many, slowly) = seconds(tmp_path / "few", 9), seconds(tmp_path / "many", 54)
    assert many > 3000 and slowly / many < 2 * quickly / few
