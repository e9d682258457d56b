"""From records to files: nothing invented, nothing lost, the same bytes each time."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jinja2 import UndefinedError

from hadaptive.errors import UserError
from hadaptive.paper.escape import latex
from hadaptive.paper.published import errata, published
from hadaptive.paper.spec import TableSpec
from hadaptive.paper.tables import TABLES, Frame
from hadaptive.paper.tables.render import environment, render, text
from hadaptive.paper.tables.table7 import frames as table7

Spec = Callable[..., TableSpec]
Fill = Callable[[TableSpec, Path], dict[str, dict[str, Any]]]
Write = Callable[[Path, dict[str, Any]], None]
SHOWN = [
    "params_m",
    "flops_m",
    "latency_gpu_ms",
    "latency_cpu_ms",
    "latency_mobile_ms",
    "cifar100_top1",
    "imagenet1k_top1",
]


def read(path: Path) -> dict[str, dict[str, str]]:
    """A CSV's lines by label."""
    return {line["label"]: line for line in csv.DictReader(io.StringIO(path.read_text()))}


def measured(line: dict[str, str]) -> dict[str, str]:
    """The fields of a line that must come from records."""
    fixed = ("label", "model", "variant", "group", "scale", "demonstration")
    return {k: v for k, v in line.items() if k not in fixed and not k.endswith(("_reason", "_published", "_stand_in"))}


def table_rows(md: str) -> list[list[str]]:
    """Cells of every line of a Markdown file's tables, without heads and rules."""
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in md.splitlines() if line.startswith("|")]
    return [row for row in rows if row[0] and row[0] != "Model" and not row[0].startswith(":")]


def test_six_files_the_same_bytes_each_time(make_spec: Spec, fill: Fill, tmp_path: Path) -> None:
    spec = make_spec()
    fill(spec, tmp_path / "results")
    first, second = (render(spec, tmp_path / "results", tmp_path / name) for name in ("a", "b"))
    assert [path.name for path in first] == [
        f"{stem}.{suffix}" for stem in ("table7", "table7_compare") for suffix in ("tex", "md", "csv")
    ]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == sorted(path.name for path in first)


def test_rows_and_order_are_the_papers(make_spec: Spec, fill: Fill, tmp_path: Path) -> None:
    spec = make_spec()
    fill(spec, tmp_path / "results")
    render(spec, tmp_path / "results", tmp_path)
    rows = table_rows((tmp_path / "table7.md").read_text())
    assert [row[0].partition(" (")[0] for row in rows] == list(published("table7"))
    tex = (tmp_path / "table7.tex").read_text()
    assert tex.count(r"\midrule") == 1 + 2  # under the head and between the three groups
    assert "Hadaptive-Net-S (ours)" in tex


def test_values_are_those_of_the_records(make_spec: Spec, fill: Fill, tmp_path: Path) -> None:
    spec = make_spec()
    records = fill(spec, tmp_path / "results")
    render(spec, tmp_path / "results", tmp_path)
    line = read(tmp_path / "table7.csv")["Hadaptive-Net-M"]
    runs = [records[f"cifar100/hadaptive_net_m/dysoft/seed{seed}"]["metrics"] for seed in (0, 1, 2)]
    complexity = records["complexity/hadaptive_net_m/dysoft"]["metrics"]
    assert float(line["cifar100_top1"]) == pytest.approx(sum(run["top1_last"] for run in runs) / 3)
    assert float(line["cifar100_top1_best_on_test"]) == pytest.approx(float(line["cifar100_top1"]) + 1)
    assert line["cifar100_top1_n"] == "3"
    assert float(line["params_m"]) * 1e6 == complexity["parameters_inference"]
    assert float(line["flops_m"]) * 1e6 == complexity["macs"]
    assert float(line["params_training_form_m"]) == pytest.approx(float(line["params_m"]) + 0.001)
    assert float(line["macs_training_form_m"]) == pytest.approx(float(line["flops_m"]) + 1)
    mean, std = (float(line[name]) for name in ("cifar100_top1", "cifar100_top1_std"))
    assert f"{mean:.2f} ± {std:.2f}" in (tmp_path / "table7.md").read_text()
    assert f"{mean:.2f}&\\,$\\pm$\\,{std:.2f}" in (tmp_path / "table7.tex").read_text()


