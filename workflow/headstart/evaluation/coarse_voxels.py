"""Baselines that see the scan itself, at a few millimetres, and learn nothing but a weight a voxel.

What a linear model finds in 8 mm voxels needs no network.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from headstart.cohort.prepared import Scan
from headstart.evaluation.penalised import Fitted
from headstart.evaluation.penalised import standardised
from headstart.imaging.geometry import crop_or_pad
from headstart.imaging.otsu import otsu

Array = NDArray[np.float64]
Volume = NDArray[np.float32]  # (channels, x, y, z)

EDGE = 8.0  # mm, of the voxels; those of twice this edge are tried too
MOST = 500  # principal components


def cubes_of(scans: Iterable[Scan]) -> NDArray[np.intp]:
    """Return how many voxels make 8 mm along x, y and z, alike for all scans.

    On a template, the voxels of a small head are smaller in its own millimetres.
    """
    sizes = np.median([np.linalg.norm(s.affine[:3, :3], axis=0) for s in scans], axis=0)
    return np.maximum(np.rint(EDGE / sizes), 1).astype(np.intp)


def down_sampled(scan: Scan, shape: Sequence[int], steps: NDArray[np.intp]) -> Volume:
    """Average a prepared scan over cubes of 8 mm.

    Args:
        scan: The scan.
        shape: Voxels along x, y and z of the largest scan; centres lie upon each other.
        steps: Voxels that make a cube, as `cubes_of` gives them.
    """
    channels = np.asarray(scan.volume(), np.float32)
    air = [channel.air for channel in scan.intensities]
    return np.stack(
        [
            _averaged(crop_or_pad(channel, shape, fill), steps)
            for channel, fill in zip(channels, air, strict=True)
        ]
    )


def predict(
    known: Sequence[Volume], asked: Sequence[Volume], fit: Callable[[Array, Array], Fitted]
) -> Array:
    """Predict from principal components of voxels of 8 or of 16 mm, whichever does better.

    Which does better is told by cross-validation within the known scans.

    Args:
        known: Scans to fit on, as `down_sampled` gives them.
        asked: Scans to predict.
        fit: Fits a linear model to columns of the known scans, and answers for those asked.
    """
    fine = np.stack(known), np.stack(asked)
    coarse = [np.stack([_halved(volume) for volume in volumes]) for volumes in (known, asked)]
    fitted = [fit(*components(*pair)) for pair in (fine, coarse)]
    return min(fitted, key=lambda one: one.error).answers


def components(known: NDArray[np.float32], asked: NDArray[np.float32]) -> tuple[Array, Array]:
    """Return principal components of the standardised voxels within the head.

    The head is where the known scans' mean is above Otsu's threshold. Nothing is lost of up to
    500 scans: with a penalty on the squared slopes, a linear model of all components is the same
    as one of the voxels.

    Args:
        known: Scans that say what the components are, (n, channels, x, y, z).
        asked: Other scans, (m, channels, x, y, z).
    """
    from sklearn.decomposition import PCA

    mean = known[:, 0].mean(axis=0)
    head = mean > otsu(mean)
    rows = [one[:, :, head].reshape(len(one), -1).astype(np.float64) for one in (known, asked)]
    ours, theirs = standardised(*rows)
    model = PCA(min(*ours.shape, MOST), random_state=0).fit(ours)
    return model.transform(ours), model.transform(theirs)


def nearest(known: Sequence[Volume], asked: Sequence[Volume]) -> list[int]:
    """Return the number of the known scan that each scan correlates with most, m of them."""
    ours, theirs = _directions(known), _directions(asked)
    return [int(number) for number in (theirs @ ours.T).argmax(axis=1)]


def _directions(volumes: Sequence[Volume]) -> Array:
    """Voxels of each scan with mean 0 and length 1, (n, voxels); a constant one has length 0."""
    rows = np.stack([volume.ravel() for volume in volumes]).astype(np.float64)
    rows -= rows.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(lengths > 0, lengths, 1)


def _halved(volume: Volume) -> Volume:
    """Average over 2 x 2 x 2 voxels."""
    return np.stack([_averaged(channel, np.minimum(channel.shape, 2)) for channel in volume])


def _averaged(array: NDArray[np.float32], steps: NDArray[np.intp]) -> NDArray[np.float32]:
    """Average over blocks about the centre; what fills no block at the rim is left out."""
    blocks = np.maximum(np.array(array.shape) // steps, 1)
    (x, a), (y, b), (z, c) = zip(blocks, np.minimum(steps, array.shape), strict=True)
    whole = crop_or_pad(array, (x * a, y * b, z * c), 0)
    return np.asarray(whole.reshape(x, a, y, b, z, c).mean(axis=(1, 3, 5)))
