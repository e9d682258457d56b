"""BERT with each feed-forward layer: widths and counts, padding that changes nothing, ACH as on images."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import pytest
import torch
from transformers.utils import is_kernels_available

from hadaptive import identity
from hadaptive.nn.ach import AdaptiveCrossHadamard
from hadaptive.nn.text import FEED_FORWARDS, TextClassifier, products, two_thirds
from hadaptive.nn.text_ach import AchIntermediate

WORDS, PAD = 20, 0


def small(feed_forward: str, **options: Any) -> TextClassifier:
    torch.manual_seed(0)
    return TextClassifier(
        "bert_6", classes=3, vocabulary=WORDS, pad=PAD, width=24, heads=2, feed_forward=feed_forward, **options
    ).double()


def batch(lengths: list[int], padded_to: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    pieces_BL = torch.full((len(lengths), padded_to), PAD)
    for row, length in enumerate(lengths):
        pieces_BL[row, :length] = torch.randint(1, WORDS, (length,), generator=generator)
    return pieces_BL, torch.zeros_like(pieces_BL), (pieces_BL != PAD).long()


@pytest.mark.parametrize(
    ("name", "feed_forward", "middle", "parameters"),
    [
        ("bert_6", "fixed", 768, 45_709_058), ("bert_6", "ach", 2043, 51_608_810),
        ("bert_6", "two_thirds", 2048, 57_513_218), ("bert_6", "bert", 3072, 66_956_546),
        ("bert_12", "bert", 3072, 109_483_778),
    ],
)  # fmt: skip
def test_widths_are_the_papers_and_bert_base_counts_as_known(
    name: str, feed_forward: str, middle: int, parameters: int
) -> None:
    with torch.device("meta"):
        net = TextClassifier(name, classes=2, vocabulary=30_522, feed_forward=feed_forward)
    assert net.middle == middle and sum(p.numel() for p in net.parameters()) == parameters
    assert products(768) == 51 and two_thirds(768) == 2048


@pytest.mark.parametrize("feed_forward", FEED_FORWARDS)
def test_padding_changes_nothing(feed_forward: str) -> None:
    """Neither at test nor in training, where batch norm takes the batch's statistics: no noise, no dropout here."""
    options = {"selection": "topk"} if feed_forward == "ach" else {}
    short, long = batch([5, 3, 7], 7), batch([5, 3, 7], 12)
    for mode in (False, True):
        results = []
        for x in (short, long):
            one = small(feed_forward, **options)
            for module in one.modules():
                if isinstance(module, torch.nn.Dropout):
                    module.p = 0.0
            one.train(mode)
            logits_BK = one(*x)
            logits_BK.square().sum().backward()
            results.append((logits_BK, [p.grad for p in one.parameters()], dict(one.named_buffers())))
        (a, grads_a, buffers_a), (b, grads_b, buffers_b) = results
        torch.testing.assert_close(a, b)
        torch.testing.assert_close(grads_a, grads_b)
        torch.testing.assert_close(buffers_a, buffers_b)


def test_without_padding_it_is_ach_on_images() -> None:
    """Word pieces as pixels of an image one wide: the same outputs, gradients and temperature from the same noise."""
    B, L, C, k = 3, 5, 12, 4
    torch.manual_seed(0)
    ours = AchIntermediate(C, k, torch.nn.Identity()).double()
    image = AdaptiveCrossHadamard(C, k, implementation="native").double()
    image.load_state_dict(ours.expansion.state_dict())
    for step in range(3):
        x_BLC = torch.randn(B, L, C, dtype=torch.float64)
        ours.of = ours.padding(torch.ones(B, L, dtype=torch.int64))
        torch.manual_seed(step)
        y_BLM = ours(x_BLC)
        torch.manual_seed(step)
        wanted_BML1 = image(x_BLC.transpose(1, 2)[..., None])
        torch.testing.assert_close(y_BLM, wanted_BML1[..., 0].transpose(1, 2))
        weight_BLM = torch.randn_like(y_BLM)
        (y_BLM * weight_BLM).sum().backward()
        (wanted_BML1[..., 0].transpose(1, 2) * weight_BLM).sum().backward()
        for (name, mine), (_, theirs) in zip(ours.expansion.named_parameters(), image.named_parameters(), strict=True):
            torch.testing.assert_close(mine.grad, theirs.grad, msg=lambda m, name=name: f"{name}: {m}")
        torch.testing.assert_close(dict(ours.expansion.named_buffers()), dict(image.named_buffers()))


def test_scores_select_for_each_example_alone() -> None:
    ours = AchIntermediate(12, 4, torch.nn.Identity()).double().eval()
    x_BLC, mask_BL = torch.randn(2, 6, 12, dtype=torch.float64), torch.tensor([[1] * 6, [1] * 3 + [0] * 3])
    ours.of = ours.padding(mask_BL)
    both = ours(x_BLC)
    assert not both[1, 3:].any(), "padding comes back as zeros"
    ours.of = ours.padding(mask_BL[1:, :3])
    torch.testing.assert_close(ours(x_BLC[1:, :3])[0], both[1, :3])


def test_bad_options_are_errors_and_plain_bert_depends_on_no_ach() -> None:
    with pytest.raises(ValueError, match="unknown feed-forward layer 'wide'; known: bert, two_thirds, fixed, ach"):
        small("wide")
    with pytest.raises(ValueError, match="heads = 5 do not divide width = 24"):
        TextClassifier("bert_6", classes=2, vocabulary=9, width=24, heads=5)
    with pytest.raises(ValueError, match="k and options of ACH are for feed_forward = 'ach'"):
        small("fixed", k=4)
    with pytest.raises(ValueError, match="not 'batchnorm'"):
        small("ach", norm="batchnorm")
    closure = identity.closure("hadaptive.train.text")
    assert "hadaptive.nn.text" in closure and not {"hadaptive.nn.ach", "hadaptive.nn.text_ach"} & set(closure)
    assert not {"hadaptive.data.glue", "hadaptive.data.grammar", "hadaptive.data.archive"} & set(closure)


def test_our_kernels_are_not_taken_for_the_package_of_that_name_that_transformers_knows() -> None:
    assert find_spec("kernels") is not None  # ours: its version, hadaptive's, is below what transformers asks for
    assert not is_kernels_available()
