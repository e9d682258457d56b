"""What a record says of the processor's instruction sets."""

from __future__ import annotations

import pytest
import torch

from hadaptive import records
from hadaptive.instructions import AVX512, onednn

ZEN3 = frozenset({"sse4_1", "avx", "avx2", "fma"})
SKYLAKE = ZEN3 | set(AVX512)


@pytest.mark.parametrize(
    ("flags", "limits", "name"),
    [
        (ZEN3, {}, "AVX2"),
        (ZEN3, {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE"}, "AVX2"),
        (SKYLAKE, {}, "AVX512_CORE"),
        (SKYLAKE | {"avx512_vnni", "avx512_bf16"}, {}, "AVX512_CORE_BF16"),
        (SKYLAKE, {"ONEDNN_MAX_CPU_ISA": "avx2"}, "AVX2"),
        (SKYLAKE, {"DNNL_MAX_CPU_ISA": "SSE41"}, "SSE41"),
        (SKYLAKE, {"ONEDNN_MAX_CPU_ISA": "DEFAULT", "DNNL_MAX_CPU_ISA": "SSE41"}, "AVX512_CORE"),
        (frozenset({"asimd"}), {}, None),
    ],
)
def test_onednn_takes_the_highest_that_is_there_and_admitted(
    flags: frozenset[str], limits: dict[str, str], name: str | None
) -> None:
    assert onednn(flags, limits) == name


def test_a_record_names_them_where_torch_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    assert records.environment()["instruction_sets"]["pytorch"] == "AVX2"
    monkeypatch.delitem(records.sys.modules, "torch")
    assert "instruction_sets" not in records.environment()
