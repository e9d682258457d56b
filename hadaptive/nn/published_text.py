"""BERT with an adaptive cross-Hadamard expansion as a model of transformers, registered with its Auto classes.

Every other classifier of `hadaptive.nn.text` is transformers' own BERT, which needs nothing of ours to load.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers import AutoConfig, AutoModelForSequenceClassification, PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput

from hadaptive.nn.text import TextClassifier

__all__ = ["HadaptiveBertConfig", "HadaptiveBertForSequenceClassification"]


class HadaptiveBertConfig(PreTrainedConfig):  # type: ignore[no-untyped-call]
    """What config.json holds: `text_classifier`, the arguments of `TextClassifier`, besides transformers' own keys."""

    model_type = "hadaptive_bert"

    def __init__(self, text_classifier: dict[str, Any] | None = None, **common: Any) -> None:
        super().__init__(**common)
        self.text_classifier = text_classifier or {}


class HadaptiveBertForSequenceClassification(PreTrainedModel):  # type: ignore[no-untyped-call]
    """`TextClassifier` as transformers calls it: input_ids and the two masks, int64 [B, L] -> logits [B, classes]."""

    config_class = HadaptiveBertConfig

    def __init__(self, config: HadaptiveBertConfig) -> None:
        super().__init__(config)
        self.model = TextClassifier(**config.text_classifier)
        self.post_init()  # type: ignore[no-untyped-call]

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        **_: Any,
    ) -> SequenceClassifierOutput:
        mask_BL = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        second_BL = torch.zeros_like(input_ids) if token_type_ids is None else token_type_ids
        return SequenceClassifierOutput(logits=self.model(input_ids, second_BL, mask_BL))


AutoConfig.register(HadaptiveBertConfig.model_type, HadaptiveBertConfig)
AutoModelForSequenceClassification.register(HadaptiveBertConfig, HadaptiveBertForSequenceClassification)