def test_without_records_no_published_number_appears(make_spec: Spec, tmp_path: Path) -> None:
    render(make_spec(), tmp_path / "results", tmp_path)
    for name in ("table7", "table7_compare"):
        for line in read(tmp_path / f"{name}.csv").values():
            filled = {k: v for k, v in measured(line).items() if v and not (k.endswith("_n") and v == "0")}
            assert filled == {}
            assert {line[f"{key}_reason"] for key in SHOWN} == {"not run", "ImageNet-1k not present"}
    plain = table_rows((tmp_path / "table7.md").read_text())
    assert len(plain) == 19
    assert all(cell.startswith("—") for row in plain for cell in row[1:])
    for row in table_rows((tmp_path / "table7_compare.md").read_text()):
        printed = [cell for cell in row[1:] if cell.startswith("*")]
        assert len(printed) in (2, 3), "those of the paper in one of the three parts"
        assert all(cell.startswith("—") for cell in row[1:] if cell not in printed)
    for line in (tmp_path / "table7.tex").read_text().splitlines():
        if any(line.strip().startswith(label) for label in published("table7")):
            cells = line.rstrip("\\").split("&")[1:]
            assert all(r"\textemdash" in cell for cell in cells)


def test_published_numbers_are_printed_as_in_the_paper(make_spec: Spec, tmp_path: Path) -> None:
    render(make_spec(), tmp_path / "results", tmp_path)
    lines = read(tmp_path / "table7_compare.csv")
    for label, row in published("table7").items():
        assert {key: lines[label][f"{key}_published"] for key in SHOWN} == row
    assert "*112.7*" in (tmp_path / "table7_compare.md").read_text()


def test_one_record_changes_only_its_cells(make_spec: Spec, fill: Fill, write: Write, tmp_path: Path) -> None:
    spec = make_spec()
    record = fill(spec, tmp_path / "results")["cifar100/starnet_s2/base/seed1"]
    render(spec, tmp_path / "results", tmp_path / "before")
    record["metrics"]["top1_last"] += 0.25
    write(tmp_path / "results", record)
    render(spec, tmp_path / "results", tmp_path / "after")
    for name in ("table7", "table7_compare"):
        before, after = (read(tmp_path / when / f"{name}.csv") for when in ("before", "after"))
        changed = {(row, key) for row, line in after.items() for key in line if line[key] != before[row][key]}
        expected = {("StarNet-S2", "cifar100_top1"), ("StarNet-S2", "cifar100_top1_std")}
        assert changed == expected | ({("StarNet-S2", "cifar100_top1_difference")} if "compare" in name else set())


def test_every_kind_of_empty_cell_has_a_footnote(make_spec: Spec, fill: Fill, write: Write, tmp_path: Path) -> None:
    sources = make_spec().model_dump()["sources"]
    chosen = [row.model for row in make_spec().rows if row.model != "mobileone_s3"]
    spec = make_spec(sources={**sources, "cifar100": {"seeds": [0, 1, 2], "selected": chosen}})
    records = fill(spec, tmp_path / "results")

    def status(record_id: str, text: str) -> None:
        write(tmp_path / "results", {**records[record_id], "status": text})

    for seed in (0, 1, 2):
        status(f"cifar100/ghostnet_1_0/base/seed{seed}", "diverged at epoch 7")
        status(f"cifar100/starnet_s1/base/seed{seed}", f"out of memory at epoch {seed + 1}")
    status("cifar100/starnet_s2/base/seed1", "diverged at epoch 9")
    (tmp_path / "results/cpu/complexity/starnet_s4/base/record.json").unlink()
    (tmp_path / "results/cpu/latency/starnet_s4/base/record.json").write_text("{")
    render(spec, tmp_path / "results", tmp_path)
    for suffix in ("tex", "md"):
        for stem in ("table7", "table7_compare"):
            body = (tmp_path / f"{stem}.{suffix}").read_text()
            for reason in (
                "no CUDA device",
                "no device attached through adb",
                "ImageNet-1k not present",
                "diverged at epoch 7",
                "out of memory at epoch 1; out of memory at epoch 2; out of memory at epoch 3",
                "2 of 3 seeds, seed 1: diverged at epoch 9",
                "not run",
                "record damaged",
                "not selected in this run",
            ):
                assert reason in body, (stem, suffix, reason)
    lines = read(tmp_path / "table7.csv")
    assert (lines["StarNet-S2"]["cifar100_top1_n"], lines["GhostNet-1.0"]["cifar100_top1_n"]) == ("2", "0")


