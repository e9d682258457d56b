"""BERT for classification, from random weights, with one of four feed-forward layers (appendix A.6, Table 13)."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from transformers.models.bert import BertConfig, BertForSequenceClassification

LAYERS = {"bert_6": 6, "bert_12": 12}
FEED_FORWARDS = ("bert", "two_thirds", "fixed", "ach")
MIDDLE_PER_WIDTH = 4  # BERT: 768 -> 3072 -> 768


def two_thirds(width: int) -> int:
    """Two thirds of BERT's inner width: 2048 where the model is 768 wide, which is what Table 13 prints for the FFN."""
    return round(MIDDLE_PER_WIDTH * width * 2 / 3)


def products(width: int) -> int:
    """Return the most channels k whose products and channels fit into `two_thirds`: 51 for 768 (2043)."""
    k = 2
    while width + (k + 1) * k // 2 <= two_thirds(width):
        k += 1
    return k


class TextClassifier(nn.Module):
    """transformers' BertForSequenceClassification, with what its feed-forward layers must know of padding.

    Args:
        name: "bert_6" or "bert_12".
        feed_forward: "bert", width -> 4 width -> width, as it is (3072 at 768); "two_thirds", with two thirds of that
            between (2048); "fixed", width -> width -> width; "ach", the first of its two layers an adaptive
            cross-Hadamard expansion over channels, width -> width + k(k-1)/2 (2043 at 768), see `text_ach`.
        width: channels; heads: of attention, which divide them; 768 and 12 in BERT-base.
        k: channels that are multiplied; None for `products(width)`, 51 at 768.
        ach: options of the expansion.

    Everything else is BERT-base's: GELU, dropout 0.1, 512 positions, weights drawn from N(0, 0.02^2).

    (pieces, second, mask, all int64 [B, L]) -> logits [B, classes]. Padded positions change nothing.
    Raises: ValueError for unknown names and heads that do not divide the width.
    """

    def __init__(
        self,
        name: str,
        *,
        classes: int,
        vocabulary: int,
        pad: int = 0,
        feed_forward: str = "bert",
        width: int = 768,
        heads: int = 12,
        k: int | None = None,
        **ach: Any,
    ) -> None:
        super().__init__()
        for what, one, known in (("net", name, tuple(LAYERS)), ("feed-forward layer", feed_forward, FEED_FORWARDS)):
            if one not in known:
                raise ValueError(f"unknown {what} {one!r}; known: {', '.join(known)}")
        if width % heads:
            raise ValueError(f"heads = {heads} do not divide width = {width}; choose heads that do")
        if feed_forward != "ach" and (k is not None or ach):
            raise ValueError(f"k and options of ACH are for feed_forward = 'ach', not {feed_forward!r}")
        k = products(width) if k is None else k
        self.middle = {
            "bert": MIDDLE_PER_WIDTH * width,
            "two_thirds": two_thirds(width),
            "fixed": width,
            "ach": width + k * (k - 1) // 2,
        }[feed_forward]
        self.width = width
        self.bert = BertForSequenceClassification(
            BertConfig(
                vocab_size=vocabulary,
                hidden_size=width,
                num_hidden_layers=LAYERS[name],
                num_attention_heads=heads,
                intermediate_size=self.middle,
                num_labels=classes,
                pad_token_id=pad,
            )  # type: ignore[call-arg]
        )
        self.layers: list[Any] = []
        if feed_forward == "ach":
            from hadaptive.nn.text_ach import AchIntermediate

            layers: Any = self.bert.bert.encoder.layer
            for layer in layers:
                layer.intermediate = AchIntermediate(width, k, layer.intermediate.intermediate_act_fn, **ach)
                self.layers.append(layer.intermediate)

    def forward(self, pieces_BL: Tensor, second_BL: Tensor, mask_BL: Tensor) -> Tensor:
        if self.layers:
            padding = self.layers[0].padding(mask_BL)
            for layer in self.layers:
                layer.of = padding
        logits_BK: Tensor = self.bert(input_ids=pieces_BL, token_type_ids=second_BL, attention_mask=mask_BL).logits
        return logits_BK
