"""Figures 8 and 9 are what the records say; claim 14 from the same records."""

from __future__ import annotations

import base64
import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hadaptive import config
from hadaptive.paper.claims import gradcam_focus, statements
from hadaptive.paper.claims.findings import CONTRADICTED, HOLDS, UNDECIDED
from hadaptive.paper.figures import render_figure
from hadaptive.paper.figures.gradcam import draw
from hadaptive.paper.spec import FigureSpec
from hadaptive.study import Study

ROOT = Path(__file__).resolve().parents[2]
SPEC = FigureSpec(figure="figure8", scale="cpu", about="flower (photo: someone)", records=("explain/flower",))
OPERATORS = ["Conv", "Ghost", "ACH", "Ghost", "ACH", "ACH", "Conv", "Conv", "ACH"]


def net(variant: str, seed: int, at: int | None) -> dict[str, Any]:
    layers = [
        {
            "layer": n, "name": f"features.{n - 1}", "operator": operator, "downsamples": n in (1, 8),
            "entropy": None if n == 9 else 0.5, "area": None if n == 9 else n / 64, "on_subject": n != 4,
            "map": {"shape": [2, 2], "float16": base64.b64encode(np.eye(2, dtype="<f2").tobytes()).decode()},
        }
        for n, operator in enumerate(OPERATORS, 1)
    ]  # fmt: skip
    return {"variant": variant, "seed": seed, "predicted": "aquarium_fish", "probability": 0.41, "focuses_at": at,
            "counted_layers": 7, "layers": layers}  # fmt: skip


def record(name: str, ghost: list[int | None], ours: list[int | None], subject: Any = None) -> dict[str, Any]:
    jpeg = io.BytesIO()
    Image.new("RGB", (16, 16), (90, 160, 20)).save(jpeg, "JPEG")
    nets = [net("all_ghost", seed, at) for seed, at in enumerate(ghost)]
    nets += [net("dysoft", seed, at) for seed, at in enumerate(ours)]
    image = {"shown_jpeg": base64.b64encode(jpeg.getvalue()).decode()}
    return {"schema": 1, "id": f"explain/{name}", "scale": "cpu", "status": "done", "settings": {"subject": subject},
            "metrics": {"image": image, "nets": nets}}  # fmt: skip


