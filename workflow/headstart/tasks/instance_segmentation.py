"""A class for each voxel, judged by its objects too."""

from __future__ import annotations

from dataclasses import dataclass

from headstart.tasks.base import Array
from headstart.tasks.objects import MATCHING
from headstart.tasks.objects import SHARES
from headstart.tasks.objects import WITH_OBJECTS
from headstart.tasks.objects import measure_with_objects
from headstart.tasks.segmentation import Segmentation


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
    measures = WITH_OBJECTS
    measure = staticmethod(measure_with_objects)
    shares = (*Segmentation.shares, *SHARES)
    matching = MATCHING

    def _measured(self, prediction: Array) -> dict[str, Array]:
        of_objects = self._by_measure(prediction)
        names = (*SHARES, "false_lesions")
        return super()._measured(prediction) | {name: of_objects[name] for name in names}
