"""The adaptive cross-Hadamard expansion over the channels of sentences, in the place of BERT's first inner layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import kernels
from hadaptive.nn.ach import AdaptiveCrossHadamard
from hadaptive.nn.norms import DYNAMIC

NORMS = (*(norm.name for norm in DYNAMIC), "none")


@dataclass(frozen=True)
class Padding:
    """Which positions of a batch hold word pieces: N of them, of B sentences of at most L."""

    shape_BL: tuple[int, int]
    position_N: Tensor  # in the flattened B * L
    sentence_N: Tensor
    mean_BN: Tensor  # times channels [N, C]: the mean over each sentence's own word pieces


class AchIntermediate(nn.Module):
    """ACH -> activation in the place of BERT's linear layer -> activation: [B, L, C] -> [B, L, C + k(k-1)/2].

    The paper has no word on sentences, so this is decided here. Word pieces are what pixels are in an image:

    - the mixing is a linear layer C -> C on every word piece (the 1x1 convolution);
    - batch norm is over all word pieces of the batch;
    - a channel's score (ECA, eq. 3) comes from its mean over the sentence, and each example selects its own k channels
      for all its word pieces (a pair of sentences is one example);
    - products of the selected channels, DySoft (eq. 11) and the appending are word piece by word piece.

    Padding is taken out first and put back as zeros: it enters neither the statistics of batch norm nor the means, so
    how long the batch is changes nothing. `of` must hold the `Padding` of the batch before every call; `TextClassifier`
    sees to it.

    Options are those of AdaptiveCrossHadamard, save norms whose statistics are of images. Raises ValueError.
    """

    def __init__(self, channels: int, k: int, act: nn.Module, **ach: Any) -> None:
        super().__init__()
        if (norm := ach.get("norm", "dysoft")) not in NORMS or ach.get("product_of", "normalised") != "normalised":
            raise ValueError(
                f"ACH on sentences takes the norms {', '.join(NORMS)} of normalised channels, not {norm!r}"
            )
        self.expansion = AdaptiveCrossHadamard(channels, k, **ach)
        self.act = act
        self.of: Padding | None = None

    @staticmethod
    def padding(mask_BL: Tensor) -> Padding:
        """Return the padding of a batch, from its mask (1 where there is a word piece)."""
        B, L = mask_BL.shape
        position_N = mask_BL.reshape(-1).nonzero()[:, 0]
        sentence_N = position_N // L
        own_BN = (torch.arange(B, device=mask_BL.device)[:, None] == sentence_N).float()
        return Padding((B, L), position_N, sentence_N, own_BN / own_BN.sum(1, keepdim=True))

    def forward(self, x_BLC: Tensor) -> Tensor:
        of = self.of
        assert of is not None and of.shape_BL == x_BLC.shape[:2], "the padding is another batch's"
        y_NM = self.act(self.expand(x_BLC.flatten(0, 1)[of.position_N], of))
        y_M = y_NM.new_zeros(of.shape_BL[0] * of.shape_BL[1], y_NM.shape[1])
        filled_M: Tensor = y_M.index_copy(0, of.position_N, y_NM)
        return filled_M.view(*of.shape_BL, -1)

    def expand(self, x_NC: Tensor, of: Padding) -> Tensor:
        """Return the expansion of word pieces [N, C] -> [N, C + k(k-1)/2]."""
        ach = self.expansion
        if isinstance(ach.pointwise, nn.Conv2d):
            x_NC = F.linear(x_NC, ach.pointwise.weight[:, :, 0, 0], ach.pointwise.bias)
        x_NC = ach.bn(x_NC[:, :, None, None])[:, :, 0, 0]
        mean_BC = of.mean_BN.to(x_NC.dtype) @ x_NC  # no atomic additions: the same bits every time, on a GPU too
        index_Bk, gate_Bk = ach.select(mean_BC[:, :, None, None])
        z_NK = x_NC.gather(1, index_Bk[of.sentence_N])
        if gate_Bk is not None:
            z_NK = z_NK * gate_Bk.to(z_NK.dtype)[of.sentence_N]
        return torch.cat((x_NC, ach.norm(kernels.cross_hadamard(z_NK))), 1)
