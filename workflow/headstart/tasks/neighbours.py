"""Which volumes of a series tell of one: a part of the config's section `train`."""

from __future__ import annotations

from pydantic import Field
from pydantic import model_validator

from headstart.common.schema import Section

JUDGED = 3  # volumes with all neighbours, at the least: their spread about a line in time is known


class Neighbours(Section):
    """The volumes of a series that tell of one between them, which is left out."""

    before: int = Field(3, ge=0, le=100, description="volumes before it, 0 to 100")
    after: int = Field(
        3,
        ge=0,
        le=100,
        description="volumes after it, 0 to 100; 0 for a network that looks back alone, e.g. "
        "{before: 6, after: 0}",
    )

    @model_validator(mode="after")
    def _sees_something(self) -> Neighbours:
        if self.before + self.after == 0:
            raise ValueError("before and after: are both 0; write e.g. {before: 3, after: 3}")
        return self

    @property
    def steps(self) -> tuple[int, ...]:
        """How many volumes away those lie that are seen, in order."""
        return (*range(-self.before, 0), *range(1, self.after + 1))

    @property
    def fewest(self) -> int:
        """Volumes that a series needs: all have neighbours or mirror images, some can be judged."""
        return max(2 * max(self.before, self.after) + 1, self.before + self.after + JUDGED)

    def around(self, time: int, length: int) -> list[int]:
        """Return the volumes by which one is told; that one itself is never among them.

        Args:
            time: The volume, from 0.
            length: Volumes of the series; at least `fewest`.

        Returns:
            Its neighbours, in order; beyond the series' ends, the one as far on the other side.
        """
        return [time + n if 0 <= time + n < length else time - n for n in self.steps]

    def inner(self, length: int) -> range:
        """Return the volumes that have all neighbours, in a series of so many.

        By them alone networks and baselines are judged: whatever is made of a series' ends, all
        then tell the same volumes, and none has seen a mirror image in place of a neighbour.
        """
        return range(self.before, length - self.after)
