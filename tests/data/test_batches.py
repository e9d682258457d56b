from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from hadaptive.data import Batches, DataError, open_batches
from hadaptive.data.batches import batch_sizes, epoch_seed
from hadaptive.data.prepared import Arrays, write_arrays


def training(root: Path, **options: object) -> Batches:
    return open_batches(root, "train", **{"image_size": 12, "batch_size": 100, "train": True, **options})  # type: ignore[arg-type]


def whole(batches: Batches, epoch: int) -> tuple[Tensor, Tensor]:
    x, y = zip(*batches.epoch(epoch), strict=True)
    return torch.cat(x), torch.cat(y)


@pytest.fixture(scope="module")
def numbered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """41 images, each of one grey level that is its index, of 4 classes."""
    root = tmp_path_factory.mktemp("numbered")
    images = np.broadcast_to(np.arange(41, dtype=np.uint8)[:, None, None, None], (41, 3, 4, 4))
    labels = np.arange(41) % 4
    write_arrays("numbered", root, Arrays(images, labels, images[:7], labels[:7], list("abcd"), "made up"))
    return root


def indices(batches: Batches, epoch: int) -> Tensor:
    """Which image of `numbered` is where, read from the centre pixel."""
    x, _ = whole(batches, epoch)
    mean, std = batches.manifest["mean"][0], batches.manifest["std"][0]
    return ((x[:, 0, 6, 6] * std + mean) * 255).round().long()


def test_an_epoch_is_every_example_once_with_its_label(numbered: Path) -> None:
    batches = training(numbered, batch_size=8, pad=1)
    found = indices(batches, 0)
    assert sorted(found.tolist()) == list(range(41))
    assert torch.equal(found % 4, whole(batches, 0)[1])
    assert found.tolist() != sorted(found.tolist())
    assert not torch.equal(found, indices(batches, 1))


def test_an_epoch_depends_on_seed_and_epoch_only(digits_root: Path) -> None:
    first = training(digits_root, seed=3)
    whole(first, 0)
    torch.rand(5)  # the global generator has no say
    x, y = whole(first, 1)
    x_again, y_again = whole(training(digits_root, seed=3), 1)
    assert torch.equal(x, x_again)
    assert torch.equal(y, y_again)
    assert not torch.equal(y, whole(training(digits_root, seed=4), 1)[1])
    state = torch.get_rng_state()
    whole(first, 2)
    assert torch.equal(state, torch.get_rng_state())


def test_neighbouring_seeds_share_no_epoch() -> None:
    seeds = {epoch_seed(seed, epoch) for seed in range(20) for epoch in range(20)}
    assert len(seeds) == 400
    assert max(seeds) < 2**63


def test_crops_and_flips_are_even(digits_root: Path) -> None:
    """One bright dot tells where the crop began and whether it was mirrored."""
    batches = training(digits_root, image_size=8, pad=2, batch_size=1437)
    dot = torch.zeros_like(batches.source.images)  # type: ignore[attr-defined]
    dot[:, :, 3, 2] = 255
    batches.source.images = dot  # type: ignore[attr-defined]
    x, _ = whole(batches, 0)
    place = x[:, 0].flatten(1).argmax(1)
    row, column = place // 8, place % 8
    # offset 0..4 puts row 3 at 5..1; column 2 at 4..0, mirrored at 3..7: 3 and 4 come from both
    assert torch.bincount(row, minlength=8)[1:6].min() > 1437 / 5 * 0.8
    assert set(row.tolist()) == {1, 2, 3, 4, 5}
    by_column = torch.bincount(column, minlength=8) / 1437
    torch.testing.assert_close(by_column, torch.tensor([1, 1, 1, 2, 2, 1, 1, 1]) / 10, atol=0.03, rtol=0)
    unmirrored = training(digits_root, image_size=8, pad=0, flip=False)
    unmirrored.source.images = dot  # type: ignore[attr-defined]
    assert set(whole(unmirrored, 0)[0][:, 0].flatten(1).argmax(1).tolist()) == {3 * 8 + 2}


