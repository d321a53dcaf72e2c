"""A threshold between two classes of intensities, such as air and head."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def otsu(image: NDArray[np.float32], bins: int = 256, floor: float = -np.inf) -> float:
    """Return the threshold that separates intensities into two classes of least variance.

    Otsu 1979, doi:10.1109/TSMC.1979.4310076. Below all of them where there is one alone.

    Args:
        image: The intensities.
        bins: Of their histogram.
        floor: Only intensities above it count; at least one does.
    """
    low, high = image.min(where=image > floor, initial=np.inf), image.max()
    if low == high:
        return -np.inf
    counts, edges = np.histogram(image, bins=bins, range=(low, high))
    centres = (edges[:-1] + edges[1:]) / 2
    # the first and the last bin hold a voxel: neither class is ever empty
    low, total = np.cumsum(counts)[:-1], np.cumsum(counts * centres)
    high, below, above = counts.sum() - low, total[:-1], total[-1] - total[:-1]
    between = low * high * (below / low - above / high) ** 2
    return float(centres[np.argmax(between)])
