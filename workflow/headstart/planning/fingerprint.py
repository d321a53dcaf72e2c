"""A cohort's fingerprint, by which trainings are planned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from headstart.data.label_table import MASK

if TYPE_CHECKING:
    from headstart.planning.aim import Aim
    from headstart.planning.proposal import Found
    from headstart.planning.sample import Sample

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Fingerprint:
    """What planning needs to know of a cohort.

    Attributes:
        scans: Number of scans.
        subjects: Number of subjects.
        channels: Image channels.
        voxel_size: Median, mm, right-left, front-back, up-down.
        needed: Edges of a box that holds what is to be seen of a scan, mm.
        classes: Classes of the mask without its background; 0 without segmentation.
        imbalance: Largest class over smallest, for a classification.
        series: Whether the scans are 4-D series.
    """

    scans: int
    subjects: int
    channels: int
    voxel_size: Triple
    needed: Triple
    classes: int = 0
    imbalance: float = 1.0
    series: bool = False

    @classmethod
    def of(cls, found: Found, sample: Sample, aim: Aim) -> Fingerprint:
        """Take it of a folder of scans.

        Args:
            found: What the folder holds.
            sample: What a sample of the scans is like.
            aim: What is to be learnt of them.
        """
        label = None if aim.is_number else aim.column
        return cls(
            scans=len(found.scans),
            subjects=len(found.subjects),
            channels=len(found.source["channels"]),
            voxel_size=sample.voxel_size,
            needed=sample.needed,
            classes=len({*found.classes.values()}) if aim.target == MASK else 0,
            imbalance=1.0 if label is None else label.imbalance,
            series=found.series,
        )