def test_one_kind_one_footnote(make_spec: Spec, fill: Fill, write: Write, tmp_path: Path) -> None:
    spec = make_spec(sources={**make_spec().model_dump()["sources"], "cifar100": {"seeds": [0]}})
    records = fill(spec, tmp_path / "results")
    for epoch, model in enumerate(("starnet_s1", "starnet_s2", "starnet_s3"), start=4):
        record = records[f"cifar100/{model}/base/seed0"]
        write(tmp_path / "results", {**record, "status": f"diverged at epoch {epoch}"})
    render(spec, tmp_path / "results", tmp_path)
    body = (tmp_path / "table7.md").read_text()
    assert body.count("diverged (each case in the CSV)") == body.count("diverged") == 1
    assert read(tmp_path / "table7.csv")["StarNet-S3"]["cifar100_top1_reason"] == "diverged at epoch 6"


def test_compare_shows_measured_minus_published(make_spec: Spec, fill: Fill, tmp_path: Path) -> None:
    spec = make_spec()
    fill(spec, tmp_path / "results")
    render(spec, tmp_path / "results", tmp_path)
    lines = read(tmp_path / "table7_compare.csv")
    base = [float(lines["MobileNetV3-S"][f"latency_cpu_ms{end}"]) for end in ("", "_published")]
    assert "ratios to MobileNetV3-S" in (tmp_path / "table7_compare.md").read_text(), "other machines than the paper's"
    for label, line in lines.items():
        for key in ("params_m", "flops_m", "cifar100_top1"):
            expected = float(line[key]) - float(published("table7")[label][key])
            assert float(line[f"{key}_difference"]) == pytest.approx(expected, abs=1e-6)
        ours, theirs = (float(line[f"latency_cpu_ms{end}"]) for end in ("", "_published"))
        assert float(line["latency_cpu_ms_difference"]) == pytest.approx(ours / base[0] - theirs / base[1], abs=1e-6)
        assert line["imagenet1k_top1_difference"] == line["latency_gpu_ms_difference"] == ""


def test_a_demonstration_says_so_and_is_not_compared(make_spec: Spec, fill: Fill, tmp_path: Path) -> None:
    sources = {**make_spec().model_dump()["sources"], "cifar100": {"seeds": [0], "stand_in": "handwritten digits"}}
    spec = make_spec(scale="demo", demonstration=True, sources=sources)
    fill(spec, tmp_path / "results")
    for path in render(spec, tmp_path / "results", tmp_path):
        body = path.read_text()
        assert "demonstration" in body.lower()
        assert "handwritten digits" in body
        assert "on CIFAR-100: after" not in body
    for line in read(tmp_path / "table7_compare.csv").values():
        assert line["demonstration"] == "yes"
        assert line["cifar100_top1"] != ""
        assert line["cifar100_top1_difference"] == ""
        assert line["params_m_difference"] != ""
    assert "no difference: not the same data" in (tmp_path / "table7_compare.tex").read_text()


def test_a_row_the_paper_does_not_have(make_spec: Spec, fill: Fill, tmp_path: Path) -> None:
    spec = make_spec()
    spec = make_spec(rows=(*spec.rows, spec.rows[0].model_copy(update={"model": "new", "label": "New", "group": 3})))
    fill(spec, tmp_path / "results")
    render(spec, tmp_path / "results", tmp_path)
    line = read(tmp_path / "table7_compare.csv")["New"]
    assert line["params_m"] != ""
    assert (line["params_m_published"], line["params_m_difference"]) == ("", "")
    assert "not published" in (tmp_path / "table7_compare.md").read_text()


def test_errata_of_the_table_stand_beneath_compare(make_spec: Spec, tmp_path: Path) -> None:
    render(make_spec(), tmp_path / "results", tmp_path)
    findings = [erratum.line() for erratum in errata("table7")]
    assert len(findings) >= 5
    tex, md = ((tmp_path / f"table7_compare.{suffix}").read_text() for suffix in ("tex", "md"))
    assert all(latex(finding) in tex for finding in findings)
    assert md.count("\n- ") == len(findings)
    assert "Discrepancies" not in (tmp_path / "table7.tex").read_text()


