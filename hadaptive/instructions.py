"""The instruction sets that PyTorch and oneDNN use on this processor: results differ between them by rounding.

Imports no torch: only a process that has loaded it computes with it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

# oneDNN's names, each with the flags of /proc/cpuinfo that it takes, beside those of the sets before it
# https://uxlfoundation.github.io/oneDNN/dev_guide_cpu_dispatcher_control.html
AVX512 = ("avx512f", "avx512bw", "avx512vl", "avx512dq")
ONEDNN = {
    "SSE41": ("sse4_1",),
    "AVX": ("avx",),
    "AVX2": ("avx2",),
    "AVX2_VNNI": ("avx_vnni",),
    "AVX2_VNNI_2": ("avx_vnni", "avx_vnni_int8", "avx_ne_convert"),
    "AVX512_CORE": AVX512,
    "AVX512_CORE_VNNI": (*AVX512, "avx512_vnni"),
    "AVX512_CORE_BF16": (*AVX512, "avx512_vnni", "avx512_bf16"),
    "AVX512_CORE_FP16": (*AVX512, "avx512_vnni", "avx512_bf16", "avx512_fp16"),
    "AVX512_CORE_AMX": (*AVX512, "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_tile", "amx_int8", "amx_bf16"),
    "AVX512_CORE_AMX_FP16": (*AVX512, "avx512_fp16", "amx_tile", "amx_int8", "amx_bf16", "amx_fp16"),
}
LIMITS = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")  # the newer name and the older one


def instruction_sets() -> dict[str, str] | None:
    """Return the sets by library, for example {"pytorch": "AVX2", "onednn": "AVX2"}; None where torch is not loaded.

    PyTorch reports its own. oneDNN reports none: its set is computed from the processor's flags and from the variables
    that limit it, and is left out where the system lists no flags of x86.
    """
    torch = sys.modules.get("torch")
    if torch is None:
        return None
    name = onednn(_flags(), os.environ)
    return {"pytorch": torch.backends.cpu.get_cpu_capability(), **({"onednn": name} if name else {})}


def onednn(flags: frozenset[str], environment: Mapping[str, str]) -> str | None:
    """Return the highest of oneDNN's instruction sets that processor and environment admit; None without one."""
    limit = next((environment[name].upper() for name in LIMITS if name in environment), "")
    names = list(ONEDNN)
    admitted = names[: names.index(limit) + 1] if limit in names else names  # oneDNN ignores a name it does not know
    return next((name for name in reversed(admitted) if flags.issuperset(ONEDNN[name])), None)


def _flags() -> frozenset[str]:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return frozenset()
    return next((frozenset(line.partition(":")[2].split()) for line in lines if line.startswith("flags")), frozenset())
