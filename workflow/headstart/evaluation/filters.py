"""Filters that need no network, each as strong as serves scans that are not judged.

They are corrected for the noise's bias as the network's answer is.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from headstart.cohort.prepared import Scan
from headstart.common.errors import NoAnswerError
from headstart.imaging.rician import corrected
from headstart.imaging.slabs import Slabs
from headstart.tasks.denoising import noise_of
from headstart.tasks.denoising import planting_of
from headstart.tasks.image_quality import NoisyImage

Image = NDArray[np.float32]
Filter = Callable[[Image, float, float], Image]

TRIED = 2  # scans on which the strengths are chosen, in the middle half of each axis
SEARCH, PATCH = 2, 3  # voxels: how far non-local means look, and what they compare
REACH = 4  # voxels that a filter sees around one, at the most: the widest Gaussian
CORRUPTED = 0.5  # noise added to one of a pair, of the scan's own; the other has it the other way


def gaussian(image: Image, width: float, _: float) -> Image:
    """Smooth by a Gaussian, whose standard deviation is given in voxels."""
    # scipy is loaded where scans are filtered alone: other tasks are evaluated without it
    from scipy import ndimage

    return np.asarray(ndimage.gaussian_filter(image, width))


def median(image: Image, connected: float, _: float) -> Image:
    """Take the median of a voxel and its neighbours: 7 voxels for 1, 27 for 3."""
    from scipy import ndimage

    footprint = ndimage.generate_binary_structure(3, int(connected))
    return np.asarray(ndimage.median_filter(image, footprint=footprint))


def non_local_means(image: Image, strength: float, noise: float) -> Image:
    """Average voxels whose surroundings are alike.

    Buades et al. 2005, doi:10.1109/CVPR.2005.38; what the noise alone makes unlike is taken off.

    Args:
        image: The scan, (x, y, z).
        strength: How unlike surroundings may be, in units of the noise.
        noise: Its standard deviation.
    """
    from scipy import ndimage

    padded = np.pad(image, SEARCH, mode="reflect")
    total, weights = image.copy(), np.ones_like(image)
    width = np.float32((strength * noise) ** 2)
    for steps in itertools.product(range(2 * SEARCH + 1), repeat=3):
        if steps == (SEARCH,) * 3:
            continue
        x, y, z = (slice(first, first + n) for first, n in zip(steps, image.shape, strict=True))
        other = padded[x, y, z]
        unlike = ndimage.uniform_filter((image - other) ** 2, PATCH) - np.float32(2 * noise**2)
        weight = np.exp(-np.maximum(unlike, 0) / width)
        total += weight * other
        weights += weight
    return total / weights


# Each with the strengths that are tried.
FILTERS: dict[str, tuple[Filter, tuple[float, ...]]] = {
    "gaussian": (gaussian, (0.3, 0.4, 0.5, 0.7, 1.0)),
    "median": (median, (1, 3)),
    "non-local-means": (non_local_means, (0.3, 0.5, 0.8)),
}


def denoiser(name: str, strength: float, noise: float) -> Callable[[Image], Image]:
    """Return what denoises images of some noise by a filter."""
    run, _ = FILTERS[name]
    return lambda image: corrected(run(image, strength, noise), noise)


def filtered(denoise: Callable[[Image], Image], noisy: Slabs) -> Slabs:
    """Denoise a scan, (1, x, y, z), slab by slab: at once would take several times its memory."""
    return Slabs.of(Slabs.image(denoise, noisy, reach=REACH).gathered())


def measured(
    known: Sequence[Scan], asked: Sequence[Scan], columns: Sequence[str], noise: float | None
) -> dict[str, NDArray[np.float64]]:
    """Measure what each filter makes of scans, and the noisy scans themselves.

    Args:
        known: Scans that the strengths are chosen on.
        asked: Scans that are judged, m of them.
        columns: What is measured, as `quality` and `planted_spots` name it.
        noise: Standard deviation of their noise; None where each scan's air tells it.

    Returns:
        Name: (m, columns).

    Raises:
        NoAnswerError: If a scan that is judged has no air that tells its noise, or none has.
    """
    strengths = chosen(known, noise)
    rows = [_row(scan, noise, strengths, columns) for scan in asked]
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def _row(
    asked: Scan, noise: float | None, strengths: Mapping[str, float], columns: Sequence[str]
) -> dict[str, list[float]]:
    """Measure what each filter makes of one scan."""
    scan = NoisyImage.of(asked, noise_of(asked, noise))
    planting = planting_of(asked, scan.noise)
    denoisers: dict[str, Callable[[Image], Image]] = {"noisy": lambda image: image}
    denoisers |= {name: denoiser(name, one, scan.noise) for name, one in strengths.items()}
    found = {
        name: scan.quality(filtered(denoise, scan.noisy))
        | planting.measure(planting.answers(denoise))
        for name, denoise in denoisers.items()
    }
    return {name: [one[column] for column in columns] for name, one in found.items()}


def chosen(known: Sequence[Scan], noise: float | None) -> dict[str, float]:
    """Choose the strength with which each filter errs least on scans.

    Against the reference where there is one; else by pairs of the scan with more noise: one is
    filtered, and the other, whose noise is independent, judges it (Pang et al. 2021,
    Recorrupted-to-Recorrupted, doi:10.1109/CVPR46437.2021.00208).

    Args:
        known: The scans, of which the first few whose noise is known are taken.
        noise: As for `measured`.

    Raises:
        NoAnswerError: If none has air to estimate it from.
    """
    scans = _first_few(known, noise)
    strengths = {}
    for name, (run, tried) in FILTERS.items():
        errors = [[_error(run, strength, scan) for strength in tried] for scan in scans]
        strengths[name] = tried[int(np.argmin(np.mean(errors, axis=0)))]
    return strengths


def _first_few(known: Sequence[Scan], noise: float | None) -> list[NoisyImage]:
    scans: list[NoisyImage] = []
    for scan in known:
        try:
            scans.append(NoisyImage.of(scan, noise_of(scan, noise)))
        except NoAnswerError:
            if scan is known[-1] and not scans:
                raise
        if len(scans) == TRIED:
            break
    return scans


def _error(run: Filter, strength: float, scan: NoisyImage) -> float:
    noise = scan.noise
    middle = [(n // 4, n - n // 4) for n in scan.noisy.shape[1:]]
    seen = scan.noisy.part(middle)[0]
    if scan.reference is None:
        drawn = np.random.default_rng(0).normal(0, noise, seen.shape).astype(np.float32)
        seen, true = seen + CORRUPTED * drawn, seen - drawn / CORRUPTED
        made = run(seen, strength, noise * np.hypot(1, CORRUPTED))
    else:
        true = scan.reference.part(middle)[0]
        made = corrected(run(seen, strength, noise), noise)
    inside = scan.noisy_inside[tuple(slice(*ends) for ends in middle)]
    return float(np.mean((made - true)[inside] ** 2) / noise**2)
