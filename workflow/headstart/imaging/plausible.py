"""Whether a scan's size is plausible for a head, and within what the study allows."""

from __future__ import annotations

from collections.abc import Iterator

from headstart.common.text import times
from headstart.imaging.config import Check
from headstart.imaging.config import Steps
from headstart.imaging.scan_rows import CheckRow

# Edges of a head scan's field of view, mm.
LEAST, MOST = 50.0, 600.0
SLAB = 10.0  # mm, of a series: fast ones have few slices


def field_of_view(prepare: Steps) -> tuple[float, float]:
    """Return the least and the most edge of a field of view, mm, where the config gives none.

    50 to 600 mm, of series 10 to 600; but a study of small crops says by its window what it looks
    at: a third of the window's shortest edge is enough then.

    Args:
        prepare: The config's section `prepare`.
    """
    axes = zip(prepare.usual_window, prepare.usual_voxel_size, strict=True)
    edges = [n * size for n, size in axes]
    least = SLAB if prepare.series else LEAST
    return min(least, min(edges) / 3), max(MOST, *edges)


def out_of_range(row: CheckRow, rules: Check) -> Iterator[tuple[str, str]]:
    """Yield code and problem where a scan's shape, voxel size or field of view is out of range.

    Args:
        row: A checked scan.
        rules: The config's section `check`; None stands for any size.
    """
    edges = [n * size for n, size in zip(row.shape, row.voxel_size, strict=True)]
    advice = "look at it, then widen the range or exclude it"
    units = f"correct the voxel size or the unit of length in its header; if it is right, {advice}"
    for code, found, wanted, unit, fix in (
        ("shape", row.shape, rules.shape, "voxels", advice),
        ("voxel-size", row.voxel_size, rules.voxel_size, "mm", advice),
        ("field-of-view", edges, rules.field_of_view, "mm", units),
    ):
        if wanted and not all(wanted[0] <= edge <= wanted[1] for edge in found):
            has = times(found)
            yield (
                code,
                f"{row.path}: has {has} {unit}, outside check.{code.replace('-', '_')} = "
                f"{wanted[0]:g} to {wanted[1]:g}; {fix}",
            )
