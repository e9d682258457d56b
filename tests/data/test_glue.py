"""GLUE's files: broken rows are named by file and row, the archive is verified, the tenth is stratified."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from hadaptive.data import DataError, DataSettings, prepare, vocabulary
from hadaptive.data.glue import CORPORA, find, load, parse, stratified
from hadaptive.data.vocabulary import SPECIAL, of_pieces

SST2 = CORPORA["sst2"]
HEAD = "sentence\tlabel\n"
MNLI_HEAD = "index\tsentence1\tsentence2\tlabel1\tgold_label\n"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a fine film", r"train\.tsv:3: 1 fields, the header has 2"),
        ("a fine film\t1\t0", r"train\.tsv:3: 3 fields"),
        ("a fine film\t2", r"train\.tsv:3: unknown label '2', known are 0, 1"),
        ("a fine film\t", r"train\.tsv:3: unknown label ''"),
        (" \t1", r"train\.tsv:3: a sentence without a word \(sentence\)"),
        ("", r"train\.tsv:3: 1 fields"),
    ],
)
def test_a_broken_row_is_named(row: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        parse(SST2, f"{HEAD}good\t1\n{row}\nbad\t0\n".encode(), "glue/SST-2/train.tsv")


def test_rows_have_no_quoting_and_crlf_is_no_content() -> None:
    texts, undecided = parse(SST2, (HEAD + "the \" best\t1\r\n it 's bad \t0\n").encode(), "train.tsv")
    assert texts.sentences == [('the " best',), ("it 's bad",)] and texts.labels == [1, 0] and undecided == 0
    assert texts.places == ["train.tsv:2", "train.tsv:3"]


def test_bytes_that_are_no_text_and_empty_files_are_named() -> None:
    with pytest.raises(DataError, match=r"dev\.tsv:3: not UTF-8"):
        parse(SST2, HEAD.encode() + b"good\t1\nb\xffd\t0\n", "dev.tsv")
    with pytest.raises(DataError, match=r"dev\.tsv has no rows"):
        parse(SST2, HEAD.encode(), "dev.tsv")
    with pytest.raises(DataError, match=r"dev\.tsv:2: no sentence"):
        parse(SST2, b"text\tlabel\ngood\t1\n", "dev.tsv")


def test_pairs_are_read_from_both_layouts_and_the_undecided_are_left_out() -> None:
    tsv = MNLI_HEAD + "0\ta dog\tan animal\tx\tentailment\n1\ta\tb\tx\t-\n2\ta\tno a\tx\tcontradiction\n"
    whole, undecided = parse(CORPORA["mnli"], tsv.encode(), "train.tsv")
    assert whole.sentences == [("a dog", "an animal"), ("a", "no a")] and whole.labels == [0, 2] and undecided == 1
    rows = [
        {"premise": "a dog", "hypothesis": "an animal", "label": "entailment"},
        {"sentence1": "a", "sentence2": "no a", "gold_label": "contradiction"},
    ]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    assert parse(CORPORA["mnli"], lines.encode(), "train.jsonl")[0].sentences == whole.sentences
    with pytest.raises(DataError, match=r"train\.jsonl:3: no JSON object"):
        parse(CORPORA["mnli"], (lines + "{broken\n").encode(), "train.jsonl")
    with pytest.raises(DataError, match=r"train\.jsonl:3: no sentence2"):
        parse(CORPORA["mnli"], (lines + '{"premise": "a", "label": "neutral"}\n').encode(), "train.jsonl")
    with pytest.raises(DataError, match=r"train\.jsonl:3: a sentence without a word \(sentence2\)"):
        parse(
            CORPORA["mnli"],
            (lines + '{"premise": "a", "hypothesis": "", "label": "neutral"}\n').encode(),
            "train.jsonl",
        )


def test_a_tenth_keeps_the_shares_of_the_labels() -> None:
    labels = np.repeat([0, 1, 2], [1000, 500, 255])
    chosen = stratified(labels, 0.1, seed=0)
    assert np.bincount(labels[chosen]).tolist() == [100, 50, 26]
    assert (np.diff(chosen) > 0).all() and (chosen == stratified(labels, 0.1, seed=0)).all()
    assert (chosen != stratified(labels, 0.1, seed=1)).any()


def zipped(train: str) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("SST-2/train.tsv", train)
        archive.writestr("SST-2/dev.tsv", HEAD + "good\t1\n")
    return target.getvalue()


def test_an_altered_file_and_an_altered_archive_are_errors(tmp_path: Path, nowhere: None) -> None:
    folder = tmp_path / "glue/SST-2"
    folder.mkdir(parents=True)
    (folder / "train.tsv").write_text(HEAD + "good\t1\n")
    settings = DataSettings(root=tmp_path)
    read, where, known = find("sst2", SST2, settings)
    with pytest.raises(DataError, match=r"train\.tsv is altered: sha256 .* expected 48eac263"):
        load(SST2, SST2.train, read, where, known)
    with pytest.raises(DataError, match=r"lacks dev\.tsv of SST-2"):
        load(SST2, SST2.test, read, where, known)
    (tmp_path / "other/glue").mkdir(parents=True)
    (tmp_path / "other/glue/SST-2.zip").write_bytes(zipped(HEAD)[:-30])
    with pytest.raises(DataError, match=r"SST-2\.zip is truncated or no zip archive: sha256"):
        find("sst2", SST2, DataSettings(root=tmp_path / "other"))


def test_an_archive_is_downloaded_once_and_read_without_unpacking(
    server: object, tmp_path: Path, nowhere: None
) -> None:
    content = zipped(HEAD + "fine\t1\nbad\t0\n")
    server.content = content  # type: ignore[attr-defined]
    url = server.url  # type: ignore[attr-defined]
    ours = dataclasses.replace(SST2, url=url, archive_sha256=hashlib.sha256(content).hexdigest())
    settings = DataSettings(downloads=tmp_path)
    for _ in range(2):
        read, where, known = find("sst2", ours, settings)
        assert known == ["train.tsv", "dev.tsv"] and read("train.tsv").decode() == HEAD + "fine\t1\nbad\t0\n"
    assert len(server.seen) == 1 and where == str(tmp_path / "SST-2.zip")  # type: ignore[attr-defined]
    gone = dataclasses.replace(ours, url=url.replace("archive.tar.gz", "missing"))
    with pytest.raises(DataError, match=r"SST-2 could not be obtained: .* name a mirror in data\.mirrors\.sst2"):
        find("sst2", gone, DataSettings(downloads=tmp_path / "none"))


def test_prepared_mnli_says_how_it_was_drawn(tmp_path: Path, nowhere: None, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "glue/MNLI"
    folder.mkdir(parents=True)
    names = ["entailment", "neutral", "contradiction"]
    rows = "".join(f"{n}\ta dog {n}\tan animal\tx\t{names[n % 3]}\n" for n in range(60))
    (folder / "train.tsv").write_text(MNLI_HEAD + rows)
    (folder / "dev_matched.tsv").write_text(MNLI_HEAD + rows)
    pieces = of_pieces([*SPECIAL, "a", "dog", "an", "animal"], "ours")
    monkeypatch.setattr(vocabulary, "uncased", lambda settings: pieces)
    manifest = prepare("mnli", tmp_path / "out", DataSettings(root=tmp_path))
    assert manifest["counts"] == {"train": 6, "test": 60} and manifest["drawn"] == "10%, stratified by label, seed 0"
    labels = np.load(tmp_path / "out/train_labels.npy")
    assert np.bincount(labels).tolist() == [2, 2, 2] and manifest["source"] == CORPORA["mnli"].url
    (folder / "train.tsv").rename(folder / "train_10pct.jsonl")
    (folder / "train_10pct.jsonl").write_text('{"premise": "a", "hypothesis": "an", "label": "neutral"}\n')
    again = prepare("mnli", tmp_path / "again", DataSettings(root=tmp_path))
    assert again["counts"]["train"] == 1 and again["drawn"] == "before, by its name"


def test_real_glue_is_whole(real_data: Path, tmp_path: Path) -> None:
    if not (real_data / "glue").is_dir():
        pytest.skip("HADAPTIVE_DATA holds no glue")
    manifest = prepare("sst2", tmp_path / "sst2", DataSettings(root=real_data))
    assert manifest["counts"] == {"train": 67_349, "test": 872}
    assert manifest["vocabulary"]["sha256"] == vocabulary.SHA256 and manifest["vocabulary"]["cls"] == 101