def test_evaluation_is_all_examples_in_order_and_unchanged(numbered: Path) -> None:
    batches = open_batches(numbered, "test", image_size=12, batch_size=3, train=False)
    assert (batches.examples, batches.steps, batches.num_classes) == (7, 3, 4)
    assert indices(batches, 0).tolist() == list(range(7))
    assert torch.equal(whole(batches, 0)[0], whole(batches, 5)[0])
    assert [len(y) for _, y in batches.epoch(0)] == [3, 3, 1]


@pytest.mark.parametrize(("batch_size", "sizes"), [(8, [8, 8, 8, 8, 9]), (10, [10, 10, 10, 11]), (16, [16, 16, 9])])
def test_training_keeps_all_examples_and_no_batch_of_one(numbered: Path, batch_size: int, sizes: list[int]) -> None:
    batches = training(numbered, batch_size=batch_size)
    assert [len(y) for _, y in batches.epoch(0)] == sizes
    assert batches.steps == len(sizes)


def test_batch_sizes_add_up() -> None:
    for examples in range(2, 40):
        for batch_size in range(2, 12):
            for avoid_one in (False, True):
                sizes = batch_sizes(examples, batch_size, avoid_one=avoid_one)
                assert sum(sizes) == examples
                assert max(sizes) <= batch_size + avoid_one
                assert min(sizes) > avoid_one or not avoid_one


def test_a_subset_is_balanced_and_the_same_for_all_seeds(numbered: Path) -> None:
    chosen = [sorted(indices(training(numbered, examples=12, seed=seed), 0).tolist()) for seed in (0, 1)]
    assert chosen[0] == chosen[1]
    assert np.bincount(np.array(chosen[0]) % 4).tolist() == [3, 3, 3, 3]
    assert training(numbered, examples=12).examples == 12


def test_memory_format_and_normalisation(digits_root: Path) -> None:
    x, _ = whole(training(digits_root, image_size=8, pad=0, memory_format=torch.contiguous_format), 0)
    assert x.is_contiguous()
    torch.testing.assert_close(x.mean((0, 2, 3)), torch.zeros(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(x.std((0, 2, 3)), torch.ones(3), atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 1}, "batches of 2 or more"),
        ({"batch_size": 0}, "batch_size = 0"),
        ({"examples": 1}, "batches of 2 or more"),
        ({"examples": 99}, "examples = 99, but the split has 41"),
        ({"pad": -1}, "pad = -1"),
        ({"image_size": 0}, "image_size = 0"),
    ],
)
def test_settings_out_of_range(numbered: Path, options: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        training(numbered, **options)
    with pytest.raises(ValueError, match="split 'val'"):
        open_batches(numbered, "val", image_size=8, batch_size=4, train=False)  # type: ignore[arg-type]


def test_a_set_not_prepared_or_damaged_since(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no prepared data set"):
        training(tmp_path)
    images, labels = np.arange(192, dtype=np.uint8).reshape(4, 3, 4, 4), np.arange(4) % 2
    write_arrays("small", tmp_path, Arrays(images, labels, images, labels, ["a", "b"], "made up"))
    file = tmp_path / "train_images.npy"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(
        DataError, match=r"train_images.npy has 319 bytes, expected 320; `hadaptive data .*` makes the data again"
    ):
        training(tmp_path)
    file.unlink()
    with pytest.raises(DataError, match=r"train_images.npy is missing"):
        training(tmp_path)
    manifest = tmp_path / "manifest.json"
    manifest.write_text(json.dumps({"schema": 99}))
    with pytest.raises(DataError, match="another schema"):
        training(tmp_path)
    manifest.write_text("{")
    with pytest.raises(DataError, match="unreadable"):
        training(tmp_path)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_cuda(digits_root: Path) -> None:
    on_gpu, on_cpu = (
        open_batches(digits_root, "test", image_size=12, batch_size=100, device=device, train=False)
        for device in ("cuda", "cpu")
    )
    torch.testing.assert_close(whole(on_gpu, 0)[0].cpu(), whole(on_cpu, 0)[0], atol=1e-5, rtol=0)
    batches = training(digits_root, device="cuda")
    assert torch.equal(whole(batches, 1)[0], whole(batches, 1)[0])
    assert whole(batches, 1)[0].is_cuda
