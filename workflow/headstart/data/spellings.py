"""One value in several spellings: M, m, Male; left, Left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from headstart.common.text import is_number
from headstart.data.column_names import plain

MALE = {
    *("m", "male", "males", "man", "men", "boy", "mann", "maennlich", "homme", "masculin"),
    *("hombre", "masculino", "maschio", "uomo", "h", "maschile", "varon", "varones"),
}
FEMALE = {
    *("f", "w", "female", "females", "woman", "women", "girl", "frau", "weiblich", "femme"),
    *("feminin", "mujer", "mujeres", "femenino", "femmina", "donna", "femminile", "vrouw"),
}
# In Spanish m is mujer and v varón, in Dutch v is vrouw.
SPANISH = {"h", "hombre", "varon", "mujer"}
SPANISH_MEN = {"h", "hombre", "v", "varon"}
DUTCH = {"man", "vrouw"}


def one_spelling(cells: Collection[str], *, sex: bool) -> dict[str, str]:
    """Return one spelling for each value of a column of words.

    Args:
        cells: The column; '' is missing. Numbers that are equal, as 1 and 1.0, are one value.
        sex: Whether it holds the sex of people.

    Returns:
        Value: how most cells write it; empty where each value is written in one way.
    """
    counts = Counter(cell for cell in cells if cell)
    groups: dict[str, list[str]] = {}
    for cell, _ in counts.most_common():
        groups.setdefault(meaning(cell, counts, sex=sex), []).append(cell)
    if all(len(group) == 1 for group in groups.values()):
        return {}
    return {cell: group[0] for group in groups.values() for cell in group}


def spelt_twice(name: str, cells: Collection[str]) -> str:
    """Say which classes of a label are one value in two spellings, and what to type; "" if none."""
    words = one_spelling(cells, sex=False)
    if not words:
        return ""
    spelt = next(cell for cell, word in words.items() if cell != word)
    shown = ", ".join(f"{cell}: {word}" for cell, word in words.items())
    return (
        f"'{spelt}' and '{words[spelt]}' differ in case or accents only, and would be two classes; "
        f"if they are one, say so: `labels: {{{name}: {{from: COLUMN, map: {{{shown}}}}}}}`"
    )


def differing(pairs: Collection[tuple[str, str]], *, sex: bool) -> int:
    """Count where two sources of one label differ: M and female, not M and 1.

    Args:
        pairs: What each says, both known.
        sex: Whether it is the sex of people.
    """
    first, second = (list(side) for side in zip(*pairs, strict=True)) if pairs else ([], [])
    alike = [
        (meaning(one, first, sex=sex), meaning(two, second, sex=sex))
        for one, two in zip(first, second, strict=True)
    ]
    if not {one for one, _ in alike} & {two for _, two in alike}:
        usual = dict(pair for pair, _ in reversed(Counter(alike).most_common()))
        alike = [(usual[one], two) for one, two in alike]
    return sum(one != two for one, two in alike)


def meaning(cell: str, others: Collection[str], *, sex: bool) -> str:
    """Return what a value means, M for Male: the same for all spellings of it.

    Args:
        cell: The value.
        others: All values that stand with it.
        sex: Whether it is the sex of people.
    """
    word = plain(cell).strip(" .")
    if is_number(word):
        return f"{float(word):g}"
    if not sex:
        return word
    there = {plain(other).strip(" .") for other in others}
    spanish = there & SPANISH and there & SPANISH_MEN and not there & {"f", "w", "masculino"}
    if word == "m" and spanish:
        return "F"
    if word == "v" and (spanish or there & DUTCH):
        return "M" if spanish else "F"
    return "M" if word in MALE else "F" if word in FEMALE else word
