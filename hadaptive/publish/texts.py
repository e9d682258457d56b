"""Text classifiers with their tokenizer, as transformers loads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hadaptive.errors import UserError
from hadaptive.publish.kind import Kind, Trained
from hadaptive.record import TrainingRecord


def _save(trained: Trained, out: Path) -> None:
    from hadaptive.nn.published_text import HadaptiveBertConfig, HadaptiveBertForSequenceClassification
    from hadaptive.nn.text import TextClassifier

    record, manifest = trained.record, trained.manifest
    recipe, vocabulary = record.made_with["recipe"], manifest["vocabulary"]
    arguments = {
        "name": record.run.model,
        "classes": manifest["num_classes"],
        "vocabulary": vocabulary["size"],
        "pad": vocabulary["pad"],
        "width": recipe["width"],
        "heads": recipe["heads"],
        **record.run.options,
    }
    model: Any
    if _is_transformers_own(record):
        classifier = TextClassifier(**arguments)
        model = classifier.bert
    else:
        model = HadaptiveBertForSequenceClassification(HadaptiveBertConfig(arguments))
        classifier = model.model
    trained.fill(classifier)
    model.config.id2label = dict(enumerate(manifest["classes"]))
    model.config.label2id = {name: number for number, name in enumerate(manifest["classes"])}
    model.config.hadaptive = {"run": record.id, "record": record.sha256}
    model.save_pretrained(out)
    _save_tokenizer(trained, out)


def _is_transformers_own(record: TrainingRecord) -> bool:
    return record.run.options.get("feed_forward") != "ach"


def _save_tokenizer(trained: Trained, out: Path) -> None:
    from transformers import BertTokenizer

    from hadaptive.data import grammar, vocabulary

    dataset = trained.record.run.dataset
    words = grammar.vocabulary(dataset) if dataset in grammar.GRAMMARS else vocabulary.uncased(trained.settings)
    if words.sha256 != trained.manifest["vocabulary"]["sha256"]:
        raise UserError(f"the vocabulary of {dataset} is another than when it was prepared; prepare it and run again")
    pieces = {piece: number for number, piece in enumerate(words.pieces)}
    BertTokenizer(vocab=pieces, model_max_length=trained.record.made_with["recipe"]["word_pieces"]).save_pretrained(out)


def _loading(record: TrainingRecord) -> str:
    ours = "" if _is_transformers_own(record) else "import hadaptive.nn.published_text  # registers the model\n"
    return f"""from transformers import pipeline
{ours}
classify = pipeline("text-classification", model="FOLDER")
classify({{"text": "a sentence", "text_pair": "its second sentence, for pairs"}})"""


KIND = Kind(
    task="text-classification",
    library="transformers",
    metrics={"top1_last": "Accuracy, %"},
    metric_type="accuracy",
    on_training_set={"train_top1_last": "Accuracy on the training set, %"},
    examples="examples",
    size="{word_pieces} word pieces",
    save=_save,
    loading=_loading,
)
