"""How tables mark missing values: signs, words, and numbers that stand apart, such as 999."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection
from collections.abc import Sequence
from itertools import pairwise

from headstart.common.text import is_number
from headstart.data.column_names import plain
from headstart.data.spellings import FEMALE
from headstart.data.spellings import MALE

# How a table may say that a value is missing, in any case of letters; it is read as ''.
MISSING = {
    *("n/a", "na", "nan", "n.a.", "<na>", "null", "k.a.", "k. a.", "#n/a", "#nv", "#na"),
    *("#value!", "#div/0!", "#ref!", "#name?", "#num!", "#null!", "#wert!", "#bezug!"),
}
# Signs that never are a value, unless + stands beside them.
SIGNS = {"-", "--", "---", "\u2013", "\u2014", "?", "??", "???", ".", "..", "…", "/"}
# Words for 'not known', as `_bare` writes them: English, German, French, Spanish, Italian.
WORDS = {
    *("unknown", "unk", "not known", "notknown", "missing", "missing value", "not available"),
    *("unavailable", "not done", "no data", "not reported", "not recorded", "not collected"),
    *("not obtained", "not assessed", "not measured", "not stated", "not specified", "not given"),
    *("unspecified", "no information", "no answer", "no response", "prefer not to say"),
    *("prefer not to answer", "don t know", "dont know", "i don t know", "do not know"),
    *("doesn t know", "does not know", "dk", "nd", "n d", "nk", "not applicable"),
    *("unbekannt", "nicht bekannt", "fehlt", "fehlend", "fehlender wert", "keine angabe"),
    *("keine angaben", "ohne angabe", "nicht angegeben", "keine antwort", "keine daten"),
    *("nicht erhoben", "nicht erfasst", "nicht gemessen", "nicht durchgefuehrt", "weiss nicht"),
    *("weiss ich nicht", "ich weiss nicht", "ich weiss es nicht", "weiss es nicht"),
    *("nicht verfuegbar", "nicht zutreffend", "entfaellt"),
    *("inconnu", "inconnue", "inconnus", "non connu", "non connue", "manquant", "manquante"),
    *("donnee manquante", "donnees manquantes", "pas de donnee", "pas de donnees"),
    *("pas de reponse", "sans reponse", "ne sait pas", "ne sais pas", "je ne sais pas"),
    *("nsp", "non renseigne", "non renseignee", "non precise", "non precisee", "non disponible"),
    *("non applicable", "non mesure", "non fait", "non communique"),
    *("desconocido", "desconocida", "no conocido", "no conocida", "sin datos", "sin dato"),
    *("sin informacion", "sin respuesta", "no sabe", "no se", "no lo se", "no lo sabe"),
    *("no se sabe", "no contesta", "ns nc", "no sabe no contesta", "no disponible", "no consta"),
    *("no registrado", "no informado", "no aplica", "no procede", "faltante", "falta"),
    *("sconosciuto", "sconosciuta", "ignoto", "ignota", "non noto", "non nota", "mancante"),
    *("dato mancante", "dati mancanti", "non so", "non lo so", "non sa", "non lo sa"),
    *("non disponibile", "non pervenuto", "non rilevato", "non risponde", "nessuna risposta"),
    *("non applicabile", "non specificato", "non riportato"),
}
NO_NUMBER = {"none", "nil", "keine", "aucun", "ninguno", "nessuno", "x"}
CODES = {
    *(0.0, 9.0, 77.0, 88.0, 99.0, 99.9, 777.0, 888.0, 999.0, 999.9, 7777.0, 8888.0, 9999.0),
    *(99999.0, 999999.0, -1.0, -4.0, -7.0, -8.0, -9.0, -77.0, -88.0, -99.0, -777.0, -888.0),
    *(-999.0, -9999.0, -99999.0),
}
AGES = (0.0, 120.0)  # years
FIRST_AGE = 10.0  # among people of this age and older, 0 is no age
NUMBERS_SHARE = 0.5  # a column holds numbers if so many of its cells are
FEW = 6  # different numbers: classes
CENSORED = re.compile(r"[<>≤≥]=? ?\d+([.,]\d+)?|\d+([.,]\d+)? ?\+|\d+ and (over|older|above)")
RANGE = re.compile(r"\d+([.,]\d+)? ?(-|\u2013|to|bis|à|a) ?\d+([.,]\d+)?")


def _bare(cell: str) -> str:
    """Return a cell's words, without accents and signs: `Weiß nicht!` is weiss nicht."""
    return " ".join(re.findall(r"[^\W_]+", plain(cell)))


