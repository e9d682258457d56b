"""The record of a measure: small JSON that holds all that the figure needs."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from hadaptive import cli
from hadaptive.data import prepare
from hadaptive.data.batches import open_batches
from hadaptive.data.prepared import read_manifest
from hadaptive.data.settings import DataSettings
from hadaptive.explain.gradcam import explain
from hadaptive.explain.image import open_image
from hadaptive.explain.record import as_input, record
from hadaptive.nn.zoo import create_model
from hadaptive.run import NamedMeasure
from hadaptive.train import checkpoint

NETS: dict[str, dict[str, Any]] = {"all_ghost": {"all_ghost": True}, "dysoft": {"norm": "dysoft"}}


@pytest.fixture
def measure(tmp_path: Path) -> NamedMeasure:
    prepare("digits", tmp_path / "digits", DataSettings())
    nets = []
    for variant, options in NETS.items():
        torch.manual_seed(5)
        path = tmp_path / f"{variant}.pt"
        checkpoint.save(path, checkpoint.weights(create_model("hadaptive_net_s", 10, **options)))
        nets.append({"variant": variant, "seed": 0, "options": options, "weights": str(path)})
    settings = {
        "image": "scikit-learn:flower.jpg",
        "subject": (0.2, 0.2, 0.7, 0.9),
        "model": "hadaptive_net_s",
        "image_size": 32,
        "data": str(tmp_path / "digits"),
        "nets": nets,
    }
    return NamedMeasure(kind="explain", scale="demo", name="flower", settings=settings)


def test_a_record_is_small_json_and_its_maps_are_those_of_the_nets(measure: NamedMeasure, tmp_path: Path) -> None:
    found = json.loads(json.dumps(record(measure), allow_nan=False))
    assert found["id"] == "explain/flower" and found["status"] == "done" and len(json.dumps(found)) < 60_000
    shown = Image.open(io.BytesIO(base64.b64decode(found["metrics"]["image"]["shown_jpeg"])))
    assert shown.size == (160, 160) and found["metrics"]["image"]["width"] == 640

    manifest = read_manifest(tmp_path / "digits")
    for net, options in zip(found["metrics"]["nets"], NETS.values(), strict=True):
        model = create_model("hadaptive_net_s", 10, **options)
        model.load_state_dict(checkpoint.load(tmp_path / f"{net['variant']}.pt"))
        mine = explain(model, as_input(open_image("scikit-learn:flower.jpg"), 32, manifest))
        assert net["predicted"] == str(mine.predicted) and net["counted_layers"] == 11
        for layer, cam in zip(net["layers"], (each.cam_HW for each in mine.layers), strict=True):
            half = np.frombuffer(base64.b64decode(layer["map"]["float16"]), "<f2").reshape(layer["map"]["shape"])
            greatest = cam.max().item()
            assert (layer["area"] is None) is (greatest == 0)
            np.testing.assert_allclose(half, (cam / (greatest or 1)).numpy(), atol=1e-3)


def test_an_image_meets_a_net_as_its_test_images_did(tmp_path: Path) -> None:
    prepare("digits", tmp_path, DataSettings())
    test = open_batches(tmp_path, "test", image_size=40, batch_size=2, train=False)
    x_BCHW, _ = next(iter(test.epoch(0)))
    pixels = np.load(tmp_path / "test_images.npy")[1].transpose(1, 2, 0)
    torch.testing.assert_close(as_input(pixels, 40, read_manifest(tmp_path))[0], x_BCHW[1], rtol=0, atol=1e-6)


def test_a_map_that_is_not_finite_or_zero_has_no_numbers(measure: NamedMeasure, tmp_path: Path) -> None:
    state = checkpoint.load(tmp_path / "dysoft.pt")
    state["features.8.project.0.weight"][:] = float("nan")
    checkpoint.save(tmp_path / "dysoft.pt", state)
    found = json.loads(json.dumps(record(measure), allow_nan=False))
    net = found["metrics"]["nets"][1]
    assert net["predicted"] is None and net["probability"] is None and net["focuses_at"] is None
    layers = net["layers"]
    assert layers[8]["area"] is None and layers[8]["entropy"] is None and layers[8]["on_subject"] is None


def test_without_the_trained_nets_the_record_says_so(measure: NamedMeasure) -> None:
    without = measure.model_copy(update={"settings": {**measure.settings, "nets": []}})
    assert record(without)["status"] == "Hadaptive-Net-S not trained in this run"


def test_the_verb_writes_the_record_or_says_in_one_line_what_is_wrong(
    measure: NamedMeasure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    empty = measure.model_copy(update={"settings": {**measure.settings, "nets": []}})
    assert cli.main(["measure", empty.dumps()]) == 0
    assert json.loads(Path("results/demo/explain/flower/record.json").read_text())["id"] == measure.id
    Path("photo.jpg").write_text("no photo")
    bad = measure.model_copy(update={"name": "bad", "settings": {**measure.settings, "image": "photo.jpg"}})
    assert cli.main(["measure", bad.dumps()]) == 1
    said = capsys.readouterr().err
    assert said.startswith("hadaptive: photo.jpg cannot be read as an image") and said.count("\n") == 1
    assert not Path("results/demo/explain/bad").exists()
