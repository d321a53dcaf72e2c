"""Occlusion: how far an answer moves when a patch of the scan is replaced by air."""

from __future__ import annotations

import numpy as np

from headstart.explanation.explained import Explained
from headstart.explanation.occlusion_grid import OcclusionGrid
from headstart.explanation.results import Map


def occlusion(explained: Explained, patches: OcclusionGrid, batch: int) -> Map:
    """Map by how much what lies at each place raises the answer.

    Zeiler and Fergus 2014, doi:10.1007/978-3-319-10590-1_53. MONAI's own fills a patch with its
    mean or with noise; here it becomes air, the level that fills what lies outside the scan.

    Args:
        explained: What is explained.
        patches: Where the patches lie.
        batch: Variants of the scan that the network sees at once.

    Returns:
        (x, y, z): the answer for the scan minus that without the patch, in its unit, the mean over
        the patches that cover a voxel.
    """
    volume, air = explained.volume, explained.air
    (whole,) = explained.answers(volume[None])
    total, covered = np.zeros(volume.shape[1:]), np.zeros(volume.shape[1:])
    places = []
    for box in patches.boxes():
        place = tuple(slice(*side) for side in box)
        covered[place] += 1
        # nothing is taken away where there is air alone
        if bool((volume[:, *place] != air).any()):
            places.append(place)
    for start in range(0, len(places), batch):
        some = places[start : start + batch]
        variants = volume.repeat(len(some), 1, 1, 1, 1)
        for variant, place in zip(variants, some, strict=True):
            variant[:, *place] = air
        for place, answer in zip(some, explained.answers(variants), strict=True):
            total[place] += whole - answer
    return np.asarray(total / covered, dtype=np.float32)
