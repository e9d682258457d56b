from __future__ import annotations

import json

import pytest

from hadaptive.measure.bench_onnx import onnx_ratios


def test_both_forms_side_by_side() -> None:
    got = onnx_ratios(["hadaptive_net_s"], runs=3, threads=1, image_size=32, warmup=1)
    s = got["models"]["hadaptive_net_s"]
    assert 0 < s["difference"] < 1e-5
    # the medians are written in whole nanoseconds
    assert s["ratio_of_medians"] == pytest.approx(s["plain"]["median_ms"] / s["fast"]["median_ms"], rel=1e-4)
    assert s["q1_of_ratios"] <= s["median_of_ratios"] <= s["q3_of_ratios"]
    assert s["plain"]["nodes"] != s["fast"]["nodes"]
    assert got["settings"] == {"runs": 3, "warmup": 1, "threads": 1, "image_size": 32, "batch": 1}
    assert json.loads(json.dumps(got, allow_nan=False)) == got


def test_a_model_with_one_form_is_said() -> None:
    with pytest.raises(ValueError, match="mobilenetv3_small_100 has no ACH"):
        onnx_ratios(["mobilenetv3_small_100"], runs=1)


@pytest.mark.parametrize("wrong", [{"runs": 0}, {"threads": 0}, {"warmup": -1}, {"threads": 10_000}])
def test_senseless_settings_are_said(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"runs >= 1|fewer threads"):
        onnx_ratios(["hadaptive_net_s"], **wrong)