def test_labels_and_reasons_are_escaped(make_spec: Spec, fill: Fill, write: Write, tmp_path: Path) -> None:
    rows = list(make_spec().rows)
    rows[0] = rows[0].model_copy(update={"label": r"A & 50% \x{_} <b>|*"})
    spec = make_spec(rows=rows)
    record = fill(spec, tmp_path / "results")["latency/starnet_s1/base"]
    write(tmp_path / "results", {**record, "status": "no <device> & 100% |\n\nfailed_"})
    render(spec, tmp_path / "results", tmp_path)
    tex, md = ((tmp_path / f"table7.{suffix}").read_text() for suffix in ("tex", "md"))
    assert r"A \& 50\% \textbackslash{}x\{\_\} \textless{}b\textgreater{}\textbar{}*" in tex
    assert r"no \textless{}device\textgreater{} \& 100\% \textbar{} failed\_" in tex
    assert r"A &amp; 50% \\x\{\_\} &lt;b&gt;\|\*" in md
    assert r"no &lt;device&gt; &amp; 100% \| failed\_" in md


def test_a_missing_template_variable_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "t.j2").write_text("<< frame.nothing >>")
    template = environment(latex, tmp_path).get_template("t.j2")
    for context in ({}, {"frame": {}}):
        with pytest.raises(UndefinedError):
            template.render(context)


def test_a_source_the_spec_lacks_is_named(make_spec: Spec, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="needs the source 'complexity'"):
        table7(make_spec(sources={"latency": {}}), tmp_path)


def test_unknown_table_is_a_clear_error_and_writes_nothing(make_spec: Spec, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no table 'tabel7'\. Did you mean 'table7'"):
        render(make_spec(table="tabel7"), tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_new_table_is_one_frame_function(make_spec: Spec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def only_params(spec: TableSpec, root: Path) -> list[Frame]:
        full = table7(spec, root)[0]
        columns = full.columns[:1]
        return [Frame("other", spec, "Parameters.", columns, {"params_m": full.cells["params_m"]})]

    monkeypatch.setitem(TABLES, "other", only_params)
    paths = render(make_spec(table="other"), tmp_path / "results", tmp_path)
    assert [path.name for path in paths] == ["other.tex", "other.md", "other.csv"]
    assert "| Model | Params (M) |" in (tmp_path / "other.md").read_text()


def test_published_columns_are_set_apart(make_spec: Spec, fill: Fill, tmp_path: Path) -> None:
    spec = make_spec()
    fill(spec, tmp_path / "results")
    plain, compared = table7(spec, tmp_path / "results")
    assert r"\textit{73.57}" in text(compared, "tex")
    assert r"\textit" not in text(plain, "tex")
    assert r"\textbf" not in text(compared, "tex")
    assert text(plain, "tex").count(r"\textbf") == 3  # the best of each group on CIFAR-100; ImageNet is absent


def test_compare_shows_means_and_onnx_runtime_s_gpu_latency_and_old_records_lack_them(
    make_spec: Spec, fill: Fill, write: Write, tmp_path: Path
) -> None:
    spec = make_spec()
    made = fill(spec, tmp_path / "results")
    record = made["latency/starnet_s1/base"]
    record["metrics"]["cpu"] |= {"median_ms": 5.0, "mean_ms": 5.5}
    record["metrics"]["gpu_onnx"] = {"status": "ONNX Runtime's CUDA provider not installed (package onnxruntime-gpu)"}
    write(tmp_path / "results", record)
    old = made["latency/starnet_s2/base"]
    del old["metrics"]["cpu"]["mean_ms"]
    write(tmp_path / "results", old)
    plain, compared = table7(spec, tmp_path / "results")
    means = {"latency_gpu_onnx_mean_ms", "latency_cpu_mean_ms", "latency_mobile_mean_ms"}
    shown = [[column.key for column in frame.columns if column.shown] for frame in (plain, compared)]
    assert not means & set(shown[0]) and means < set(shown[1])
    rows = [row.label for row in spec.rows]
    new, older = rows.index("StarNet-S1"), rows.index("StarNet-S2")
    cells = compared.cells
    assert (cells["latency_cpu_ms"][new].value, cells["latency_cpu_mean_ms"][new].value) == (5.0, 5.5)
    assert [column.title for column in compared.columns if column.over == "CPU"] == [
        "paper",
        "here",
        "ratio diff.",
        "mean",
    ]
    onnx, cpu = cells["latency_gpu_onnx_mean_ms"], cells["latency_cpu_mean_ms"]
    why = [cell.remark for cell in (onnx[new], onnx[older], cpu[older])]
    assert [each and each.text for each in why] == [
        "ONNX Runtime's CUDA provider not installed (package onnxruntime-gpu)",
        "not recorded",
        "not recorded",
    ]
    assert cells["latency_cpu_ms"][older].value is not None, "the rest of an older record is read"
