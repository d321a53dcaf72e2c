"""A class for each voxel, judged by its objects too: components of the mask, or its own ids."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Any

from numpy.typing import NDArray

from headstart.tasks.base import Array
from headstart.tasks.objects import MATCHING
from headstart.tasks.objects import MATCHING_OF_IDS
from headstart.tasks.objects import SHARES
from headstart.tasks.objects import WITH_OBJECTS
from headstart.tasks.objects import measure_with_ids
from headstart.tasks.objects import measure_with_objects
from headstart.tasks.segmentation import Segmentation

if TYPE_CHECKING:
    from pathlib import Path

    from headstart.cohort.prepared import Scan
    from headstart.imaging.mask_classes import Classes


@dataclass(frozen=True)
class InstanceSegmentation(Segmentation):
    """Masks, of which the connected components of each class are objects.

    Nothing is learnt in another way: it is how masks are judged once they are predicted.
    """

    metrics = ("dice", "lesion_f1", "pq")
    further_metrics = (
        *Segmentation.further_metrics,
        *("lesion_sensitivity", "lesion_precision", "false_lesions", "sq", "rq"),
    )
    headline = ("dice", "lesion_f1", "pq", "false_lesions", "volume_error")
    baselines = "objects"
    figure = "objects"
    held_out_bytes = 15.5
    measures = WITH_OBJECTS
    measure = staticmethod(measure_with_objects)
    shares = (*Segmentation.shares, *SHARES)
    matching = MATCHING

    def _measured(self, prediction: Array) -> dict[str, Array]:
        of_objects = self._by_measure(prediction)
        names = (*SHARES, "false_lesions")
        return super()._measured(prediction) | {name: of_objects[name] for name in names}


@dataclass(frozen=True)
class SegmentationOfIds(InstanceSegmentation):
    """Masks of one class, of which the values are the ids of its objects.

    Prepared masks are of the class alone, which is what is learnt; the ids stay in the study's own
    files, and it is on their grid that answers are judged.
    """

    baselines = "ids"
    figure = "ids"
    held_out_bytes = 21.5
    measure = staticmethod(measure_with_ids)
    matching = MATCHING_OF_IDS

    def own_truth(self, scan: Scan, data: Path, classes: Classes) -> NDArray[Any]:
        """The ids, see `headstart.cohort.true_mask.true_ids`."""
        from headstart.cohort.true_mask import true_ids

        return true_ids(scan, data, classes)
