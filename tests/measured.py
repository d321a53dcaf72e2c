"""What is measured of masks, where only the Dice is looked at."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart.tasks.mask_metrics import MEASURES


def as_measured(dice: Any) -> NDArray[np.float64]:
    """Rows of all measures (n, measures * classes), with this Dice of each class (n, classes)."""
    known = np.asarray(dice, float)
    return np.column_stack(
        [known, np.full((len(known), known.shape[1] * (len(MEASURES) - 1)), 0.5)]
    )


def columns_of(classes: str) -> dict[str, list[str]]:
    """Empty cells of all measures but the Dice, for three scans."""
    return {f"{kind}_{of}": [""] * 3 for kind in MEASURES[1:] for of in classes}
