"""Objects of masks, and which of them are found: lesion-wise F1 and panoptic quality.

A predicted object is a connected component of a class in one scan; voxels that share a face, an
edge or a corner are neighbours (26 of each). A true one is so too, or all voxels of one id.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from numpy.typing import NDArray

from headstart.tasks.mask_metrics import MEASURES
from headstart.tasks.mask_metrics import measure
from headstart.tasks.weighted import Array
from headstart.tasks.weighted import Flags
from headstart.tasks.weighted import Floats
from headstart.tasks.weighted import Integers

FOUND = 0.1  # least IoU of a pair of which the true object counts as found
PANOPTIC = 0.5  # of a pair of panoptic quality, the IoU is above
SHARES = ("lesion_f1", "lesion_sensitivity", "lesion_precision", "pq", "sq", "rq")
# What is measured of each scan and class besides; the last two are counts that make no metric.
OBJECT_MEASURES = (*SHARES, "false_lesions", "lesions", "true_lesions")
WITH_OBJECTS = (*MEASURES, *OBJECT_MEASURES)
_PAIRS = (
    "Lesion-wise F1: true and "
    f"predicted objects are paired one to one, as many as can be of an IoU of {FOUND} or more; a "
    "true object without a partner is missed, a predicted one false. Panoptic quality (PQ): pairs "
    f"of an IoU above {PANOPTIC}. Of a class without any object in both masks of a scan there is "
    "neither; with objects in one mask alone both are 0. All are counted on the raw scan's grid."
)
MATCHING = f"An object is a connected component of a class (26 neighbours). {_PAIRS}"
MATCHING_OF_IDS = (
    "True objects are the mask's own ids, so that those which touch stay apart and one in several "
    f"pieces is one; predicted ones are connected components (26 neighbours). {_PAIRS}"
)
Numbers = NDArray[np.int32]
Numbered = tuple[Numbers, NDArray[np.int64]]  # 1, 2, … of objects by voxel, and their sizes


@dataclass(frozen=True)
class Objects:
    """The true and the predicted objects of a class in one scan.

    Attributes:
        true: Which true object each voxel is of, (x, y, z); 0 for none.
        found: Which predicted one, likewise.
        true_sizes: Voxels of the true objects 1, 2, …
        sizes: Voxels of the predicted ones.
        pairs: Numbers of each true and predicted object that share a voxel, (pairs, 2).
        ious: Intersection over union of each pair.
    """

    true: Numbers
    found: Numbers
    true_sizes: NDArray[np.int64]
    sizes: NDArray[np.int64]
    pairs: NDArray[np.int64]
    ious: Array

    @classmethod
    def of(cls, truth: Flags, prediction: Flags) -> Objects:
        """Find the objects of a class.

        Args:
            truth: Voxels of the class, (x, y, z).
            prediction: Those that are predicted.
        """
        return cls._between(_components(truth), _components(prediction))

    @classmethod
    def of_ids(cls, ids: Integers, prediction: Flags) -> Objects:
        """Find the objects of a class where the true ones are known by their ids.

        Args:
            ids: The id of each voxel's true object, (x, y, z); 0 for none.
            prediction: Voxels that are predicted.
        """
        return cls._between(_renumbered(ids), _components(prediction))

    @classmethod
    def _between(cls, truth: Numbered, prediction: Numbered) -> Objects:
        (true, true_sizes), (found, sizes) = truth, prediction
        both = np.logical_and(true, found)
        width = len(sizes) + 1
        codes, shared = np.unique(
            true[both].astype(np.int64) * width + found[both], return_counts=True
        )
        pairs = np.column_stack(np.divmod(codes, width))
        either = true_sizes[pairs[:, 0] - 1] + sizes[pairs[:, 1] - 1] - shared
        return cls(true, found, true_sizes, sizes, pairs, shared / either)

    def matched(self) -> NDArray[np.int64]:
        """Pair objects one to one, as many as can be, of an IoU of `FOUND` or more.

        Returns:
            Numbers of the true and the predicted object of each pair, (pairs, 2).
        """
        near = self.pairs[self.ious >= FOUND]
        if len(near) == 0:
            return near
        from scipy.sparse import csr_array
        from scipy.sparse.csgraph import maximum_bipartite_matching

        shape = (len(self.true_sizes) + 1, len(self.sizes) + 1)
        graph = csr_array((np.ones(len(near), np.int8), tuple(near.T)), shape=shape)
        partner = maximum_bipartite_matching(graph, perm_type="column")
        true = np.flatnonzero(partner > 0)
        return np.column_stack([true, partner[true]])


def _components(inside: Flags) -> Numbered:
    """Number the connected components."""
    from scipy import ndimage

    numbers = np.zeros(inside.shape, np.int32)
    count = ndimage.label(inside, structure=np.ones((3, 3, 3)), output=numbers)
    return numbers, np.bincount(numbers[inside], minlength=count + 1)[1:]


def _renumbered(ids: Integers) -> Numbered:
    """Number objects without gaps, for ids may be far apart."""
    inside, numbers = ids > 0, np.zeros(ids.shape, np.int32)
    _, own, sizes = np.unique(ids[inside], return_inverse=True, return_counts=True)
    numbers[inside] = own + 1
    return numbers, sizes


def object_scores(objects: Objects) -> Floats:
    """Tell how many objects of a class are found in one scan, and how well.

    Lesion-wise F1, sensitivity and precision are of pairs as `Objects.matched` makes them: Maier-
    Hein and others 2024, doi:10.1038/s41592-023-02151-z, at the IoU of Baumgartner and others 2021,
    doi:10.1007/978-3-030-87240-3_51. Panoptic quality is segmentation quality, the mean IoU of
    pairs above 0.5, which need no assignment, times recognition quality, their F1: Kirillov and
    others 2019, doi:10.1109/CVPR.2019.00963.

    Args:
        objects: The true and the predicted ones.

    Returns:
        The `OBJECT_MEASURES`. Without objects in both masks all shares are NaN; without true ones
        the sensitivity is, without predicted ones the precision, without pairs the segmentation
        quality. False objects are counted always.
    """
    true, found, pairs = len(objects.true_sizes), len(objects.sizes), len(objects.matched())
    well = objects.ious[objects.ious > PANOPTIC]
    shares = (
        _share(2 * pairs, true + found),
        _share(pairs, true),
        _share(pairs, found),
        _share(2 * well.sum(), true + found),
        _share(well.sum(), len(well)),
        _share(2 * len(well), true + found),
    )
    return np.array([*shares, found - pairs, found, true], dtype=float)


def _share(part: float, whole: int) -> float:
    return part / whole if whole else np.nan


def measure_with_objects(
    truth: Integers, prediction: Integers, classes: int, spacing: ArrayLike, tolerance: float
) -> Floats:
    """Measure each foreground class in one scan, and its objects.

    Args:
        truth: Mask (x, y, z), as for `headstart.tasks.mask_metrics.measure`.
        prediction: Mask of the same shape.
        classes: Number of foreground classes.
        spacing: Size of a voxel, mm.
        tolerance: How far surfaces may be apart for NSD, mm.

    Returns:
        `MEASURES` and `OBJECT_MEASURES`, (measures, classes).
    """
    measured = measure(truth, prediction, classes, spacing, tolerance)
    of_classes = [
        object_scores(Objects.of(truth == value, prediction == value))
        for value in range(1, classes + 1)
    ]
    return np.vstack([measured, np.array(of_classes).T])


def measure_with_ids(
    truth: Integers, prediction: Integers, classes: int, spacing: ArrayLike, tolerance: float
) -> Floats:
    """Measure the one class of objects that are known by their ids, and them.

    Args:
        truth: The id of each voxel's true object, (x, y, z); 0 for none.
        prediction: Mask of the same shape, 1 where there are objects.
        classes: 1; so that it is called as `measure_with_objects`.
        spacing: Size of a voxel, mm.
        tolerance: How far surfaces may be apart for NSD, mm.

    Returns:
        As `measure_with_objects`.
    """
    foreground = (truth > 0).astype(np.uint8)
    measured = measure(foreground, prediction, classes, spacing, tolerance)
    objects = Objects.of_ids(truth, prediction == 1)
    return np.vstack([measured, object_scores(objects)[:, None]])
