"""A model prepared for training as in the authors' code, where that differs from the paper (option `as_released`).

It knows ACH, so no other training may depend on it (see `hadaptive.identity`). errata.yaml lists the differences.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hadaptive.nn.ach import AdaptiveCrossHadamard
from hadaptive.nn.temperature import Temperature

HEAD_DROPOUT = 0.3  # before the classifier, as in Hadaptive-Net
WITH_HEAD_DROPOUT = ("mobilenetv3_", "mobilenetv4_")
TRANSFORMER, TRANSFORMER_DROPOUT = "mobilevit_", 0.1


def prepare(model: nn.Module, name: str) -> None:
    """Give the model of that name in the zoo the authors' dropout, initial weights and order of updates of tau.

    MobileViT keeps its own initial weights: the authors build it in code, and start from Xavier what they build from
    their configuration files.
    """
    if name.startswith(TRANSFORMER):
        _drop_in_transformers(model)
    else:
        start(model)
    if name.startswith(WITH_HEAD_DROPOUT):
        model.drop_rate = HEAD_DROPOUT  # type: ignore[assignment]
    for module in list(model.modules()):
        if isinstance(module, AdaptiveCrossHadamard) and isinstance(module.temperature, Temperature):
            module.temperature = LateTemperature.of(module.temperature)


def start(model: nn.Module) -> None:
    """Draw the weights of convolutions and linear layers anew, Xavier normal; linear layers have biases of zero."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.xavier_normal_(module.weight)
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)


class LateTemperature(Temperature):
    """The temperature of Algorithm 1, of which a step uses the value from before its own update."""

    @classmethod
    def of(cls, other: Temperature) -> LateTemperature:
        """Return the same temperature, in the same state."""
        late = cls(other.relative_step)
        late.load_state_dict(other.state_dict())
        return late

    @torch.no_grad()
    def step(self) -> Tensor:
        """Move tau by the last gradient norm and return what it was, a scalar that later steps do not change."""
        before = self.tau.clone()
        super().step()
        return before


def _drop_in_transformers(model: nn.Module) -> None:
    """Dropout of timm's MobileViT on attention weights, and after the second linear layer of a feed-forward layer."""
    for name, module in model.named_modules():
        if name.endswith((".attn.attn_drop", ".mlp.drop2")) and not isinstance(
            getattr(model.get_submodule(name.rpartition(".")[0]), "expansion", None), AdaptiveCrossHadamard
        ):
            assert isinstance(module, nn.Dropout)
            module.p = TRANSFORMER_DROPOUT
