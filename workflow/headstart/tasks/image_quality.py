"""What a denoised image is like, beside the noisy scan and, where there is one, the clean one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from headstart.imaging.geometry import head

Image = NDArray[np.float32]

BRIGHTEST = 99.9  # percentile of the reference in the head: the range of PSNR and SSIM
WINDOW = 1.5  # voxels: width of SSIM's Gaussian window, as Wang et al. have it
AROUND = 2.0  # voxels: width of the Gaussian that tells the signal around a voxel


def noisy_head(image: Image) -> NDArray[np.bool_]:
    """Separate head from air in a noisy scan, whose air has voxels as bright as the head's dark."""
    from scipy import ndimage

    return head(np.asarray(ndimage.gaussian_filter(image, AROUND)))


def quality(
    image: Image, noisy: Image, noise: float, reference: Image | None = None
) -> dict[str, float]:
    """Measure a denoised image inside the head.

    Args:
        image: The denoised image, (x, y, z).
        noisy: The scan.
        noise: Standard deviation of its noise.
        reference: The scan without noise; None where there is none.

    Returns:
        psnr (dB), ssim, nrmse (error over the reference's root mean square) and mae, NaN without a
        reference; edges: correlation of the size of what was removed with the local edges, 0 for
        noise alone; removed: its standard deviation in units of the noise, above 1 if more than
        noise went.
    """
    from scipy import ndimage

    inside = noisy_head(noisy) if reference is None else head(reference)
    removed = (noisy - image)[inside]
    gradient = ndimage.gaussian_gradient_magnitude(noisy, 1.0)[inside]
    return {
        **_errors(image, reference, inside),
        "edges": correlation(np.abs(removed), gradient),
        "removed": float(removed.std() / noise),
    }


def _errors(image: Image, reference: Image | None, inside: NDArray[np.bool_]) -> dict[str, float]:
    if reference is None:
        return dict.fromkeys(("psnr", "ssim", "nrmse", "mae"), float("nan"))
    wrong, true = (image - reference)[inside].astype(np.float64), reference[inside]
    span, square = float(np.percentile(true, BRIGHTEST)), float(np.mean(wrong**2))
    return {
        "psnr": float(10 * np.log10(span**2 / square)) if square else float("inf"),
        "ssim": float(similarity(image, reference, span)[inside].mean()),
        "nrmse": float(np.sqrt(square / np.mean(true.astype(np.float64) ** 2))),
        "mae": float(np.abs(wrong).mean()),
    }


def similarity(one: Image, other: Image, span: float) -> Image:
    """Structural similarity around each voxel.

    Wang et al. 2004, doi:10.1109/TIP.2003.819861.

    Args:
        one: An image, (x, y, z).
        other: Another one, likewise.
        span: Range of their intensities.
    """
    from scipy import ndimage

    def mean(image: Image) -> Image:
        return np.asarray(ndimage.gaussian_filter(image, WINDOW))

    mean_one, mean_other = mean(one), mean(other)
    between = mean(one * other) - mean_one * mean_other
    spread = mean(one**2) - mean_one**2 + mean(other**2) - mean_other**2
    small, large = (0.01 * span) ** 2, (0.03 * span) ** 2
    bright = (2 * mean_one * mean_other + small) / (mean_one**2 + mean_other**2 + small)
    return bright * (2 * between + large) / (spread + large)


def correlation(one: NDArray[np.floating], other: NDArray[np.floating]) -> float:
    """Pearson's r; 0 where either side is constant, as nothing that was removed is."""
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return 0.0
    return float(np.corrcoef(one, other)[0, 1])
