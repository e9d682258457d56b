"""Resize, random crop, flip and normalise a whole batch on its device, as two matrix products.

The recipe of the authors' code: resize to a square (bilinear), then a random crop of that size after zero padding, then
a horizontal flip, then per-channel normalisation. Each step is linear along rows and along columns (normalisation adds
a constant), so for image b

    x_b[c] = Y_b (u_b[c] / (255 std_c)) X_b^T - mean_c / std_c

where Y_b and X_b are rows of one zero-padded resize matrix, chosen by the crop's offset and, for X_b, reversed by the
flip. Two batched products replace a resize, a padding, a gather and a normalisation of the large image; the constant
rides along as one more column of Y. The output is channels_last at no cost.

Images that have the output's size already (decoded once, see `shards`) need no resize: Y and X then only choose pixels,
and a copy of them gives the same bits at a fraction of the cost.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def resize_matrix(size: int, source: int) -> Tensor:
    """Return the float32 matrix (size, source) that resizes an axis bilinearly (align_corners false).

    With antialiasing where the axis shrinks, as Pillow and torchvision do; where it grows that makes no difference.
    """
    eye = torch.eye(source, dtype=torch.float64)[None, None]
    return F.interpolate(eye, size=(size, source), mode="bilinear", antialias=True)[0, 0].float()


class Augment:
    """Turns uint8 batches (B, C, h, w) into normalised float32 batches (B, C, image_size, image_size).

    `mean` and `std` are those of the training pixels in [0, 1]. Zero padding is black: it precedes normalisation.
    """

    def __init__(
        self,
        source_hw: tuple[int, int],
        image_size: int,
        mean: Sequence[float],
        std: Sequence[float],
        pad: int,
        device: torch.device,
    ) -> None:
        self.image_size, self.pad = image_size, pad
        self.resizes = source_hw != (image_size, image_size)
        height, width = source_hw
        padded = (0, 0, pad, pad)
        ones = torch.ones(image_size + 2 * pad, 1)  # meets the row of t that holds the constant
        self.rows_y = torch.cat([F.pad(resize_matrix(image_size, height), padded), ones], dim=1).to(device)
        self.rows_x = F.pad(resize_matrix(image_size, width), padded).to(device)
        mean_C, std_C = torch.tensor(mean, dtype=torch.float64), torch.tensor(std, dtype=torch.float64)
        self.scale_C = (1 / (255 * std_C)).float().to(device)
        self.shift_C = (-mean_C / std_C).float().to(device)
        self.positions = torch.arange(image_size, device=device)

    @torch.no_grad()
    def __call__(self, images_BCHW: Tensor, top_B: Tensor, left_B: Tensor, flip_B: Tensor) -> Tensor:
        """Crop at row `top` and column `left` of the padded image (0 to 2 pad each), then mirror where `flip`."""
        batch, channels, height, width = images_BCHW.shape
        size = self.image_size
        across = torch.where(flip_B[:, None], size - 1 - self.positions, self.positions)
        if not self.resizes:
            return self._cropped(images_BCHW, top_B, left_B, flip_B, across)
        y_BSh = self.rows_y[self.positions + top_B[:, None]]
        x_BSw = self.rows_x[across + left_B[:, None]]
        # The pixels must not pass through half precision, whatever the training loop has switched on.
        with torch.autocast(images_BCHW.device.type, enabled=False):
            u_BwhC = images_BCHW.permute(0, 3, 2, 1) * self.scale_C
            t_BShC = torch.bmm(x_BSw, u_BwhC.reshape(batch, width, -1)).view(batch, size, height, channels)
            t_BhSC = t_BShC.new_empty(batch, height + 1, size, channels)
            t_BhSC[:, :-1] = t_BShC.permute(0, 2, 1, 3)
            t_BhSC[:, -1] = self.shift_C
            out_BSSC = torch.bmm(y_BSh, t_BhSC.view(batch, height + 1, -1)).view(batch, size, size, channels)
        return out_BSSC.permute(0, 3, 1, 2)

    def _cropped(self, images_BCHW: Tensor, top_B: Tensor, left_B: Tensor, flip_B: Tensor, across_BS: Tensor) -> Tensor:
        """Crop, mirror and normalise without a resize."""
        padded, size = F.pad(images_BCHW, [self.pad] * 4), self.image_size
        if padded.is_cuda:  # one kernel; on a CPU copying image by image takes less than half its time
            places = torch.arange(len(padded), device=padded.device)[:, None, None]
            rows, columns = (self.positions + top_B[:, None])[:, :, None], (across_BS + left_B[:, None])[:, None]
            u_BCSS = padded[places, :, rows, columns].permute(0, 3, 1, 2)
        else:
            chosen = zip(padded, top_B.tolist(), left_B.tolist(), flip_B.tolist(), strict=True)
            crops = ((image[:, top : top + size, left : left + size], flip) for image, top, left, flip in chosen)
            u_BCSS = torch.stack([crop.flip(-1) if flip else crop for crop, flip in crops])
        x_BCSS = torch.empty_like(u_BCSS, dtype=torch.float32, memory_format=torch.channels_last)
        return torch.mul(u_BCSS, self.scale_C[:, None, None], out=x_BCSS).add_(self.shift_C[:, None, None])
