"""Spatial transforms: where each voxel of the augmented scan is read from.

Each is a map from augmented to original places, in units in which the volume is the box from -1 to
1 along each axis (x, y, z). Neighbours in `train.augment` are put together into one map, so that a
scan is interpolated once: in two passes, as TorchIO's, it is blurred twice. A place that a later
transform takes from outside is looked for by the earlier ones: TorchIO has filled it by then.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from typing import ClassVar
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from headstart.training.augmentation.base import Array
from headstart.training.augmentation.base import Dice
from headstart.training.augmentation.base import Transform
from headstart.training.augmentation.base import Triple
from headstart.training.mirrors import named_axes

RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
MINIMUM = "minimum"
Fill = tuple[str | float, float]  # of images, of masks


@dataclass(frozen=True)
class Box:
    """The space that a volume takes.

    Attributes:
        shape: Voxels along x, y, z.
        affine: Voxel to mm, 4x4; axes nearest to RAS.
    """

    shape: Sequence[int]
    affine: Array

    def to_world(self) -> Array:
        """Map places in the box, -1 to 1, to mm in ITK's axes (LPS), 4x4."""
        to_voxels = np.diag([*(n / 2 for n in self.shape), 1.0])
        to_voxels[:3, 3] = [(n - 1) / 2 for n in self.shape]
        return RAS_TO_LPS @ self.affine @ to_voxels


class Spatial(Transform):
    """A draw that moves voxels; several in a row are one map.

    Attributes:
        last: Whether nothing can be added behind it: it bends.
    """

    moves: ClassVar[bool] = True
    last: ClassVar[bool] = False

    @classmethod
    @abstractmethod
    def fill(cls, asked: Any) -> Fill | None:
        """Return what fills places outside the scan, in images and in masks; None if anything."""

    @abstractmethod
    def matrix(self, box: Box) -> Array:
        """Map augmented places to original ones, 4x4, without what bends."""

    def bend(self, box: Box) -> Array | None:
        """Return displacements at control points (i, j, k, 3), added before the matrix."""
        return None

    def reach(self, half: Array, box: Box) -> Array:
        """Tell how far from the centre of the box augmented places come from, along each axis.

        Args:
            half: How far from it the augmented places are; 1 is the box.
            box: The space that the volume takes.
        """
        matrix, points = self.matrix(box), self.bend(box)
        if points is not None:
            half = half + np.abs(points).max((0, 1, 2))
        return np.abs(matrix[:3, :3]) @ half + np.abs(matrix[:3, 3])


@dataclass(frozen=True)
class Flip(Spatial):
    """RandomFlip: mirror some axes; exact, no voxel is interpolated unless a neighbour does.

    Attributes:
        axes: Those that are mirrored: 0 left-right, 1 back-front, 2 down-up.
    """

    axes: tuple[int, ...]

    @classmethod
    def draw(cls, asked: Any, dice: Dice) -> Self | None:
        """Each axis by itself; anatomical names are those of prepared volumes, RAS."""
        axes = [
            a
            for a in sorted(named_axes("RandomFlip", asked.axes))
            if dice.hits(asked.flip_probability)
        ]
        return cls(tuple(axes)) if axes else None

    @classmethod
    def fill(cls, asked: Any) -> Fill | None:
        """Nothing has to be filled."""
        return None

    def matrix(self, box: Box) -> Array:
        """Turn the box over."""
        return np.diag([*(-1.0 if axis in self.axes else 1.0 for axis in range(3)), 1.0])


@dataclass(frozen=True)
class Affine(Spatial):
    """RandomAffine: scale, turn and shift about a centre.

    Attributes:
        scales: 1.1 shows things 1.1 times as large.
        degrees: About each axis, degrees.
        translation: Along each axis, mm; it is scaled too, as TorchIO does.
        center: `image`, or `origin` of the world.
    """

    scales: Triple
    degrees: Triple
    translation: Triple
    center: str = "image"

    @classmethod
    def runs(cls, asked: Any) -> bool:
        """Linear and nearest interpolation, and a fill that is a number or the minimum."""
        return _usual(asked) and asked.default_pad_value not in ("mean", "otsu")

    @classmethod
    def draw(cls, asked: Any, dice: Dice) -> Self:
        """Uniform in each range."""
        scales = dice.triple(asked.scales)
        if asked.isotropic:
            scales = (scales[0],) * 3
        degrees, translation = dice.triple(asked.degrees), dice.triple(asked.translation)
        return cls(scales, degrees, translation, asked.center)

    @classmethod
    def fill(cls, asked: Any) -> Fill:
        """As asked."""
        return asked.default_pad_value, asked.default_pad_label

    def matrix(self, box: Box) -> Array:
        """Invert the movement from original to augmented places, in mm."""
        to_world = box.to_world()
        center = to_world[:3, 3] if self.center == "image" else np.zeros(3)
        scale, signs = np.diag(self.scales), np.array([-1, -1, 1])
        moved = rigid(signs * self.degrees, signs * self.translation, center)
        movement = np.eye(4)
        movement[:3] = scale @ moved[:3]
        movement[:3, 3] += center - scale @ center
        return np.linalg.inv(to_world) @ np.linalg.inv(movement) @ to_world


