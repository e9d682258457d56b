"""Batches of word pieces: as the reference tokenizer makes them, cut as it cuts them, in the promised order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import BertWordPieceTokenizer

from hadaptive.data import prepare
from hadaptive.data.grammar import GRAMMARS, load
from hadaptive.data.token_batches import keep, open_tokens
from hadaptive.data.vocabulary import SPECIAL, of_pieces


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    found = {name: tmp_path_factory.mktemp("text") / name for name in GRAMMARS}
    for name, folder in found.items():
        prepare(name, folder)
    return found


def tokenizer() -> BertWordPieceTokenizer:
    return of_pieces([*SPECIAL, "a", "b"], "").tokenizer()


@given(st.integers(1, 30), st.integers(1, 30), st.integers(8, 40))
def test_cut_as_the_reference_cuts(first: int, second: int, limit: int) -> None:
    reference = BertWordPieceTokenizer({p: n for n, p in enumerate([*SPECIAL, "a", "b"])})
    reference.enable_truncation(limit, strategy="longest_first")
    whole = reference.encode(" ".join("a" * first), " ".join("b" * second)).ids
    assert keep(np.array([[first, second]]), limit).tolist() == [[whole.count(5), whole.count(6)]]
    alone = reference.encode(" ".join("a" * first)).ids
    assert keep(np.array([[first]]), limit).tolist() == [[alone.count(5)]]


@pytest.mark.parametrize("name", list(GRAMMARS))
def test_a_batch_is_what_the_reference_makes_of_the_sentences(roots: dict[str, Path], name: str) -> None:
    batches = open_tokens(roots[name], "test", word_pieces=12, batch_size=7, train=False)
    texts = load(name)[1]
    words = sorted({word for part in load(name) for each in part.sentences for one in each for word in one.split()})
    reference = of_pieces([*SPECIAL, *words], "").tokenizer()
    reference.enable_truncation(12, strategy="longest_first")
    x, y_B = next(batches.epoch(0))
    assert y_B.tolist() == list(texts.labels[:7]) and batches.examples == len(texts.labels)
    for row, sentences in enumerate(texts.sentences[:7]):
        wanted = reference.encode(*sentences)
        length = int(x.mask_BL[row].sum())
        assert x.pieces_BL[row, :length].tolist() == wanted.ids
        assert x.second_BL[row, :length].tolist() == wanted.type_ids
        assert not x.pieces_BL[row, length:].any() and 1 not in wanted.ids, "no unknown word"


def test_an_epoch_has_every_example_once_in_an_order_of_its_own(roots: dict[str, Path]) -> None:
    train = open_tokens(roots["sentiment"], "train", word_pieces=32, batch_size=32, train=True, seed=3, examples=100)
    again = open_tokens(roots["sentiment"], "train", word_pieces=32, batch_size=32, train=True, seed=3, examples=100)
    assert train.examples == 100 and train.steps == len(list(train.epoch(1))) == 4
    rows = {
        epoch: [
            tuple(row.tolist())
            for x, _ in train.epoch(epoch)
            for row in torch.nn.functional.pad(x.pieces_BL, (0, 32))[:, :32]
        ]
        for epoch in (1, 2)
    }
    assert len(set(rows[1])) == 100 and set(rows[1]) == set(rows[2]) and rows[1] != rows[2]
    for (x, y_B), (x2, y2_B) in zip(train.epoch(2), again.epoch(2), strict=True):
        assert torch.equal(x.pieces_BL, x2.pieces_BL) and torch.equal(y_B, y2_B)
    assert sum(y_B.sum().item() for _, y_B in train.epoch(1)) == 50, "class-balanced"


def test_settings_out_of_range_are_errors(roots: dict[str, Path]) -> None:
    with pytest.raises(ValueError, match="word_pieces = 4, must be 5 or more"):
        open_tokens(roots["entailment"], "test", word_pieces=4, batch_size=4, train=False)
    with pytest.raises(ValueError, match="training needs batches of 2 or more"):
        open_tokens(roots["entailment"], "train", word_pieces=32, batch_size=1, train=True)


@pytest.mark.parametrize("name", list(GRAMMARS))
def test_a_grammar_is_the_same_every_time_and_its_test_is_unseen(name: str) -> None:
    (train, test), (same, _) = load(name), load(name)
    assert train.sentences == same.sentences and not set(train.sentences) & set(test.sentences)
    counts = np.bincount(test.labels)
    assert len(counts) == len(GRAMMARS[name][1]) and counts.max() < 1.4 * counts.min()
