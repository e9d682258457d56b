from __future__ import annotations

import json

import pytest

from hadaptive.measure.bench_onnx import onnx_ratios


def test_forms_of_models_side_by_side() -> None:
    models = ["mobilenetv3_small_100", "hadaptive_net_s"]
    got = onnx_ratios(models, runs=1, threads=1, image_size=32, warmup=1, low_precision=True)
    first, s = (got["models"][name] for name in models)
    assert list(first) == ["plain", "fp16", "int8"] and list(s) == ["plain", "fast", "fp16", "int8"]
    assert 0 < s["fast"]["difference"] < 1e-5 < s["fp16"]["difference"] < 0.01
    assert 1e-4 < s["int8"]["difference"] < 1
    assert s["plain"]["over_plain"] == first["plain"]["over_first"] == {"median": 1, "q1": 1, "q3": 1}
    for over, reference in (("over_plain", s["plain"]), ("over_first", first["plain"])):
        # one run is its own median; it is written in whole nanoseconds
        assert s["fast"][over]["median"] == pytest.approx(s["fast"]["median_ms"] / reference["median_ms"], rel=1e-4)
    assert s["plain"]["nodes"] != s["fast"]["nodes"]
    assert got["settings"] == {"runs": 1, "warmup": 1, "threads": 1, "image_size": 32, "batch": 1}
    assert json.loads(json.dumps(got, allow_nan=False)) == got


@pytest.mark.parametrize("wrong", [{"runs": 0}, {"threads": 0}, {"warmup": -1}, {"threads": 10_000}])
def test_senseless_settings_are_said(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"runs >= 1|fewer threads"):
        onnx_ratios(["hadaptive_net_s"], **wrong)
