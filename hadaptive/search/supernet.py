"""A model whose layers choose among candidates, one path at a time (GDAS; Dong & Yang, 2019)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from hadaptive.nn.ach import gumbel_like
from hadaptive.nn.found import as_row
from hadaptive.nn.hadaptive_net import HadaptiveNet, build_row, initialise
from hadaptive.nn.onednn import cured
from hadaptive.space import Space

START = 1e-3  # deviation of the architecture parameters at the start, as in GDAS


class Path(NamedTuple):
    """A candidate's place for every layer, and where gradients to the architecture are wanted a gate for each [L]."""

    places: Sequence[int]
    gates_L: Tensor | None = None


class SuperNet(HadaptiveNet):
    """Hadaptive-Net of a search space: [B, 3, H, W] -> [B, num_classes] through one candidate per layer.

    `logits_LC` are the architecture parameters: a row per layer, a column per candidate in `choose`'s order; columns
    that a layer does not have take no part. Their softmax is the confidence. The other candidates of a layer are never
    run, so that a step costs the memory and the time of one path. `start` is the deviation of the architecture
    parameters at the start.
    """

    present_LC: Tensor

    def __init__(self, space: Space, num_classes: int, start: float = START) -> None:
        solid = [next(n for n in layer.choose if space.candidates[n].op != "blank") for layer in space.layers]
        super().__init__(tuple(as_row(space.row(n, name)) for n, name in enumerate(solid)), "search", num_classes)
        del self.features
        self.space = space
        widths = space.widths()
        self.layers = nn.ModuleList(
            nn.ModuleList(_module(space, number, name, width) for name in layer.choose)
            for number, (layer, width) in enumerate(zip(space.layers, widths, strict=True))
        )
        initialise(self)
        counts = torch.tensor([len(layer.choose) for layer in space.layers])
        present_LC = torch.arange(int(counts.max())) < counts[:, None]
        self.register_buffer("present_LC", present_LC, persistent=False)
        self.logits_LC = nn.Parameter(start * torch.randn(present_LC.shape) * present_LC)
        cured(self)

    def weights(self) -> list[nn.Parameter]:
        """Return all parameters but those of the architecture."""
        return [parameter for parameter in self.parameters() if parameter is not self.logits_LC]

    def sample(self, tau: float, *, gated: bool) -> Path:
        """Return a path by hard Gumbel-softmax: of every layer the candidate of highest logit + noise.

        `gated`: each chosen candidate's output is to be multiplied by a gate of value 1 that carries the gradient of
        its probability, softmax((logits + noise) / tau). Weights need none: the gate does not change them.
        """
        perturbed_LC = (self.logits_LC + gumbel_like(self.logits_LC)).masked_fill(~self.present_LC, -torch.inf)
        place_L = perturbed_LC.detach().argmax(1)
        if not gated:
            return Path(place_L.tolist())
        p_L = (perturbed_LC / tau).softmax(1).gather(1, place_L[:, None])[:, 0]
        return Path(place_L.tolist(), 1 + (p_L - p_L.detach()))

    def preferred(self) -> Path:
        """Return the path of highest confidence."""
        return Path(self._confidences_LC().argmax(1).tolist())

    def confidences(self) -> dict[str, dict[str, float]]:
        """Return the percent by searched layer and candidate."""
        found_LC = (100 * self._confidences_LC()).tolist()
        return {
            str(number): dict(zip(self.space.layers[number].choose, found_LC[number], strict=False))
            for number in self.space.searched()
        }

    def _confidences_LC(self) -> Tensor:
        # float64: a confidence far below 0.01% is still a number
        return self.logits_LC.detach().double().masked_fill(~self.present_LC, -torch.inf).softmax(1)

    def forward(self, x_BCHW: Tensor, path: Path | None = None) -> Tensor:
        """Logits along `path`, or along the preferred one."""
        places, gates_L = path or self.preferred()
        for number, (candidates, place) in enumerate(zip(self.layers, places, strict=True)):
            assert isinstance(candidates, nn.ModuleList)
            x_BCHW = candidates[place](x_BCHW)
            if gates_L is not None and len(candidates) > 1:
                x_BCHW = x_BCHW * gates_L[number].to(x_BCHW.dtype)
        return self.forward_head(x_BCHW)


def _module(space: Space, number: int, name: str, width: int) -> nn.Module:
    row = space.row(number, name)
    return nn.Identity() if row["op"] == "blank" else build_row(as_row(row), width)
