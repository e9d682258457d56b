"""The adaptive cross-Hadamard operator: reference, the paper's two GPU schemes, and fused kernels.

    expand(x_BCHW, idx_BK, gate_BK, activation=..., alpha=..., weight_P=..., bias_P=..., implementation="auto")
    topk_scores(x_BCHW, eca_weight, k, noise_BC)

dispatch.py checks and chooses; ops.py registers with torch.library; reference.py is the definition in plain PyTorch,
cpu.py the same in chunks that stay in cache; the Triton kernels are direct_indexing.py, parity_balanced.py,
fused_forward.py, fused_backward.py and topk.py. triton is imported when one of them first runs: all else works without.
"""

from __future__ import annotations

from .dispatch import IMPLEMENTATIONS, expand, has_triton, topk_scores
from .reference import cross_hadamard, pairs

__all__ = ["IMPLEMENTATIONS", "cross_hadamard", "expand", "has_triton", "pairs", "topk_scores"]