@dataclass(frozen=True)
class Elastic(Spatial):
    """RandomElasticDeformation: displacements between control points, by cubic B-splines.

    `locked_borders` keeps the outer control points of all three axes still, as documented; TorchIO
    1.2.1 forgets the third. Masks are filled with 0, the background; TorchIO fills them with the
    least class, which need not be it.

    Attributes:
        control_points: Displacements in mm along LPS, (i, j, k, 3).
    """

    control_points: Array

    last: ClassVar[bool] = True

    @classmethod
    def runs(cls, asked: Any) -> bool:
        """Linear and nearest interpolation."""
        return _usual(asked)

    @classmethod
    def draw(cls, asked: Any, dice: Dice) -> Self | None:
        """Uniform up to the largest displacement along each axis; 0 at locked borders."""
        if not any(asked.max_displacement):
            return None
        largest = np.array(asked.max_displacement, dtype=float)
        points = dice.random.uniform(-largest, largest, (*asked.num_control_points, 3))
        for axis in range(3):
            for border in range(asked.num_locked_borders):
                np.moveaxis(points, axis, 0)[[border, -1 - border]] = 0
        return cls(points)

    @classmethod
    def fill(cls, asked: Any) -> Fill:
        """TorchIO's for images; the background for masks."""
        return MINIMUM, 0.0

    def matrix(self, box: Box) -> Array:
        """Nothing but bending."""
        return np.eye(4)

    def bend(self, box: Box) -> Array:
        """Millimetres to shares of the box."""
        return self.control_points @ np.linalg.inv(box.to_world())[:3, :3].T


@dataclass(frozen=True)
class AffineElastic(Spatial):
    """RandomAffineElasticDeformation with `affine_first`, TorchIO's default.

    Attributes:
        affine: Its first part.
        elastic: Its second one; None if nothing bends.
    """

    affine: Affine
    elastic: Elastic | None

    last: ClassVar[bool] = True

    @classmethod
    def runs(cls, asked: Any) -> bool:
        """Where both parts run and come in this order."""
        parts = Affine.runs(asked.random_affine) and Elastic.runs(asked.random_elastic)
        return asked.affine_first and parts

    @classmethod
    def draw(cls, asked: Any, dice: Dice) -> Self:
        """Both parts."""
        affine = Affine.draw(asked.random_affine, dice)
        return cls(affine, Elastic.draw(asked.random_elastic, dice))

    @classmethod
    def fill(cls, asked: Any) -> Fill:
        """The affine part's for images; TorchIO has the background alone for masks."""
        return asked.random_affine.default_pad_value, 0.0

    def matrix(self, box: Box) -> Array:
        """The affine part."""
        return self.affine.matrix(box)

    def bend(self, box: Box) -> Array | None:
        """The elastic part."""
        return None if self.elastic is None else self.elastic.bend(box)


def rigid(degrees: ArrayLike, translation: ArrayLike, center: Array) -> Array:
    """Return ITK's Euler3DTransform, R (x - center) + center + translation, R = Rz Rx Ry, 4x4."""
    x, y, z = np.radians(degrees)
    about_x = [[1, 0, 0], [0, np.cos(x), -np.sin(x)], [0, np.sin(x), np.cos(x)]]
    about_y = [[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]]
    about_z = [[np.cos(z), -np.sin(z), 0], [np.sin(z), np.cos(z), 0], [0, 0, 1]]
    matrix = np.eye(4)
    matrix[:3, :3] = np.array(about_z) @ about_x @ about_y
    matrix[:3, 3] = center + np.asarray(translation) - matrix[:3, :3] @ center
    return matrix


def _usual(asked: Any) -> bool:
    return (asked.image_interpolation, asked.label_interpolation) == ("linear", "nearest")
