"""A trained model as timm, transformers and the Hugging Face Hub take it: same logits, a card that says what it is."""

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
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from hadaptive import publish
from hadaptive.data import grammar
from hadaptive.data.settings import DataSettings
from hadaptive.data.token_batches import open_tokens
from hadaptive.errors import UserError
from hadaptive.nn.features import feature_maps
from hadaptive.nn.ssd import FocalSSD
from hadaptive.nn.text import TextClassifier
from hadaptive.nn.zoo import create_model
from hadaptive.records import sha256, write_json
from hadaptive.study import Study
from hadaptive.train import checkpoint
from tests.records import put_sealed

REFERENCE = Path(__file__).resolve().parent.parent / "results/reference/cpu"
CLASSES = ["a", "b", "c"]
SIZE = 32


def prepared(folder: Path, dataset: str, kind: str) -> Path:
    """A folder with the manifest of prepared images, and no images."""
    folder.mkdir()
    manifest = {"schema": 1, "dataset": dataset, "kind": kind, "source": "drawn", "sha256": "0" * 64}
    manifest |= {"classes": CLASSES, "num_classes": 3, "mean": [0.3] * 3, "std": [0.2] * 3, "files": {}, "counts": {}}
    write_json(folder / "manifest.json", manifest)
    return folder


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return prepared(tmp_path / "data", "digits", "tensor")


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
    again = timm.create_model(f"local-dir:{folder / 'hub'}", pretrained=True).eval()
    x_BCHW = torch.randn(2, 3, SIZE, SIZE)
    with torch.inference_mode():
        torch.testing.assert_close(again(x_BCHW), net(x_BCHW), rtol=0, atol=0)
    config = json.loads((folder / "hub/config.json").read_text())
    assert config["architecture"] == architecture and config["label_names"] == CLASSES
    seen = resolve_model_data_config(again)
    assert tuple(seen["input_size"]) == (3, SIZE, SIZE) and tuple(seen["mean"]) == (0.3,) * 3
    assert seen["crop_pct"] == 1.0 and seen["crop_mode"] == "squash", (
        "as in evaluation: resized to a square, not cropped"
    )
    assert timm.create_model(f"local-dir:{folder / 'hub'}", num_classes=5)(x_BCHW).shape == (2, 5), "for fine-tuning"


def results(root: Path, data: Path, run: str, net: nn.Module, fields: dict[str, Any]) -> Path:
    """The results of a Run of a task besides image classification, as if it had trained."""
    folder = root / "results/demo" / run
    checkpoint.save(folder / "last.pt", checkpoint.weights(net))
    made = {
        "data": {"sha256": sha256(data / "manifest.json")},
        "checkpoints": {"last": {"sha256": sha256(folder / "last.pt")}},
    }
    put_sealed(root / "results", {"id": run, "scale": "demo"} | made | fields)
    return folder


@pytest.mark.parametrize("feed_forward", ["two_thirds", "ach"])
def test_transformers_loads_the_same_text_classifier(feed_forward: str, tmp_path: Path) -> None:
    """From raw sentences on: the folder's own tokenizer gives what the model was trained on."""
    data = tmp_path / "entailment"
    manifest = grammar.prepare("entailment", data, DataSettings())
    batches = open_tokens(data, "test", word_pieces=8, batch_size=4, train=False)
    x, _ = next(batches.epoch(0))
    torch.manual_seed(1)
    size = {"classes": 3, "vocabulary": manifest["vocabulary"]["size"], "width": 24, "heads": 2}
    net = TextClassifier("bert_6", feed_forward=feed_forward, **size).train()
    net(x.pieces_BL, x.second_BL, x.mask_BL)
    options, recipe = {"feed_forward": feed_forward}, {"epochs": 2, "word_pieces": 8, "width": 24, "heads": 2}
    run = {"dataset": "entailment", "options": options, "recipe": recipe}
    reached = {"run": run, "metrics": {"top1_last": 71.5}}
    folder = results(tmp_path, data, f"mnli/bert_6/{feed_forward}/seed0", net.eval(), reached)
    publish.publish(folder, data)
    card = ModelCard.load(folder / "hub/README.md")
    assert card.data.pipeline_tag == "text-classification" and card.data.eval_results[0].metric_value == 71.5
    assert ("import hadaptive" in card.content) == (feed_forward == "ach")
    exec(code(card).partition("\n\n")[0])  # its imports
    again = AutoModelForSequenceClassification.from_pretrained(folder / "hub").eval()
    tokenizer = AutoTokenizer.from_pretrained(folder / "hub")
    first, second = zip(*grammar.load("entailment")[1].sentences[:4], strict=True)
    tokens = tokenizer(list(first), list(second), truncation=True, padding=True, return_tensors="pt")
    assert torch.equal(tokens.input_ids, x.pieces_BL)
    with torch.inference_mode():
        logits_BK = net(x.pieces_BL, x.second_BL, x.mask_BL)
        torch.testing.assert_close(again(**tokens).logits, logits_BK, rtol=0, atol=0)
    assert again.config.id2label[2] == "contradiction"


