"""Training scans, augmented by TorchIO, in an order and a way that the seed alone decides."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from headstart.common.errors import UserError


def make_augmentation(
    transforms: Sequence[Mapping[str, Mapping[str, Any]]],
) -> Callable[[Any], Any] | None:
    """Make TorchIO's transforms from `train.augment`.

    Args:
        transforms: One class name and its arguments each, e.g. `{"RandomNoise": {"std": 0.1}}`.

    Returns:
        The transforms in a row, or None if there are none (TorchIO is then not imported).

    Raises:
        UserError: If TorchIO does not take an argument's value.
    """
    if not transforms:
        return None
    import torchio

    return torchio.Compose([_make(transform) for transform in transforms])


def augment(
    transform: Callable[[Any], Any],
    volume: Tensor,
    truth: Tensor,
    affine: NDArray[np.float64],
    seed: int,
    *,
    swap: NDArray[np.int64] | None = None,
) -> tuple[Tensor, Tensor]:
    """Augment one scan, and its mask alike.

    Args:
        transform: What `make_augmentation` returned.
        volume: (channels, x, y, z).
        truth: A mask (1, x, y, z) of whole numbers, or a scalar.
        affine: Voxel to mm, 4x4.
        seed: Decides every random draw; the caller's generator is left as it was.
        swap: What each value of the truth becomes if the scan is mirrored left to right.

    Returns:
        Volume and truth in the types in which they came; a scalar changes by `swap` alone.

    Raises:
        UserError: If the volume has another shape afterwards.
    """
    import torchio

    images: dict[str, Any] = {"volume": torchio.ScalarImage(tensor=volume, affine=affine)}
    if truth.ndim == 4:
        images["mask"] = torchio.LabelMap(tensor=truth, affine=affine)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        augmented = transform(torchio.Subject(images))
    changed = augmented["volume"].data
    if changed.shape != volume.shape:
        raise UserError(
            f"train.augment: a volume {tuple(volume.shape)} became {tuple(changed.shape)}; "
            "leave out the transform that changes the shape"
        )
    if "mask" in images:
        truth = augmented["mask"].data.to(truth.dtype)  # SimpleITK gives floats
    if swap is not None and _mirrored(augmented):
        truth = torch.from_numpy(swap)[truth.long()].to(truth.dtype)
    return changed.float(), truth


def _mirrored(augmented: Any) -> bool:
    """Tell whether left and right have changed places; axis 0 of a prepared volume leads right."""
    flips = [step for step in augmented.history if type(step).__name__ == "Flip"]
    return sum(0 in flip.axes for flip in flips) % 2 == 1


def _make(transform: Mapping[str, Mapping[str, Any]]) -> Any:
    import torchio

    ((name, arguments),) = transform.items()
    try:
        return getattr(torchio, name)(**{key: _value(value) for key, value in arguments.items()})
    except (TypeError, ValueError, KeyError) as error:
        raise UserError(
            f"train.augment: {name} does not take {dict(arguments)}: {error}"
        ) from error


def _value(value: Any) -> Any:
    """Lists of numbers as tuples, lists of transforms (`OneOf`) as TorchIO's objects."""
    if not isinstance(value, list | tuple):
        return value
    nested = bool(value) and all(isinstance(part, Mapping) for part in value)
    return [_make(part) for part in value] if nested else tuple(_value(part) for part in value)
