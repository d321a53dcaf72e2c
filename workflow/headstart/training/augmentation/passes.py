"""The order in which transforms are applied: spatial neighbours are one pass, others one each."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace
from typing import Any
from typing import cast

from headstart.training.augmentation.base import Images
from headstart.training.augmentation.base import Intensity
from headstart.training.augmentation.base import Transform
from headstart.training.augmentation.elsewhere import run_in_torchio
from headstart.training.augmentation.parse import Asked
from headstart.training.augmentation.resampling import move
from headstart.training.augmentation.spatial import MINIMUM
from headstart.training.augmentation.spatial import Fill
from headstart.training.augmentation.spatial import Spatial

Steps = Mapping[int, Transform]


@dataclass
class Pass:
    """Transforms that are applied at once.

    Attributes:
        asked: The transforms by their place in `train.augment`.
        fill: What fills places outside, of images and masks; None as long as any will do.
    """

    asked: dict[int, Asked]
    fill: Fill | None = None

    def takes(self, asked: Asked) -> bool:
        """Tell whether another transform can be applied at once with these."""
        kinds = [*(one.kind for one in self.asked.values()), asked.kind]
        if not all(kind is not None and issubclass(kind, Spatial) for kind in kinds):
            return False
        bends = any(cast(type[Spatial], kind).last for kind in kinds[:-1])
        return not bends and (self.fill is None or fill_of(asked) in (None, self.fill))

    def apply(self, batch: Images, drawn: Sequence[Steps]) -> Images:
        """Apply it to the scans that drew one of its transforms.

        Args:
            batch: The scans.
            drawn: All that each of them drew, by place.
        """
        steps = [[one[place] for place in self.asked if place in one] for one in drawn]
        chosen = [row for row, some in enumerate(steps) if some]
        if not chosen:
            return batch
        part = self._applied(batch.only(chosen), [steps[row] for row in chosen])
        return batch.updated(chosen, part)

    def _applied(self, batch: Images, steps: Sequence[Sequence[Any]]) -> Images:
        asked = next(iter(self.asked.values()))
        if asked.kind is None:
            return run_in_torchio(asked.transform, batch, [step for (step,) in steps])
        if issubclass(asked.kind, Intensity):
            return replace(batch, volumes=asked.kind.apply([step for (step,) in steps], batch))
        return move(batch, steps, self.fill or (MINIMUM, 0.0))


def fill_of(asked: Asked) -> Fill | None:
    """Return what fills places outside, if it is a spatial transform that asks for something."""
    if asked.kind is None or not issubclass(asked.kind, Spatial):
        return None
    return asked.kind.fill(asked.transform)


def passes_of(asked: Iterable[Asked]) -> list[Pass]:
    """Put spatial neighbours together, up to the first that bends or fills otherwise."""
    passes: list[Pass] = []
    for place, one in enumerate(asked):
        if not passes or not passes[-1].takes(one):
            passes.append(Pass({}))
        passes[-1].asked[place] = one
        passes[-1].fill = passes[-1].fill or fill_of(one)
    return passes
