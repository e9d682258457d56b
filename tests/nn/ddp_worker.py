"""One of two ranks: train a small ACH net on its own data and save the state. Arguments: rank, rendezvous, output."""

from __future__ import annotations

import sys

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from hadaptive.nn import AdaptiveCrossHadamard


def main(rank: int, rendezvous: str, output: str) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{rendezvous}", rank=rank, world_size=2)
    torch.manual_seed(rank)  # different weights: DDP broadcasts rank 0's
    layer = AdaptiveCrossHadamard(8, 3, tau_step=0.2)
    model = DistributedDataParallel(nn.Sequential(layer, nn.Flatten(), nn.Linear(11 * 9, 2)))
    optimizer = torch.optim.AdamW(model.parameters(), 0.05)
    taus = []
    for _ in range(8):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(torch.randn(4, 8, 3, 3)), torch.randint(2, (4,)))
        taus.append(layer.temperature.tau.item())
        loss.backward()
        optimizer.step()
    torch.save({"taus": taus, "parameters": dict(layer.named_parameters())}, output)
    distributed.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3])