def test_a_detector_finds_the_same(tmp_path: Path) -> None:
    data = prepared(tmp_path / "scenes", "shapes", "scenes")
    torch.manual_seed(1)
    net = FocalSSD(feature_maps("hadaptive_net_s", norm="dysoft"), 3, image_size=64).eval()
    recipe = {"epochs": 2, "image_size": 64, "gamma": 2.0, "alpha": 0.25}
    run = {"dataset": "shapes", "options": {"norm": "dysoft"}, "recipe": recipe}
    reached = {"run": run, "metrics": {"map_last": 12.5}}
    folder = results(tmp_path, data, "coco/hadaptive_net_s/dysoft/seed0", net, reached)
    publish.publish(folder, data)
    card = ModelCard.load(folder / "hub/README.md")
    assert card.data.pipeline_tag == "object-detection" and card.data.eval_results[0].metric_value == 12.5
    loaded: dict[str, Any] = {"image": torch.rand(3, 50, 80)}
    exec(code(card).replace("FOLDER", str(folder / "hub")), loaded)
    assert loaded["model"].classes == CLASSES
    with torch.inference_mode():
        (boxes,) = net([loaded["image"]])
    assert len(boxes["boxes"]) > 0
    for name, values in boxes.items():
        torch.testing.assert_close(loaded["boxes"][name], values, rtol=0, atol=0)


def code(card: ModelCard) -> str:
    """The lines of a card that load its model."""
    return str(card.content).partition("```python\n")[2].partition("```")[0]


def test_the_card_is_one_of_the_hub(tmp_path: Path, data: Path) -> None:
    folder, _ = trained(tmp_path, data, "hadaptive_net_s", "dysoft", {"norm": "dysoft"})
    publish.publish(folder, data)
    card = ModelCard.load(folder / "hub/README.md")
    assert card.data.license == "apache-2.0" and card.data.library_name == "timm"
    (top1, top5) = card.data.eval_results
    assert (top1.dataset_type, top1.metric_value, top5.metric_value) == ("digits", 61.5, 97.25)
    for part in ("demonstration", "Recipe", "| lr | 0.001 |", "## Limits", "@inproceedings", "Guo, Qingshan"):
        assert part in card.content


def test_it_pushes_as_timm_does(tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`push_to_hf_hub` of the loaded model, with the Hub replaced by a folder, gives what loads to the same logits."""
    folder, net = trained(tmp_path, data, "mobilenetv3_small_100", "repl_9", {"retrofit": {"select": 9}})
    publish.publish(folder, data)
    again = timm.create_model(f"local-dir:{folder / 'hub'}", pretrained=True)

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
    for identity in ("search/table11/seed0", "complexity/starnet_s1/base"):
        with pytest.raises(UserError, match=f"{identity} is no training of one model.*publish a Run of"):
            publish.publish(REFERENCE / identity, data)


def test_the_index_has_every_classifier_with_a_record(tmp_path: Path) -> None:
    from hadaptive.config import load

    path = publish.write_index(Study(load(given={"scale": "cpu"})), tmp_path)
    index = {entry["name"]: entry["results"] for entry in yaml.safe_load(path.read_text())["model-index"]}
    (cifar,) = index["hadaptive_net_s.dysoft"]
    assert cifar["dataset"]["type"] == "cifar100"
    assert cifar["metrics"][0]["name"] == "Top-1 accuracy, %, mean of 2 seeds"
    assert cifar["metrics"][0]["value"] == pytest.approx(26.05, abs=0.01), "as in docs/results.md"
    assert "hadaptive_net_l.dysoft" not in index, "was not trained"
