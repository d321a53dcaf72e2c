"""Volumes as ITK takes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def image_of(array: NDArray[Any], voxel_size: Sequence[float] | NDArray[np.float64]) -> Any:
    """Hand an array (x, y, z) to ITK, which has the axes in the opposite order.

    Args:
        array: The volume.
        voxel_size: Edges of its voxels, mm.
    """
    import SimpleITK

    image = SimpleITK.GetImageFromArray(np.ascontiguousarray(array.T))
    image.SetSpacing([float(edge) for edge in voxel_size])
    return image
