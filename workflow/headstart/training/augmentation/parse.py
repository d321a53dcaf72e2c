"""What `train.augment` asks for, read once: TorchIO's own objects, and who runs each."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from headstart.common.errors import UserError
from headstart.training.augmentation.base import Intensity
from headstart.training.augmentation.registry import TRANSFORMS
from headstart.training.augmentation.spatial import Spatial
from headstart.training.torchio_names import holds_transforms


@dataclass(frozen=True, eq=False)
class Asked:
    """A transform of `train.augment`.

    Attributes:
        name: TorchIO's.
        transform: TorchIO's object, which has read and checked its arguments.
        kind: What we run it by; None if TorchIO runs it.
    """

    name: str
    transform: Any
    kind: type[Spatial] | type[Intensity] | None

    @property
    def moves(self) -> bool:
        """Whether voxels go to other places."""
        from torchio.transforms.spatial_transform import SpatialTransform

        return isinstance(self.transform, SpatialTransform)


@dataclass(frozen=True)
class Choice:
    """OneOf.

    Attributes:
        probability: That one of them is applied.
        branches: The transforms, each as likely as the others.
    """

    probability: float
    branches: tuple[Asked | Choice, ...]


def parse(transforms: Sequence[Mapping[str, Mapping[str, Any]]]) -> tuple[Asked | Choice, ...]:
    """Read `train.augment`.

    Args:
        transforms: One class name and its arguments each, e.g. `{"RandomNoise": {"std": 0.1}}`.

    Raises:
        UserError: If TorchIO does not take an argument's value.
    """
    return tuple(_parse(name, given) for entry in transforms for name, given in entry.items())


def leaves(nodes: Sequence[Asked | Choice]) -> Iterator[Asked]:
    """Yield all transforms in order, also those of OneOf."""
    for node in nodes:
        if isinstance(node, Choice):
            yield from leaves(node.branches)
        else:
            yield node


def _parse(name: str, given: Mapping[str, Any]) -> Asked | Choice:
    import torchio  # takes a second, and many a training augments nothing

    nested = given.get("transforms", ())
    branches = parse(nested) if holds_transforms(nested) else ()
    arguments = {key: _value(value) for key, value in given.items()}
    if branches:
        arguments["transforms"] = [node.transform for node in leaves(branches)]
    kind = TRANSFORMS.get(name)
    try:
        transform = getattr(torchio, name)(**arguments)
        runs = kind is not None and kind.runs(transform)
    except (TypeError, ValueError, KeyError, ZeroDivisionError) as error:
        raise UserError(f"train.augment: {name} does not take {dict(given)}: {error}") from error
    if branches:
        return Choice(transform.probability, branches)
    return Asked(name, transform, kind if runs else None)


def _value(value: Any) -> Any:
    """Lists as tuples, those in the arguments of a part too."""
    if isinstance(value, Mapping):
        return {key: _value(part) for key, part in value.items()}
    return tuple(map(_value, value)) if isinstance(value, list | tuple) else value
