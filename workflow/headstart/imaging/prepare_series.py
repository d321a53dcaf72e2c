"""One 4-D series, prepared: its axes turned, and one scale of intensity for all its volumes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from headstart.common.errors import UserError
from headstart.imaging import geometry
from headstart.imaging.channel_scale import ChannelScale
from headstart.imaging.config import Preparation
from headstart.imaging.headers import geometry_fields
from headstart.imaging.headers import intensity_fields
from headstart.imaging.headers import time_fields
from headstart.imaging.prepare import Prepared
from headstart.imaging.prepare import check_volume
from headstart.imaging.prepare import half
from headstart.imaging.prepare import read_checked
from headstart.imaging.scan_rows import ScanFiles


def prepare_series(scan: ScanFiles, *, data: Path, settings: Preparation, checked: str) -> Prepared:
    """Prepare a series; nothing is resampled, cropped or smoothed, in space or time.

    Its volumes are normalised by the mean and scale of their mean, which a scan has one of.

    Args:
        scan: Its file.
        data: Data root.
        settings: The config's section `prepare`.
        checked: Digest of its voxels when it was checked.

    Returns:
        The series, its volumes in time in place of channels, (t, x, y, z).

    Raises:
        UnusableError, UserError: As `prepare_scan`.
    """
    raw = read_checked(data / scan.first, checked, series=True)
    if not raw.finite:
        raise UserError(
            f"{data / scan.first}: has voxels that are not finite; correct it, and type the same "
            "command again"
        )

    grid = raw.grid.canonical()

    def at(time: int) -> geometry.Array:
        return geometry.to_canonical(raw.at(time).values(np.float32), raw.affine)

    mean_volume = np.zeros(grid.shape, np.float32)
    for time in range(raw.length):
        mean_volume += at(time) / np.float32(raw.length)
    mean, scale = geometry.normalisation(mean_volume, settings.normalise)
    volumes = np.empty((raw.length, *grid.shape), np.float16)
    for time, volume in enumerate(volumes):
        array = geometry.rescaled(at(time), mean, scale)
        volume[...] = half(array, scan.first, settings.normalise)
    check_volume(volumes, scan.first, was_constant=raw.constant)
    level = geometry.air(geometry.rescaled(mean_volume, mean, scale))
    header = geometry_fields(raw.header) | intensity_fields(raw.header) | time_fields(raw.header)
    scales = (ChannelScale(mean=mean, scale=scale, air=level),)
    return Prepared(volumes, scales, None, grid, raw.grid, header)
