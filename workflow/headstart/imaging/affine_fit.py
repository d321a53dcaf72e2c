"""A brain brought onto the template's by twelve numbers: turn, shift, sizes and shears.

The likeness is the squared local correlation, which asks for no contrast of its own (as that of
Avants et al. 2008, https://doi.org/10.1016/j.media.2007.06.004), and is climbed by Adam (Kingma and
Ba 2015, https://arxiv.org/abs/1412.6980) on voxels of 8 mm, then of 4 mm.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from headstart.imaging.geometry import Affine
from headstart.imaging.geometry import Array
from headstart.imaging.geometry import Grid
from headstart.imaging.geometry import Mask
from headstart.imaging.geometry import centroid
from headstart.imaging.geometry import cut
from headstart.imaging.geometry import extent
from headstart.imaging.geometry import interpolate
from headstart.imaging.head_box import with_margin
from headstart.imaging.one_thread import one_thread
from headstart.imaging.template import template

if TYPE_CHECKING:
    from torch import Tensor

LEVELS = {8.0: 0.03, 4.0: 0.02}  # mm, and the rate at which learning begins
STEPS = 60  # of each level
REACH = 50.0  # mm that a translation of 1 means, beside turns in radians
FAINT = 1e-5  # product of two variances: where nothing differs, nothing is alike
BRIGHT = (98, 1.3)  # percentile of the brain that becomes 1, and where intensities are clipped


@dataclass(frozen=True)
class Fit:
    """Where a brain lies beside the template's.

    Attributes:
        matrix: 4x4, from the template's mm to the scan's.
        correlation: Mean squared local correlation within the template's brain, 0 to 1.
        overlap: Dice of the two brains.
    """

    matrix: Affine
    correlation: float
    overlap: float

    @property
    def rigid(self) -> Affine:
        """The turn and shift alone, 4x4: sizes stay, and the middles of the brains agree."""
        return _about(_turn(self.matrix), _middle(), self.moved_middle)

    @property
    def moved_middle(self) -> NDArray[np.float64]:
        """Where the middle of the template's brain lies in the scan, mm."""
        return self.matrix[:3, :3] @ _middle() + self.matrix[:3, 3]

    @property
    def translation(self) -> float:
        """How far that is from where it lies in the template, mm."""
        return float(np.linalg.norm(self.moved_middle - _middle()))

    @property
    def rotation(self) -> float:
        """By how many degrees the head is turned."""
        cosine = (np.trace(_turn(self.matrix)) - 1) / 2
        return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))


def fit_to_template(array: Array, grid: Grid, brain: Mask) -> Fit:
    """Bring a brain onto the template's.

    The same bytes come out on any number of threads; one is used, which costs the least.

    Args:
        array: Intensities (x, y, z).
        grid: Where its voxels lie.
        brain: Its brain; at least one voxel.
    """
    import torch

    box = with_margin(extent(brain), brain.shape, grid.voxel_size.tolist())
    array, brain, grid = cut(array, box, 0), cut(brain, box, 0), grid.cropped(box)
    bright = max(float(np.percentile(array[brain > 0], BRIGHT[0])), 1e-6)
    seen = np.where(brain > 0, np.clip(array / bright, 0, BRIGHT[1]), 0)
    middle = centroid(brain, grid)
    average, own = template()
    ours = np.count_nonzero(brain) * grid.voxel_ml
    size = np.cbrt(ours / (np.count_nonzero(average) * own.voxel_ml))
    with one_thread():
        pose = torch.zeros(12)
        pose[6:9] = float(np.log(size))
        for edge, rate in LEVELS.items():
            level = _Level(*_coarse(seen.astype(np.float32), grid, edge), edge, middle)
            pose = level.climbed(pose, rate)
        with torch.no_grad():
            correlation = float(level.likeness(pose))
            matrix = _about(level.linear(pose).double().numpy(), _middle(), middle)
            matrix[:3, 3] += REACH * pose[3:6].double().numpy()
        overlap = _overlap(brain, grid, matrix)
    return Fit(matrix, correlation, overlap)


