"""What `init` saw in a folder that it could not interpret."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence

from headstart.planning import file_kinds
from headstart.planning import file_names
from headstart.planning import file_words
from headstart.planning.label_columns import Table

MOST_PATTERNS = 6
EXAMPLES = 3


def saw(images: Sequence[str], tables: Sequence[Table]) -> Iterator[str]:
    """Say what names there are, what ids the tables have, and what to write by hand.

    Args:
        images: The NIfTI files, relative to their folder.
        tables: The tables beside them.

    Yields:
        One line each: the names of files as patterns with their counts, the tables, the config.
    """
    kinds = file_kinds.kinds_of(images)
    for kind in kinds[:MOST_PATTERNS]:
        yield f"{len(kind.paths)} x {kind.template(whole=False)}, e.g. {kind.paths[0]}"
    if kinds[MOST_PATTERNS:]:
        yield f"{len(kinds) - MOST_PATTERNS} more kinds of names"
    for table in tables:
        column = table.identity or next(iter(table.columns), None)
        if column is not None:
            ids = ", ".join(list(dict.fromkeys(filter(None, table.cells[column])))[:EXAMPLES])
            yield f"{table.title}: {len(table.cells)} rows, {column} e.g. {ids}"
    no_masks = [kind for kind in kinds if not file_words.is_mask(kind.known)]
    no_masks.sort(key=lambda kind: not set(kind.known) & set(file_words.CHANNELS))
    example = _example(no_masks[0]) if no_masks else "{subject}/T1.nii.gz"
    yield (
        "write by hand which part of a name is the subject: data: [{source: own, path: ., "
        f"channels: {{T1: '{example}'}}}}]"
    )


def _example(kind: file_names.Kind) -> str:
    """Return a kind's template with its most different word as the subject."""
    places = kind.differing()
    if not places:
        return kind.paths[0]
    best = max(places, key=lambda place: len(set(kind.values(place))))
    values = kind.values(best)
    places = [place for place in places if kind.values(place) == values]
    return file_names.Kind(
        kind.paths, kind.words, kind.cuts, dict.fromkeys(places, "subject")
    ).template(whole=False)
