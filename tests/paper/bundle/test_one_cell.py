"""`hadaptive cell`: value, records, command; unknown names get the nearest."""

from __future__ import annotations

import json

import pytest

from hadaptive.errors import UserError
from hadaptive.paper.bundle.one_cell import cell_text
from tests.paper.bundle.conftest import Made


def say(made: Made, *words: str) -> str:
    table, row, column = words
    return cell_text(made.spec.tables, table, row, column, made.results)


def test_a_measured_cell(made: Made) -> None:
    run = "cifar100/hadaptive_net_s/dysoft/seed0"
    record = json.loads(made.record(run).read_text())
    said = say(made, "table7", "Hadaptive-Net-S", "cifar100_top1")
    for words in (
        "Table 7, Hadaptive-Net-S, Top-1 accuracy (%) CIFAR-100, scale demo",
        "Demonstration, not a result.",
        f"{record['metrics']['top1_last']:.10g}",
        "published: 73.57",
        f"{run}: done",
        "metrics: top1_last",
        "(PyTorch AVX2, oneDNN AVX512_CORE), commit",
        "record unmodified",
        "uv run snakemake ",
    ):
        assert words in said, words
    assert "here minus paper" not in said, "stand-in data differ from nothing"
    assert say(made, "table7", "hadaptive_net_s/dysoft", "cifar100_top1") == said


def test_counts_differ_from_the_paper_s(made: Made) -> None:
    record = json.loads(made.record("complexity/hadaptive_net_s/dysoft").read_text())
    change = record["metrics"]["parameters_inference"] / 1e6 - 2.10
    assert f"here minus paper: {change:+.2f}" in say(made, "table7", "Hadaptive-Net-S", "params_m")


def test_an_empty_cell_and_one_of_the_csv_alone(made: Made) -> None:
    assert "empty: not part of scale demo" in say(made, "table7", "Hadaptive-Net-S", "imagenet1k_top1")
    assert "cifar100_best_on_test" not in say(made, "table7", "Hadaptive-Net-S", "cifar100_top1_best_on_test")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("tabel7", "Hadaptive-Net-S", "params_m"), "no table 'tabel7'. Did you mean 'table7'?"),
        (("table7", "Hadaptive-Net-X", "params_m"), "no row 'Hadaptive-Net-X'. Did you mean 'Hadaptive-Net-"),
        (("table7", "Hadaptive-Net-S", "params"), "no column 'params'. Did you mean 'params_m'?"),
        (("table7", "Hadaptive-Net-S", "cifar100"), "no column 'cifar100'. Did you mean 'cifar100_top1'?"),
        (("table7", "Hadaptive-Net-S", "zzz"), "no column 'zzz'. Known: "),
    ],
)
def test_unknown_names(made: Made, words: tuple[str, ...], message: str) -> None:
    with pytest.raises(UserError) as error:
        say(made, *words)
    assert message in str(error.value)
