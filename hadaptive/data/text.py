"""Prepared sets of sentences or pairs of them: word pieces by number, in flat arrays. Imports no torch.

Sentences are split once, when a set is prepared, and kept whole; the recipe says how many pieces a model sees. A split
has `pieces` (uint16, all sentences one after the other), `ends` (int64, one per sentence, where it ends) and `labels`
(int64, one per example); an example has one sentence, or two, one after the other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hadaptive.data.errors import DataError
from hadaptive.data.prepared import MANIFEST, SCHEMA, check_labels, load_array, remedy
from hadaptive.records import atomic, sha256, write_json

if TYPE_CHECKING:  # a change of how the vocabulary is obtained trains nothing again
    from hadaptive.data.vocabulary import Vocabulary

PARTS = ("pieces", "ends", "labels")


@dataclass(frozen=True)
class Texts:
    """The examples of one split: each a tuple of one sentence or of two, its label, and where it stands.

    `places` are "file:row", for messages.
    """

    sentences: Sequence[tuple[str, ...]]
    labels: Sequence[int]
    places: Sequence[str]


def write_texts(
    dataset: str,
    folder: Path,
    train: Texts,
    test: Texts,
    *,
    classes: list[str],
    vocabulary: Vocabulary,
    source: str,
    about: dict[str, Any],
) -> dict[str, Any]:
    """Split, write the arrays as .npy, then the manifest, which it returns. The bytes depend on the data alone.

    `about` are further entries of the manifest. Raises DataError for a sentence without a word piece, OSError where the
    folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MANIFEST).unlink(missing_ok=True)  # a manifest promises that what it lists is there
    files: dict[str, dict[str, Any]] = {}
    for split, texts in (("train", train), ("test", test)):
        pieces, ends = split_up(texts, vocabulary)
        labels = np.asarray(texts.labels, np.int64)
        check_labels(labels, len(classes), f"{source}, {split}", "mend the row")
        arrays: dict[str, NDArray[Any]] = {"pieces": pieces, "ends": ends, "labels": labels}
        for part, array in arrays.items():
            path = folder / f"{split}_{part}.npy"
            with atomic(path) as temporary, temporary.open("wb") as file:
                np.save(file, array, allow_pickle=False)
            files[path.name] = {"sha256": sha256(path), "bytes": path.stat().st_size}
    manifest = {
        "schema": SCHEMA,
        "dataset": dataset,
        "kind": "text",
        "source": source,
        "classes": classes,
        "num_classes": len(classes),
        "sentences": len(train.sentences[0]),
        "counts": {"train": len(train.labels), "test": len(test.labels)},
        "vocabulary": vocabulary.manifest(),
        **about,
        "files": files,
        "sha256": hashlib.sha256("".join(files[name]["sha256"] for name in sorted(files)).encode()).hexdigest(),
    }
    write_json(folder / MANIFEST, manifest)
    return manifest


def split_up(texts: Texts, vocabulary: Vocabulary) -> tuple[NDArray[np.uint16], NDArray[np.int64]]:
    """Return all word pieces in a row, and where each sentence ends. DataError for a sentence that has none."""
    tokenizer = vocabulary.tokenizer()
    flat = [sentence for example in texts.sentences for sentence in example]
    encoded = [encoding.ids for encoding in tokenizer.encode_batch(flat, add_special_tokens=False)]
    sentences = len(texts.sentences[0])
    for number, ids in enumerate(encoded):
        if not ids:
            raise DataError(f"{texts.places[number // sentences]}: {EMPTY}, {flat[number]!r}; mend or remove the row")
    return np.concatenate([np.asarray(ids, np.uint16) for ids in encoded]), np.cumsum([len(ids) for ids in encoded])


EMPTY = "a sentence without a word"


def open_texts(folder: Path, manifest: dict[str, Any], split: str) -> dict[str, NDArray[Any]]:
    """Return the arrays of a split by part, mapped into memory.

    Raises DataError if a file is missing or not, byte for byte, what the manifest says, or holds a word piece that the
    vocabulary or a label that the classes do not have.
    """
    if manifest.get("kind") != "text":
        raise DataError(f"{folder} holds {manifest.get('dataset')}, which is no set of sentences; choose one for text")
    arrays = {part: load_array(folder, manifest, f"{split}_{part}.npy") for part in PARTS}
    pieces, ends, labels = (arrays[part] for part in PARTS)
    if [pieces.dtype, ends.dtype, labels.dtype] != [
        np.dtype(dtype) for dtype in (np.uint16, np.int64, np.int64)
    ] or not labels.size:
        raise DataError(f"{folder}, {split}: the arrays are not of this version's types; {remedy(folder)}")
    if len(ends) != len(labels) * manifest["sentences"] or ends[-1] != len(pieces) or (np.diff(ends) < 1).any():
        raise DataError(f"{folder}, {split}: sentences, ends and labels do not agree; {remedy(folder)}")
    highest, size = int(pieces.max()), manifest["vocabulary"]["size"]
    if highest >= size:
        raise DataError(f"{folder} has word piece {highest}, but its vocabulary only {size}; {remedy(folder)}")
    check_labels(labels, manifest["num_classes"], f"{folder}, {split}", remedy(folder))
    return arrays
