"""The form a model is measured and exported in."""

from __future__ import annotations

import torch
from torch import nn

from hadaptive.nn.zoo import reparameterize


def inference_form(model: nn.Module, device: torch.device | str = "cpu") -> nn.Module:
    """Copy `model` to `device`, its branches fused where its design allows (MobileOne, GhostNetV3), in eval mode.

    Memory order is PyTorch's default (NCHW) whatever the model was trained in; `model` itself is left as it was.
    """
    # Fused where it lies and moved then: MobileOne's fusion assigns tensors, which the meta device refuses.
    return reparameterize(model).requires_grad_(False).to(device).to(memory_format=torch.contiguous_format)
