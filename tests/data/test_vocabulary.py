"""The vocabulary: of the right size and content, or an error that says what is wrong with which file."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from hadaptive.data import DataError, DataSettings
from hadaptive.data.text import Texts, open_texts, write_texts
from hadaptive.data.vocabulary import SPECIAL, of_pieces, read, uncased

PIECES = [*SPECIAL, "a", "dog", "##s"]
TEXT = "".join(f"{piece}\n" for piece in PIECES)
RIGHT: dict[str, Any] = {"size": len(PIECES), "sha256": hashlib.sha256(TEXT.encode()).hexdigest()}


def test_a_vocabulary_of_the_wrong_size_or_content_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "vocab.txt"
    path.write_text(TEXT + "more\n")
    with pytest.raises(DataError, match=r"vocab\.txt has 9 word pieces, BERT's uncased vocabulary has 30522"):
        read(path)
    with pytest.raises(DataError, match=r"has 9 word pieces, BERT's uncased vocabulary has 8"):
        read(path, **RIGHT)
    path.write_text(TEXT.replace("[SEP]", "sep"))
    with pytest.raises(DataError, match=r"lacks the word piece \[SEP\]"):
        read(path, **RIGHT)
    path.write_text(TEXT.replace("dog", "cat"))
    with pytest.raises(DataError, match=r"is not BERT's uncased vocabulary: sha256"):
        read(path, **RIGHT)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match=r"vocab\.txt is no vocabulary \(not UTF-8\)"):
        read(path, **RIGHT)
    path.write_text(TEXT)
    assert read(path, **RIGHT).manifest()["sep"] == 3


def test_it_is_found_by_setting_then_by_root_then_downloaded(server: Any, tmp_path: Path, nowhere: None) -> None:
    server.content = TEXT.encode()
    where = {**RIGHT, "url": server.url}
    with pytest.raises(DataError, match=r"nothing\.txt named by data\.vocabulary is no file"):
        uncased(DataSettings(vocabulary=tmp_path / "nothing.txt"), **where)
    (tmp_path / "mine.txt").write_text(TEXT)
    assert uncased(DataSettings(vocabulary=tmp_path / "mine.txt"), **where).pieces == tuple(PIECES)
    assert not server.seen
    for _ in range(2):
        assert uncased(DataSettings(downloads=tmp_path / "downloads"), **where).sha256 == RIGHT["sha256"]
    assert len(server.seen) == 1
    with pytest.raises(DataError, match=r"could not be obtained: .* name the file in data\.vocabulary"):
        uncased(
            DataSettings(downloads=tmp_path / "none"),
            **{**where, "url": server.url.replace("archive.tar.gz", "missing")},
        )


def test_a_sentence_that_becomes_nothing_and_a_piece_beyond_the_vocabulary_are_errors(tmp_path: Path) -> None:
    common: dict[str, Any] = {"classes": ["x"], "vocabulary": of_pieces(PIECES, "ours"), "source": "", "about": {}}
    good = Texts([("a dog",)], [0], ["dev.tsv:2"])
    with pytest.raises(DataError, match=r"train\.tsv:3: a sentence without a word, '\\u200b'"):
        write_texts("x", tmp_path, Texts([("a",), ("\u200b",)], [0, 0], ["train.tsv:2", "train.tsv:3"]), good, **common)
    manifest = write_texts("x", tmp_path, good, good, **common)
    assert open_texts(tmp_path, manifest, "test")["pieces"].tolist() == [5, 6]
    manifest["vocabulary"]["size"] = 6
    with pytest.raises(DataError, match=r"has word piece 6, but its vocabulary only 6"):
        open_texts(tmp_path, manifest, "test")
    (tmp_path / "test_ends.npy").unlink()
    with pytest.raises(DataError, match=r"test_ends\.npy is missing; `hadaptive data .*` makes"):
        open_texts(tmp_path, manifest, "test")
    with pytest.raises(DataError, match="which is no set of sentences"):
        open_texts(tmp_path, {**manifest, "kind": "tensor"}, "test")
