"""One model of every family in Table 7, trained by the real Snakefile with the instructions that most laptops have."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from tests.workflow.conftest import Project

# the smallest of each family, in the variant of Table 7
MODELS = {
    "mobileone_s0": "base",
    "mobilenetv3_small_100": "base",
    "mobilenetv4_conv_small": "base",
    "shufflenet_v2_x1_0": "base",
    "starnet_s1": "base",
    "ghostnet_100": "base",
    "ghostnetv3_100": "base",
    "hadaptive_net_s": "dysoft",
}
# GhostNetV3 takes no image below 33 px
CONFIG = (
    f"models={','.join(MODELS)} scales='{{demo: {{seeds: [0], tasks: {{cifar100: {{recipe: "
    "{epochs: 1, image_size: 40, batch_size: 16, train_examples: 32}}}}}'"
)


def test_every_family_trains_under_avx2(fresh: Project) -> None:
    if torch.backends.cpu.get_cpu_capability() not in ("AVX2", "AVX512"):
        pytest.skip("this processor, or ATEN_CPU_CAPABILITY, has no AVX2")
    fresh.environment.update(ONEDNN_MAX_CPU_ISA="AVX2", ATEN_CPU_CAPABILITY="avx2")
    records = [f"results/demo/cifar100/{name}/{variant}/seed0/record.json" for name, variant in MODELS.items()]
    fresh.snakemake(" ".join(records), CONFIG)
    read = {path: json.loads(Path(fresh.folder / path).read_text()) for path in records}
    assert {path: record["status"] for path, record in read.items()} == dict.fromkeys(records, "done")