class _Level:
    """The template and the scan, in voxels of one size."""

    def __init__(
        self, scan: Array, affine: Affine, edge: float, middle: NDArray[np.float64]
    ) -> None:
        import torch
        from torch.nn.functional import max_pool3d

        array, own = _coarse(*template(), edge)
        self.scan, self.template = (torch.from_numpy(one)[None] for one in (scan, array))
        self.weights = max_pool3d((self.template > 0).float(), 3, 1, 1)[0]
        self.mean = _box_means(self.template)
        self.variance = _box_means(self.template**2) - self.mean**2
        places = np.indices(array.shape).reshape(3, -1)
        away = own[:3, :3] @ places + (own[:3, 3] - _middle())[:, None]
        self.places = torch.from_numpy(away.T.astype(np.float32))
        # from mm about the scan's middle to -1 and 1 at the middles of its outer voxels; the last
        # axis first, as torch has it
        to_voxel = np.linalg.inv(affine)
        scale = 2 / np.maximum(np.array(scan.shape) - 1, 1)
        turn = (scale[:, None] * to_voxel[:3, :3])[::-1]
        start = (scale * (to_voxel[:3, :3] @ middle + to_voxel[:3, 3]) - 1)[::-1]
        self.turn, self.start = (torch.from_numpy(one.astype(np.float32)) for one in (turn, start))

    def climbed(self, pose: Tensor, rate: float) -> Tensor:
        """Climb from a pose; 12 numbers: turn, shift, logarithms of sizes, shears."""
        import torch

        pose = pose.clone().requires_grad_()
        adam = torch.optim.Adam([pose], lr=rate)
        for step in range(STEPS):
            adam.param_groups[0]["lr"] = rate * (1 - step / STEPS)
            adam.zero_grad()
            (-self.likeness(pose)).backward()
            adam.step()
        return pose.detach()

    def linear(self, pose: Tensor) -> Tensor:
        """The pose's matrix (3, 3): shears, then sizes, then the turn."""
        import torch

        x, y, z = pose[:3]
        none = torch.zeros(())
        spin = torch.stack([none, -z, y, z, none, -x, -y, x, none]).reshape(3, 3)
        a, b, c = pose[9:]
        one = torch.ones(())
        shears = torch.stack([one, a, b, none, one, c, none, none, one]).reshape(3, 3)
        return torch.linalg.matrix_exp(spin) @ torch.diag(pose[6:9].exp()) @ shears

    def likeness(self, pose: Tensor) -> Tensor:
        """Mean squared local correlation over boxes of 3 x 3 x 3 voxels in the template's brain."""
        import torch
        from torch.nn.functional import grid_sample

        at = self.places @ (self.turn @ self.linear(pose)).T
        at = at + self.start + self.turn @ (REACH * pose[3:6])
        shape = self.template.shape[1:]
        values = grid_sample(self.scan[None], at.reshape(1, *shape, 3), align_corners=True)[0]
        products = torch.cat([values, values**2, values * self.template])
        mean, squared, product = _box_means(products)
        shared = (product - mean * self.mean) ** 2
        spread = (squared - mean**2).clamp(min=0) * self.variance.clamp(min=0)
        return (self.weights * shared / (spread + FAINT)).sum() / self.weights.sum()


def _box_means(volumes: Tensor) -> Tensor:
    """Average over boxes of 3 x 3 x 3 voxels, with zeros beyond the edges; (n, x, y, z).

    Axis by axis, which takes a sixth of what `avg_pool3d` takes.
    """
    from torch.nn.functional import pad

    for axis in (1, 2, 3):
        length = volumes.shape[axis]
        padded = pad(volumes, [0, 0] * (3 - axis) + [1, 1])
        before, here, after = (padded.narrow(axis, first, length) for first in range(3))
        volumes = before + here + after
    return volumes / 27


@cache
def _middle() -> NDArray[np.float64]:
    """The middle of the template's brain, mm."""
    return centroid(*template())


def _coarse(array: Array, grid: Grid, edge: float) -> tuple[Array, Affine]:
    """Average over blocks of about so many mm, and say where these lie."""
    steps = [max(1, round(edge / size)) for size in grid.voxel_size]
    pads = [(0, -length % step) for length, step in zip(array.shape, steps, strict=True)]
    padded = np.pad(array, pads)
    pairs = zip(padded.shape, steps, strict=True)
    blocks = [count for side, step in pairs for count in (side // step, step)]
    affine = grid.affine @ np.diag([*steps, 1.0])
    affine[:3, 3] = grid.affine[:3, 3] + grid.affine[:3, :3] @ ((np.array(steps) - 1) / 2)
    return padded.reshape(blocks).mean(axis=(1, 3, 5), dtype=np.float32), affine


def _about(
    linear: NDArray[np.float64], middle: NDArray[np.float64], moved: NDArray[np.float64]
) -> Affine:
    """Return the 4x4 of a linear map that brings one middle onto another."""
    matrix = np.eye(4)
    matrix[:3, :3] = linear
    matrix[:3, 3] = moved - linear @ middle
    return matrix


def _turn(matrix: Affine) -> NDArray[np.float64]:
    """Return the rotation that is nearest to a matrix: the orthogonal part of its polar form."""
    left, _, right = np.linalg.svd(matrix[:3, :3])
    return np.asarray(left @ right)


def _overlap(brain: Mask, grid: Grid, matrix: Affine) -> float:
    """Dice of the scan's brain, brought to 4 mm of the template's space, and the template's."""
    array, fine = template()
    shares, own = _coarse((array > 0).astype(np.float32), fine, min(LEVELS))
    target = Grid(shares.shape, matrix @ own)
    one, other = interpolate(brain.astype(np.float32), grid, target, 0) > 0.5, shares > 0.5
    both = np.count_nonzero(one) + np.count_nonzero(other)
    return float(2 * np.count_nonzero(one & other) / both)