def says_unknown(cell: str) -> bool:
    """Say whether a cell is a word for 'not known', in any writing."""
    return _bare(cell) in WORDS


def is_no_number(cell: str) -> bool:
    """Say whether a cell among numbers tells that there is none, or but a bound of it."""
    nothing = cell.lower() in MISSING or cell in SIGNS or cell.casefold() in NO_NUMBER
    return nothing or says_unknown(cell) or CENSORED.fullmatch(cell) is not None


def missing_codes(cells: Collection[str], *, age: bool) -> dict[str, str]:
    """Find the values of a column that mean 'not known', by how the others are distributed.

    Args:
        cells: The column; '' is missing.
        age: Whether it holds ages in years.

    Returns:
        Each such value as it is written, and why it is none, in words.
    """
    known = [cell for cell in cells if cell]
    numbers = [float(cell) for cell in known if is_number(cell)]
    words = [cell for cell in known if not is_number(cell) and not says_unknown(cell)]
    if words and (len(numbers) <= NUMBERS_SHARE * len(known) or {*numbers} <= CODES - {0}):
        found, beside = _codes_among_words({*numbers}), ""
    elif numbers:
        found = _codes_among_numbers(numbers, age=age)
        rest = sorted({n for n in numbers if n not in found})
        beside = f"the others are {rest[0]:g} to {rest[-1]:g}" if rest else "no number is beside it"
    else:
        found, beside = set(), ""
    others = {plain(word) for word in words} - {"u"}
    sexes = len(others) > 1 and others <= MALE | FEMALE
    codes = {}
    for cell in dict.fromkeys(known):
        text = cell.casefold()
        if is_number(cell):
            if float(cell) in found:
                codes[cell] = beside or "a number among words"
        elif says_unknown(cell) or (beside and text in NO_NUMBER) or (text == "u" and sexes):
            codes[cell] = "a word for 'not known'"
        elif beside and CENSORED.fullmatch(cell):
            codes[cell] = "no number, but a bound"
    return codes


def _codes_among_words(numbers: Collection[float]) -> set[float]:
    """Return the numbers of a column of words that are codes; 0 may be the least of its classes."""
    others = [number for number in numbers if number not in CODES or number == 0]
    low, high = min(others, default=0), max(others, default=0)
    return {n for n in CODES & {*numbers} if n < 0 <= low or n > 10 * high}


def are_ranges(cells: Sequence[str]) -> bool:
    """Say whether a column holds ranges of numbers, such as 20-25."""
    known = [cell for cell in cells if cell]
    return sum(RANGE.fullmatch(cell) is not None for cell in known) > len(known) / 2


def _codes_among_numbers(numbers: Sequence[float], *, age: bool) -> set[float]:
    """Return the numbers that are codes: far from all others, or impossible ages."""
    counts = Counter(numbers)
    impossible = {n for n in counts if age and not AGES[0] <= n <= AGES[1]}
    base = sorted(set(counts) - CODES - impossible)
    found = set(impossible)
    if len(base) < 2:
        return found
    widest = max(after - before for before, after in pairwise(base))
    spread = base[-1] - base[0]
    for code in sorted(CODES & set(counts)):
        distance = code - base[-1] if code > 0 else base[0] - code
        far = distance > spread or (counts[code] > 1 and distance > spread / 2)
        below = code < 0 <= base[0] and len(base) > FEW
        no_age = age and code == 0 and base[0] >= FIRST_AGE
        few_zero = code == 0 and len(base) < FEW
        if below or no_age or (distance > 2 * widest and far and not few_zero):
            found.add(code)
    return found
