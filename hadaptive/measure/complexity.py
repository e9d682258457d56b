"""Parameters and operations of a model in each of the field's conventions, counted without computing (meta device).

| key                    | counts                                                                                   |
|------------------------|------------------------------------------------------------------------------------------|
| `parameters`           | trainable parameters of the training form                                                |
| `parameters_inference` | parameters of the inference form: branches fused, batch norm kept                        |
| `macs`                 | multiply-accumulates of convolutions, linear layers, matrix products: Table 7's "FLOPs"  |
| `macs_training_form`   | the same before branches are fused                                                       |
| `hadamard_products`    | multiplications of cross-Hadamard products: k(k-1)/2 * H * W each (eq. 2)                |
| `macs_with_hadamard`   | `macs` + `hadamard_products`                                                             |
| `flops`                | 2 * `macs` + `hadamard_products`                                                         |
| `flops_all`            | 2 * `macs` + every other floating-point operation, see below                             |
| `macs_thop`            | as the counter thop, for the training form, see below; half of Tables 5, 8 and v1 5      |
| `macs_thop_attention`  | the same with the matrix products of attention, which thop does not see                  |

All are of one image in eval mode and, but for those of the training form, of the inference form. Biases are not counted
in multiply-accumulates, as in every counter the field uses.

`flops_all` adds one operation per output element of each elementwise operation (activation, product, sum, ...; the
Hadamard products and their normalizer are among them), two per element of a normalisation with stored statistics
(scale, shift), seven per element of one that computes its own (layer and group norm), one per input element of a
pooling or mean, three per element of a softmax. Top-k, indexing, concatenation and copies compute nothing.

`macs_thop` is `macs_training_form` without products of two activations (attention's Q K' and A V: no module does them,
and thop counts modules), plus four per element of a normalisation and one per input and output element of an adaptive
pooling. Activation functions and elementwise products, the Hadamard products and their normalizer included, count
nothing there. Twice this number is what Tables 5 and 8 and the first version call FLOPs, to the million, cut off
(tests/measure holds it to Table 5). thop knows a normalisation by its exact class, PyTorch's own; it passes over those
of timm that have an activation in them (`BatchNormAct2d`), which are counted here: the authors' models have PyTorch's.
"""

from __future__ import annotations

import copy
from collections import Counter
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from hadaptive.measure.inference import inference_form
from hadaptive.nn.ach import AdaptiveCrossHadamard

_aten = torch.ops.aten
_STORED_NORMS = {_aten.native_batch_norm, _aten._native_batch_norm_legit_no_training, _aten.cudnn_batch_norm}
_OWN_NORMS = {_aten.native_layer_norm, _aten.native_group_norm}
_POOLS = {_aten.mean, _aten.avg_pool2d, _aten.max_pool2d_with_indices}
_ADAPTIVE_POOLS = {_aten._adaptive_avg_pool2d, _aten.adaptive_max_pool2d}
_PRODUCTS = {_aten.bmm, _aten.baddbmm}  # of two activations; linear layers are mm and addmm
_ELEMENTWISE_WITHOUT_TAG = {_aten.hardswish, _aten.hardswish_}


class _Count(TorchDispatchMode):
    """Sorts what PyTorch executes by what it costs, from shapes alone."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.of: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        packet = func.overloadpacket
        if packet in flop_registry:  # torch's own formulas: two operations per multiply-accumulate
            macs = flop_registry[packet](*args, **kwargs, out_val=out) // 2
            self.of["macs"] += macs
            self.of["attention"] += macs if packet in _PRODUCTS else 0
        elif packet in _STORED_NORMS | _OWN_NORMS:
            self.of["stored_norm" if packet in _STORED_NORMS else "own_norm"] += out[0].numel()
        elif packet in _ADAPTIVE_POOLS or (packet is _aten.mean and args[0].ndim == 4 and out.shape[-2:] == (1, 1)):
            # PyTorch rewrites AdaptiveAvgPool2d(1) as a mean that keeps its dimensions
            self.of["adaptive_pool_in"] += args[0].numel()
            self.of["adaptive_pool_out"] += (out[0] if isinstance(out, tuple) else out).numel()
        elif packet in _POOLS:
            self.of["pool_in"] += args[0].numel()
        elif packet is _aten._softmax:
            self.of["softmax"] += out.numel()
        elif packet in _ELEMENTWISE_WITHOUT_TAG or (torch.Tag.pointwise in func.tags and packet is not _aten.clone):
            self.of["elementwise"] += out.numel() if isinstance(out, Tensor) and out.is_floating_point() else 0
        return out


def _count(model: nn.Module, image_size: int) -> Counter[str]:
    """Count operations of one forward pass of `model`, which lies on the meta device in eval mode."""
    count = _Count()

    def count_products(module: Any, inputs: tuple[Tensor, ...], _: Tensor) -> None:
        pixels = inputs[0].numel() // inputs[0].shape[1]
        count.of["hadamard"] += module.k * (module.k - 1) // 2 * pixels

    for part in model.modules():
        if isinstance(part, AdaptiveCrossHadamard):
            part.register_forward_hook(count_products)
    # The explicit form of attention is the one whose matrix products every version of PyTorch can count.
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), count:
        model(torch.empty(1, 3, image_size, image_size, device="meta"))
    return count.of


def complexity(model: nn.Module, image_size: int = 224) -> dict[str, int]:
    """Count what `model` costs for one image of `image_size` pixels squared; this file's first lines define the keys.

    `model` is any module that takes [1, 3, H, W]; it is copied, not changed. Raises what it raises for such an image:
    Hadaptive-Net a ValueError where the image is too small.
    """
    training = copy.deepcopy(model).to("meta").eval()
    inference = inference_form(model, "meta")
    built, used = _count(training, image_size), _count(inference, image_size)
    others = (
        used["elementwise"]
        + 2 * used["stored_norm"]
        + 7 * used["own_norm"]
        + used["pool_in"]
        + used["adaptive_pool_in"]
        + 3 * used["softmax"]
    )
    thop = 4 * (built["stored_norm"] + built["own_norm"]) + built["adaptive_pool_in"] + built["adaptive_pool_out"]
    return {
        "parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
        "parameters_inference": sum(p.numel() for p in inference.parameters()),
        "macs": used["macs"],
        "macs_training_form": built["macs"],
        "hadamard_products": used["hadamard"],
        "macs_with_hadamard": used["macs"] + used["hadamard"],
        "flops": 2 * used["macs"] + used["hadamard"],
        "flops_all": 2 * used["macs"] + others,
        "macs_thop": built["macs"] - built["attention"] + thop,
        "macs_thop_attention": built["macs"] + thop,
    }
