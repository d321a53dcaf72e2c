"""The classes of masks in colour, over a scan."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.patches import Patch
from numpy.typing import NDArray

from headstart.figures.style import BLACK
from headstart.figures.style import PURPLE
from headstart.figures.style import SKY
from headstart.figures.style import VERMILION
from headstart.figures.style import YELLOW

# Light enough for dark scans, and apart from each other in grey too.
MOST_KEYS = 6  # side by side in a legend
MASK_COLOURS = (YELLOW, SKY, VERMILION, PURPLE)


def colour_of(number: int) -> str:
    """Return the colour of a class by its number in masks, 1, 2, …; the fifth has the first's."""
    return MASK_COLOURS[(number - 1) % len(MASK_COLOURS)]


def class_keys(names: Sequence[str]) -> list[Artist]:
    """Return what a legend shows of each class."""
    return [
        Patch(fc=colour_of(number), ec=BLACK, lw=0.4, label=name)
        for number, name in enumerate(names, start=1)
    ]


def show_class_keys(axes: Axes, keys: Sequence[Artist], *, above: float) -> None:
    """Put a legend above the last picture of a page's first row, in the room that titles have."""
    legend = axes.legend(
        handles=[*keys],
        ncols=min(len(keys), MOST_KEYS),
        loc="lower right",
        bbox_to_anchor=(1, above),
        borderpad=0,
    )
    legend.set_in_layout(False)  # its width would push columns apart


def fill(axes: Axes, inside: NDArray[np.bool_], colour: str) -> None:
    """Lay a veil over what is inside, of a slice that is shown already."""
    veil = np.zeros((*inside.T.shape, 4))
    veil[...] = to_rgba(colour, 0.45)
    veil[..., 3] *= inside.T
    axes.imshow(veil, origin="lower", aspect=axes.get_aspect())


def outline(axes: Axes, inside: NDArray[Any], colour: str, width: float = 1.0) -> None:
    """Draw the edge of what is inside, legible on bright and on dark."""
    if inside.any() and not inside.all():
        for shade, wide in ((BLACK, 2 * width), (colour, width)):
            axes.contour(inside.T.astype(float), [0.5], colors=shade, linewidths=wide)
