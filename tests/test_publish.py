"""A trained model as timm and the Hugging Face Hub take it: same logits, a card that says what it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
import yaml
from huggingface_hub import ModelCard
from timm.data import resolve_model_data_config
from torch import nn

from hadaptive import publish
from hadaptive.errors import UserError
from hadaptive.nn.zoo import create_model
from hadaptive.records import sha256, write_json
from hadaptive.study import Study
from hadaptive.train import checkpoint
from tests.records import put_sealed

CLASSES = ["a", "b", "c"]
SIZE = 32


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    manifest = {"schema": 1, "dataset": "digits", "kind": "tensor", "source": "drawn", "sha256": "0" * 64}
    manifest |= {"classes": CLASSES, "num_classes": 3, "mean": [0.3] * 3, "std": [0.2] * 3, "files": {}, "counts": {}}
    write_json(folder / "manifest.json", manifest)
    return folder


def trained(tmp_path: Path, data: Path, model: str, variant: str, options: dict[str, Any]) -> tuple[Path, nn.Module]:
    """The results of a Run, as if it had trained; and its model."""
    torch.manual_seed(1)
    net = create_model(model, num_classes=3, **options).train()
    net(torch.randn(4, 3, SIZE, SIZE))  # statistics of batch norm that no fresh model has
    folder = tmp_path / "results/demo/cifar100" / model / variant / "seed0"
    checkpoint.save(folder / "last.pt", checkpoint.weights(net))
    put_sealed(
        tmp_path / "results",
        {
            "id": f"cifar100/{model}/{variant}/seed0",
            "scale": "demo",
            "run": {"options": options, "recipe": {"epochs": 2, "image_size": SIZE, "lr": 0.001}},
            "metrics": {"top1_last": 61.5, "top5_last": 97.25},
            "data": {"sha256": sha256(data / "manifest.json"), "source": "drawn", "train_examples": 8},
            "checkpoints": {"last": {"sha256": sha256(folder / "last.pt")}},
        },
    )
    return folder, net.eval()


@pytest.mark.parametrize(
    ("model", "variant", "options", "architecture"),
    [
        ("hadaptive_net_s", "dysoft", {"norm": "dysoft"}, "hadaptive_net_s"),
        ("mobilenetv3_small_100", "base", {}, "mobilenetv3_small_100"),
        ("mobilenetv3_small_100", "repl_9", {"retrofit": {"select": 9}}, "hadaptive_zoo"),
        ("shufflenet_v2_x1_0", "base", {}, "hadaptive_zoo"),  # torchvision's
    ],
)
def test_timm_loads_the_same_model(
    model: str, variant: str, options: dict[str, Any], architecture: str, tmp_path: Path, data: Path
) -> None:
    folder, net = trained(tmp_path, data, model, variant, options)
    publish.publish(folder, data)
    again = timm.create_model(f"local-dir:{folder / 'timm'}", pretrained=True).eval()
    x_BCHW = torch.randn(2, 3, SIZE, SIZE)
    with torch.inference_mode():
        torch.testing.assert_close(again(x_BCHW), net(x_BCHW), rtol=0, atol=0)
    config = json.loads((folder / "timm/config.json").read_text())
    assert config["architecture"] == architecture and config["label_names"] == CLASSES
    seen = resolve_model_data_config(again)
    assert tuple(seen["input_size"]) == (3, SIZE, SIZE) and tuple(seen["mean"]) == (0.3,) * 3
    assert seen["crop_pct"] == 1.0 and seen["crop_mode"] == "squash", (
        "as in evaluation: resized to a square, not cropped"
    )
    assert timm.create_model(f"local-dir:{folder / 'timm'}", num_classes=5)(x_BCHW).shape == (2, 5), "for fine-tuning"


def test_the_card_is_one_of_the_hub(tmp_path: Path, data: Path) -> None:
    folder, _ = trained(tmp_path, data, "hadaptive_net_s", "dysoft", {"norm": "dysoft"})
    publish.publish(folder, data)
    card = ModelCard.load(folder / "timm/README.md")
    assert card.data.license == "apache-2.0" and card.data.library_name == "timm"
    (top1, top5) = card.data.eval_results
    assert (top1.dataset_type, top1.metric_value, top5.metric_value) == ("digits", 61.5, 97.25)
    for part in ("demonstration", "Recipe", "| lr | 0.001 |", "## Limits", "@inproceedings", "Guo, Qingshan"):
        assert part in card.content


def test_it_pushes_as_timm_does(tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`push_to_hf_hub` of the loaded model, with the Hub replaced by a folder, gives what loads to the same logits."""
    folder, net = trained(tmp_path, data, "mobilenetv3_small_100", "repl_9", {"retrofit": {"select": 9}})
    publish.publish(folder, data)
    again = timm.create_model(f"local-dir:{folder / 'timm'}", pretrained=True)

    class Hub:
        def __init__(self, **words: Any) -> None: ...
        def create_repo(self, repo_id: str, **words: Any) -> Any:
            return type("Url", (), {"repo_id": repo_id})

        def file_exists(self, **words: Any) -> bool:
            return False

        def upload_folder(self, folder_path: str, **words: Any) -> None:
            Path(folder_path).rename(tmp_path / "hub")
            Path(folder_path).mkdir()

    monkeypatch.setattr("timm.models._hub.HfApi", Hub)
    timm.models.push_to_hf_hub(again, "someone/model", safe_serialization=True)
    pushed = timm.create_model(f"local-dir:{tmp_path / 'hub'}", pretrained=True).eval()
    x_BCHW = torch.randn(2, 3, SIZE, SIZE)
    with torch.inference_mode():
        torch.testing.assert_close(pushed(x_BCHW), net(x_BCHW), rtol=0, atol=0)


def test_what_is_not_of_the_record_is_refused(tmp_path: Path, data: Path) -> None:
    folder, net = trained(tmp_path, data, "mobilenetv3_small_100", "base", {})
    checkpoint.save(folder / "last.pt", {**checkpoint.weights(net), "more": torch.zeros(1)})
    with pytest.raises(UserError, match=r"last\.pt is not the file that the record names"):
        publish.publish(folder, data)
    (folder / "last.pt").unlink()
    with pytest.raises(UserError, match=r"last\.pt is missing; run the same Run here"):
        publish.publish(folder, data)
    put_sealed(tmp_path, {"id": "sst2/bert_6/base/seed0", "scale": "demo"})
    with pytest.raises(UserError, match="no image classification"):
        publish.publish(tmp_path / "demo/sst2/bert_6/base/seed0", data)


def test_the_index_has_every_classifier_with_a_record(tmp_path: Path) -> None:
    from hadaptive.config import load

    path = publish.write_index(Study(load(given={"scale": "cpu"})), tmp_path)
    index = {entry["name"]: entry["results"] for entry in yaml.safe_load(path.read_text())["model-index"]}
    (cifar,) = index["hadaptive_net_s.dysoft"]
    assert cifar["dataset"]["type"] == "cifar100"
    assert cifar["metrics"][0]["name"] == "Top-1 accuracy, %, mean of 2 seeds"
    assert cifar["metrics"][0]["value"] == pytest.approx(26.05, abs=0.01), "as in docs/results.md"
    assert "hadaptive_net_l.dysoft" not in index, "was not trained"
