"""SST-2 and MNLI as GLUE publishes them (Wang et al., 2018). Imports no torch.

SST-2 is taken whole. Of MNLI's training set 10% are drawn, stratified by label with a fixed seed (appendix A.6, "10%
stratified subset"), and tested on the whole matched validation set. Rules for rows: a row with another number of fields
than its header, an unknown label or an empty sentence is an error that names file and row; a pair whose gold label is
"-" (the annotators did not agree) is left out and counted in the manifest, as in GLUE.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hadaptive.data import archive, vocabulary
from hadaptive.data.errors import DataError
from hadaptive.data.settings import ENVIRONMENT_VARIABLE, DataSettings
from hadaptive.data.text import EMPTY, Texts, write_texts

PART, SEED = 0.1, 0  # of MNLI's training set
FOLDER = "glue"  # under the data root
UNDECIDED = "-"


@dataclass(frozen=True)
class Part:
    """A file of a set: its names (the first is GLUE's), its sha256 if it must be GLUE's own."""

    names: tuple[str, ...]
    sha256: str | None = None


@dataclass(frozen=True)
class Corpus:
    """A set of GLUE: its archive, its two files, its columns (each with other names that are accepted) and labels."""

    title: str
    folder: str
    url: str
    archive_sha256: str
    train: Part
    test: Part
    sentences: tuple[tuple[str, ...], ...]
    label: tuple[str, ...]
    labels: dict[str, int]
    classes: tuple[str, ...]


# Archives: sha256 as TensorFlow Datasets has them (SST-2.zip: 7,439,277 bytes; MNLI.zip: 312,783,507 bytes).
CORPORA = {
    "sst2": Corpus(
        "SST-2", "SST-2", "https://dl.fbaipublicfiles.com/glue/data/SST-2.zip",
        "d67e16fb55739c1b32cdce9877596db1c127dc322d93c082281f64057c16deaa",
        Part(("train.tsv",), "48eac26399f8456935f81dd9e3a745c1430adb6c62e233ccfe22db4a0d15d1d1"),
        Part(("dev.tsv",), "54a9c12c77e402fc14d6a66a506f24d999f596b0176eb777c972cccc2f9cc4b0"),
        (("sentence",),), ("label",), {"0": 0, "1": 1}, ("negative", "positive"),
    ),
    "mnli": Corpus(
        "MNLI", "MNLI", "https://dl.fbaipublicfiles.com/glue/data/MNLI.zip",
        "e7c1d896d26ed6caf700110645df426cc2d8ebf02a5ab743d5a5c68ac1c83633",
        Part(("train.tsv", "multinli_1.0_train.jsonl", "train_10pct.jsonl")),
        Part(("dev_matched.tsv", "multinli_1.0_dev_matched.jsonl", "dev_matched.jsonl")),
        (("sentence1", "premise"), ("sentence2", "hypothesis")), ("gold_label", "label"),
        {"entailment": 0, "neutral": 1, "contradiction": 2}, ("entailment", "neutral", "contradiction"),
    ),
}  # fmt: skip
ALREADY_DRAWN = "_10pct"  # in the name of a file that is a tenth already

Reader = Callable[[str], bytes]


def prepare(name: str, destination: Path, settings: DataSettings) -> dict[str, Any]:
    """Write a corpus to `destination`, split by BERT's uncased vocabulary; returns the manifest. Raises DataError."""
    corpus = CORPORA[name]
    pieces = vocabulary.uncased(settings)
    read, where, known = find(name, corpus, settings)
    train, undecided, taken = load(corpus, corpus.train, read, where, known)
    test, test_undecided, tested = load(corpus, corpus.test, read, where, known)
    own = (taken, tested) == (corpus.train.names[0], corpus.test.names[0])
    source = corpus.url if own else f"a local copy of {corpus.title}: {taken}, {tested}"  # no path: it is no content
    drawn = ALREADY_DRAWN in taken
    about: dict[str, Any] = {"left_out_undecided": {"train": undecided, "test": test_undecided}}
    if name == "mnli":
        if not drawn:
            chosen = stratified(np.asarray(train.labels), PART, SEED)
            train = Texts(*([part[n] for n in chosen] for part in (train.sentences, train.labels, train.places)))
        about["drawn"] = "before, by its name" if drawn else f"{PART:.0%}, stratified by label, seed {SEED}"
    return write_texts(
        name, destination, train, test, classes=list(corpus.classes), vocabulary=pieces, source=source, about=about
    )


def find(name: str, corpus: Corpus, settings: DataSettings) -> tuple[Reader, str, list[str]]:
    """Return a reader of a corpus's files by name, where they are, and which there are.

    Looked for, in this order: the folder and the archive in glue/ of the data root, the archive in
    `settings.downloads`, the mirrors in the settings, the official address. Raises DataError.
    """
    root, zip_name = settings.local_root(), f"{corpus.folder}.zip"
    if root is not None and (folder := root / FOLDER / corpus.folder).is_dir():
        names = sorted(path.name for path in folder.iterdir())
        return (lambda file: (folder / file).read_bytes()), str(folder), names
    local = None if root is None else root / FOLDER / zip_name
    path = local if local is not None and local.is_file() else settings.downloads / zip_name
    otherwise = (
        f"Set {ENVIRONMENT_VARIABLE} to a folder holding {FOLDER}/{corpus.folder}/ or {FOLDER}/{zip_name}, put "
        f"{zip_name} at {path}, or name a mirror in data.mirrors.{name}"
    )
    urls = [*settings.mirrors.get(name, []), corpus.url]
    archive.obtain(corpus.title, urls, corpus.archive_sha256, path, settings.timeout_s, otherwise)
    archive.verify_archive(path, corpus.archive_sha256, "put GLUE's in its place, or delete it to have it downloaded")
    with zipfile.ZipFile(path) as whole:
        names = [Path(member).name for member in whole.namelist() if Path(member).parent.name == corpus.folder]

    def read(file: str) -> bytes:
        with zipfile.ZipFile(path) as opened:  # members are read, none is unpacked: an archive cannot write anywhere
            return opened.read(f"{corpus.folder}/{file}")

    return read, str(path), names


def load(corpus: Corpus, part: Part, read: Reader, where: str, known: list[str]) -> tuple[Texts, int, str]:
    """Return the examples of a file, how many pairs were undecided, and the file's name. Raises DataError."""
    name = next((name for name in part.names if name in known), None)
    if name is None:
        raise DataError(f"{where} lacks {part.names[0]} of {corpus.title}; put GLUE's there")
    raw, place = read(name), f"{where}/{name}"
    texts, undecided = parse(corpus, raw, place)
    # after the rows, so that a broken one is named rather than a checksum
    if part.sha256 is not None and (actual := hashlib.sha256(raw).hexdigest()) != part.sha256:
        raise DataError(f"{place} is altered: sha256 {actual}, expected {part.sha256}; put GLUE's in its place")
    return texts, undecided, name


def parse(corpus: Corpus, raw: bytes, place: str) -> tuple[Texts, int]:
    """Return the examples of a .tsv or .jsonl file, and how many pairs were undecided. DataError names file and row.

    Rows count from 1, the header of a .tsv included.
    """
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        row = raw[: error.start].count(b"\n") + 1
        raise DataError(f"{place}:{row}: not UTF-8; put GLUE's file in its place") from None
    examples: list[tuple[tuple[str, ...], int, str]] = []
    undecided = 0
    for row, fields in _json_rows(text, place) if place.endswith(".jsonl") else _tsv_rows(text, place):
        at = f"{place}:{row}"
        label = _field(fields, corpus.label, at)
        if label == UNDECIDED:
            undecided += 1
            continue
        if label not in corpus.labels:
            raise DataError(f"{at}: unknown label {label!r}, known are {', '.join(corpus.labels)}; mend the row")
        sentences = tuple(_field(fields, names, at) for names in corpus.sentences)
        for names, sentence in zip(corpus.sentences, sentences, strict=True):
            if not sentence:
                raise DataError(f"{at}: {EMPTY} ({names[0]}); mend or remove the row")
        examples.append((sentences, corpus.labels[label], at))
    if not examples:
        raise DataError(f"{place} has no rows; put GLUE's file in its place")
    return Texts(*(list(column) for column in zip(*examples, strict=True))), undecided


def _tsv_rows(text: str, place: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield rows below the header, without quoting, as GLUE writes them."""
    head: list[str] = []
    for row, line in enumerate(io.StringIO(text, newline="\n"), start=1):
        fields = line.rstrip("\r\n").split("\t")
        if not head:
            head = fields
            continue
        if len(fields) != len(head):
            raise DataError(f"{place}:{row}: {len(fields)} fields, the header has {len(head)}; mend or remove the row")
        yield row, dict(zip(head, fields, strict=True))


def _json_rows(text: str, place: str) -> Iterator[tuple[int, dict[str, Any]]]:
    for row, line in enumerate(io.StringIO(text, newline="\n"), start=1):
        try:
            fields = json.loads(line)
        except ValueError:
            fields = None
        if not isinstance(fields, dict):
            raise DataError(f"{place}:{row}: no JSON object; mend or remove the row")
        yield row, fields


def _field(fields: dict[str, Any], names: tuple[str, ...], at: str) -> str:
    value = next((fields[name] for name in names if name in fields), None)
    if not isinstance(value, str):
        raise DataError(f"{at}: no {names[0]}; mend the row or the header")
    return value.strip()


def stratified(labels_N: NDArray[np.integer], part: float, seed: int) -> NDArray[np.int64]:
    """Indices, ascending, of that part of the examples of every label, each rounded to the nearest whole number."""
    shuffled = np.argsort(np.random.PCG64(seed).random_raw(len(labels_N)), kind="stable")  # NEP 19: the same for ever
    chosen = [
        of_label[: round(part * len(of_label))]
        for label in np.unique(labels_N)
        if len(of_label := shuffled[labels_N[shuffled] == label])
    ]
    return np.sort(np.concatenate(chosen)).astype(np.int64)