def test_a_figure_is_its_record(write: Any, tmp_path: Path) -> None:
    write(tmp_path, record("flower", [None, 5], [3, 2], [0.1, 0.2, 0.6, 0.7]))
    drawn = draw(SPEC, tmp_path)
    titles = [ax.get_title() for ax in drawn.figure.axes if ax.get_title()]
    assert titles == ["Image", "1 Conv ↓", *(f"{n} {o}" for n, o in enumerate(OPERATORS[1:7], 2)), "8 Conv ↓", "9 ACH"]
    beneath = [text.get_text() for ax in drawn.figure.axes for text in ax.texts if "%" in text.get_text()]
    shares = [f"{n / 64:.0%}{', off' if n == 4 else ''}" for n in range(1, 9)]
    assert beneath == shares[:7] * 2 + shares[7:] * 2
    framed = [ax for ax in drawn.figure.axes if any(patch.get_linewidth() > 2 for patch in ax.patches)]
    assert framed == [drawn.figure.axes[8 + 3]], "layer 3 of the net with ACH; the other focuses nowhere"
    assert "All Ghost predicts 'aquarium_fish' (41%) and focuses nowhere" in drawn.alt
    assert "With ACH predicts 'aquarium_fish' (41%) and focuses from layer 3 on" in drawn.alt
    first, second = (render_figure(SPEC, tmp_path, tmp_path / name) for name in ("a", "b"))
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    with (tmp_path / "a/figure8.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 4 * 9 and rows[8]["area"] == "" and rows[0]["downsamples"] == "yes"
    assert [(row["variant"], row["seed"], row["layer"]) for row in rows if row["focused_from_here"] == "yes"] == [
        ("all_ghost", "1", "5"), ("dysoft", "0", "3"), ("dysoft", "1", "2"),
    ]  # fmt: skip


@pytest.mark.parametrize("records", [(), ("explain/flower",)])
def test_without_a_record_it_is_empty_and_says_why(records: tuple[str, ...], tmp_path: Path) -> None:
    drawn = draw(SPEC.model_copy(update={"records": records, "about": "one image"}), tmp_path)
    why = "not run" if records else "one image"
    assert not drawn.figure.axes and drawn.figure.texts[-1].get_text() == f"Not measured: {why}."
    assert f"not measured: {why}" in drawn.alt and drawn.rows == []


def test_without_a_record_the_photo_is_shown_with_its_subject(tmp_path: Path) -> None:
    spec = SPEC.model_copy(update={"image": "scikit-learn:flower.jpg", "subject": (0.2, 0.2, 0.8, 0.8)})
    photo, words = draw(spec, tmp_path).figure.axes
    assert len(photo.images) == 1 and len(photo.patches) == 2
    assert "not run" in words.texts[0].get_text() and "layers of" not in words.texts[0].get_text()


def test_without_a_record_the_layers_that_would_have_maps_are_named(write: Any, tmp_path: Path) -> None:
    common = {"in": 3, "out": 8, "size": 8, "parameters": 1, "macs": 1}
    convolution = {"module": "CNA", "kernel": 3, "norm": "BN", "act": "HS", **common}
    bottleneck = {
        "module": "AB", "expansion": {"kind": "Ghost", "times": 2.0, "s": 4, "kernel": 3}, "width": 16, "kernel": 3,
        "stride": 1, "residual": True, **common,
    }  # fmt: skip
    layers = [{"layer": 0, "stride": 2, **convolution}, {"layer": 1, **bottleneck},
              {"layer": 2, "module": "FN", "hidden": 9, "dropout": 0.2, **common}]  # fmt: skip
    write(tmp_path, {
        "schema": 1, "id": "structure/net/dysoft", "kind": "structure", "scale": "cpu", "status": "done",
        "model": "net", "variant": "dysoft", "settings": {"image_size": 8}, "metrics": {"layers": layers},
    })  # fmt: skip
    change = {"image": "scikit-learn:flower.jpg", "records": ("explain/flower", "structure/net/dysoft")}
    _, words = draw(SPEC.model_copy(update=change), tmp_path).figure.axes
    said = words.texts[0].get_text().replace("\n", " ").replace("\u00a0", " ")
    assert "not run" in said and "these layers of Hadaptive-Net-S: 1 Conv ↓, 2 Ghost (" in said


def test_the_figures_read_the_layers_of_the_model() -> None:
    figures = Study(config.load(ROOT / "params.yaml")).figures
    assert figures["figure9"].records == ("explain/china", "structure/hadaptive_net_s/dysoft")


@pytest.mark.parametrize(
    ("ghost", "ours", "verdict", "said"),
    [
        ([[5]] * 2, [[3]] * 2, UNDECIDED,
         "layer 3 against 5, where 8 is nowhere, in a: 3 against 5, b: 3 against 5; one"),
        ([[None]] * 2, [[2]] * 2, UNDECIDED, "in a: 2 against nowhere, b: 2 against nowhere; one seed"),
        ([[6, 7]] * 2, [[2, 3]] * 2, HOLDS, "layer 2.5 against 6.5, where 8 is nowhere, in a: 2 against 6"),
        ([[2, 3]] * 2, [[6, 7]] * 2, CONTRADICTED, ": earlier by -4 layers (95% interval "),
        ([[5, 5]] * 2, [[5, 4]] * 2, UNDECIDED, "over seeds and images"),
        ([[5, 5], [6, 6]], [[3, 3], [7, 7]], UNDECIDED, "earlier by +0.5 layers"),  # seeds agree by chance
        ([[5, 6]], [[2, 3]], UNDECIDED, "layer 2.5 against 5.5, where 8 is nowhere, in a: 2 against 5; one image"),
    ],
)  # fmt: skip
def test_claim_14(
    ghost: list[list[int | None]],
    ours: list[list[int | None]],
    verdict: str,
    said: str,
    write: Any,
    tmp_path: Path,
) -> None:
    names = "ab"[: len(ghost)]
    for name, *layers in zip(names, ghost, ours, strict=True):
        write(tmp_path, record(name, *layers, [0, 0, 1, 1]))
    spec = Study(config.load(ROOT / "params.yaml")).claims
    images = tuple(f"explain/{name}" for name in names)
    spec = spec.model_copy(update={"scale": "cpu", "explained": images, "demonstration": False})
    (found,) = gradcam_focus.findings(spec, tmp_path)
    assert said in found.because and found.measured
    (judged,) = [each for each in statements.judge(spec, tmp_path) if each.claim.number == "14"]
    assert judged.verdict == verdict


def test_claim_14_is_a_mean_over_images_and_says_where_no_subject_is_known(write: Any, tmp_path: Path) -> None:
    names = ("a", "b", "c", "d")
    for n, name in enumerate(names):
        write(tmp_path, record(name, [4], [n + 1], None if n else [0, 0, 1, 1]))
    spec = Study(config.load(ROOT / "params.yaml")).claims
    spec = spec.model_copy(update={"scale": "cpu", "explained": tuple(f"explain/{name}" for name in names)})
    (found,) = gradcam_focus.findings(spec, tmp_path)
    assert found.because.startswith(
        "layer 2.5 against 4, where 8 is nowhere, a mean over 4 images; in 3 of them focus anywhere counts"
    )
    (missing,) = gradcam_focus.findings(spec.model_copy(update={"explained": ("explain/a", "explain/e")}), tmp_path)
    assert missing.because == "not run" and not missing.measured
