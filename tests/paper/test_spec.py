"""What a spec accepts, and which records it says a table reads."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from hadaptive.paper.spec import TableSpec, record_ids, records_needed

Spec = Callable[..., TableSpec]


def test_spec_survives_json(make_spec: Spec) -> None:
    spec = make_spec()
    assert TableSpec.model_validate(json.loads(spec.model_dump_json())) == spec


def test_records_needed_are_those_written(make_spec: Spec, fill: Callable[..., Any], tmp_path: Path) -> None:
    spec = make_spec()
    fill(spec, tmp_path)
    needed = records_needed(spec, tmp_path)
    assert len(needed) == len(set(needed)) == 19 * (1 + 1 + 3)  # complexity, latency, three seeds; ImageNet is absent
    assert set(needed) == set(tmp_path.rglob("record.json"))


def test_paths_are_the_contract(make_spec: Spec) -> None:
    spec = make_spec()
    assert record_ids(spec, spec.rows[2], "cifar100")[0] == "cifar100/hadaptive_net_s/dysoft/seed0"
    paths = [path.as_posix() for path in records_needed(spec)]
    assert "results/cpu/cifar100/hadaptive_net_s/dysoft/seed0/record.json" in paths
    assert "results/cpu/complexity/mobilenetv3_s/base/record.json" in paths


def test_rows_not_selected_need_no_training(make_spec: Spec) -> None:
    sources = {"complexity": {}, "cifar100": {"seeds": [0, 1], "selected": ["starnet_s1"]}}
    needed = [path.as_posix() for path in records_needed(make_spec(sources=sources))]
    assert [path for path in needed if "cifar100" in path] == [
        f"results/cpu/cifar100/starnet_s1/base/seed{seed}/record.json" for seed in (0, 1)
    ]
    assert sum("complexity" in path for path in needed) == 19


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sources": {"cifar100": {"seeds": [0, 0]}}}, "different integers"),
        ({"sources": {"cifar100": {"seeds": []}}}, "different integers"),
        ({"sources": {"../etc": {}}}, "should match pattern"),
        ({"scale": ".."}, "should match pattern"),
        ({"rows": []}, "at least 1"),
        ({"colour": "red"}, "not permitted"),
    ],
)
def test_bad_spec_is_refused(make_spec: Spec, change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        make_spec(**change)


def test_rows_that_clash_are_refused(make_spec: Spec) -> None:
    rows = make_spec().rows
    with pytest.raises(ValidationError, match="same label in two rows: MobileNetV3-S"):
        make_spec(rows=(rows[0], rows[0].model_copy(update={"model": "other"})))
    with pytest.raises(ValidationError, match="same run in two rows: mobilenetv3_s/base"):
        make_spec(rows=(rows[0], rows[0].model_copy(update={"label": "other"})))
    with pytest.raises(ValidationError, match="rows of a group must be together"):
        make_spec(rows=(rows[-1], rows[0]))


def test_importing_costs_no_torch_and_no_pandas() -> None:
    heavy = "print([name for name in ('torch', 'pandas', 'numpy') if name in sys.modules])"
    code = f"import sys, hadaptive.paper.tables.render; {heavy}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
