"""Names that speak of a side, such as `hippocampus_left`: a mirrored scan would make them wrong."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from collections.abc import Iterator

# Opposite words along each axis of a prepared volume (left-right, back-front, down-up), in the
# languages that centres name their structures in.
SPELLED: tuple[tuple[tuple[str, str], ...], ...] = (
    (
        *(("left", "right"), ("lh", "rh"), ("lhs", "rhs"), ("lt", "rt"), ("l", "r")),
        *(("sinister", "dexter"), ("sinistra", "dextra"), ("sin", "dex"), ("sin", "dx")),
        *(("links", "rechts"), ("linke", "rechte"), ("linker", "rechter"), ("li", "re")),
        *(("linkes", "rechtes"), ("linken", "rechten"), ("gauche", "droite"), ("gauche", "droit")),
        *(("g", "d"), ("izquierda", "derecha"), ("izquierdo", "derecho"), ("izq", "der")),
        *(("izq", "dcha"), ("izda", "dcha"), ("sinistra", "destra"), ("sinistro", "destro")),
        *(("sx", "dx"), ("esquerda", "direita"), ("esquerdo", "direito"), ("esq", "dir")),
        *(("esquerra", "dreta"), ("stanga", "dreapta"), ("zurda", "diestra"), ("zurdo", "diestro")),
        *(("lft", "rgt"), ("gche", "dte"), ("gauch", "droi"), ("vanster", "hoger")),
        *(("venstre", "højre"), ("venstre", "hoyre"), ("venstre", "høyre"), ("vinstri", "haegri")),
        *(("vasen", "oikea"), ("bal", "jobb"), ("sol", "sag"), ("kiri", "kanan"), ("trai", "phai")),
        *(("lewa", "prawa"), ("lewy", "prawy"), ("lewe", "prawe"), ("leva", "prava")),
        *(("levy", "pravy"), ("lava", "prava"), ("lijevo", "desno"), ("levo", "desno")),
        *(("левый", "правый"), ("левая", "правая"), ("левое", "правое"), ("слева", "справа")),
        *(("лівий", "правий"), ("ліва", "права"), ("ляво", "дясно"), ("αριστερα", "δεξια")),
        *(("αριστεροσ", "δεξιοσ"), ("αριστερο", "δεξιο"), ("يسار", "يمين"), ("ايسر", "ايمن")),
        *(("شمال", "يمين"), ("שמאל", "ימין"), ("왼쪽", "오른쪽"), ("좌측", "우측"), ("좌", "우")),
        *(("左侧", "右侧"), ("左側", "右側"), ("左", "右")),
    ),
    (
        *(("anterior", "posterior"), ("ant", "post"), ("front", "back"), ("rostral", "caudal")),
        *(("vordere", "hintere"), ("vorderer", "hinterer"), ("vorne", "hinten"), ("a", "p")),
        *(("anterieur", "posterieur"), ("anteriore", "posteriore")),
    ),
    (
        *(("superior", "inferior"), ("sup", "inf"), ("upper", "lower"), ("top", "bottom")),
        *(("dorsal", "ventral"), ("obere", "untere"), ("oben", "unten"), ("s", "i")),
        *(("superieur", "inferieur"), ("superiore", "inferiore")),
    ),
)


def _plain(text: str) -> str:
    """Return a text without accents, in small letters."""
    decomposed = unicodedata.normalize("NFKD", text)
    bare = "".join(sign for sign in decomposed if not unicodedata.combining(sign))
    # what Hangul was taken apart into is put together again
    return unicodedata.normalize("NFC", bare).casefold()


OPPOSITES = [[(_plain(one), _plain(two)) for one, two in pairs] for pairs in SPELLED]
# What an axis is called where a scan is mirrored along it.
MIRRORED = ("left into right", "front into back", "top into bottom")
# Shorter words have other meanings too (dx is a diagnosis, sin a sine): they count only where
# their opposite is among the names, but for these.
LONG = 5
CLEAR = ("left", "lh", "rh", "lhs", "rhs")
# One letter is a side beside another word, or where the two are all there is: grades are A to G.
LETTERS = ("g", "d", "a", "p", "s", "i")
# Words of one sign, which stand for a side wherever they are written.
SIGNS = "左右좌우"
# Words of a question about the side itself.
TOPICS = {
    *("side", "sided", "hemisphere", "hemi", "asymmetry", "handedness", "handed"),
    *("laterality", "lateralisation", "lateralization", "lateralite", "lateralidad", "lateralita"),
    *("lateralitat", "lateralitaet", "seite", "asymmetrie", "hemisphare", "hemisphaere"),
    *("cote", "lado", "asimetria", "lato", "asimmetria", "zijde", "sida", "strona", "strana"),
    *("puoli", "oldal", "taraf", "сторона", "πλευρα", "hand", "handed", "dominance", "ehi"),
}
TOPIC_SIGNS = "侧側쪽"


def sided(names: Collection[str], axis: int) -> list[str]:
    """Return the names that speak of a side along an axis.

    Args:
        names: All names of a kind, e.g. the classes of a mask. Short words such as `l` count where
            the opposite name is among them too, or where they stand beside another word.
        axis: 0 left-right, 1 back-front, 2 down-up.
    """
    words = {name: _words(name) for name in names}
    bags = {tuple(sorted(own)) for own in words.values()}
    wholes = {"".join(own) for own in words.values()}
    return [
        name
        for name, own in words.items()
        if _speaks(own, axis)
        or any(tuple(sorted(other)) in bags for other in _opposites(own, axis, len(names)))
        or any(other in wholes for other in _opposite_wholes("".join(own), axis))
    ]


def asks_for_side(target: str) -> bool:
    """Tell whether a target's name asks for the side, as `lesion_side` or `Lateralität` do."""
    words = _words(target)
    signs = any(sign in word for word in words for sign in TOPIC_SIGNS)
    return signs or bool(TOPICS & set(words)) or bool(sided([target], 0))


def _words(name: str) -> tuple[str, ...]:
    """Split a name at signs, digits and capitals, without accents: `LThalamus` is l, thalamus."""
    whole = unicodedata.normalize("NFC", name)
    # by capitals as they are written, in every script
    kinds = "".join(map(_kind, whole))
    parts = re.finditer("U+(?!l)|U?l+|d+", kinds)
    return tuple(_plain(whole[part.start() : part.end()]) for part in parts)


def _kind(sign: str) -> str:
    """Say whether a sign is a capital U, another letter l, a digit d, or none of these."""
    if sign.isalpha():
        return "U" if sign.isupper() else "l"
    return "d" if sign.isdecimal() else "-"


def _speaks(words: tuple[str, ...], axis: int) -> bool:
    """Tell whether one of the words can mean nothing but a side."""
    known = {word for pair in OPPOSITES[axis] for word in pair}
    if any(word in known and (len(word) >= LONG or word in CLEAR) for word in words):
        return True
    if axis > 0:
        return False
    if any(sign in word for word in words for sign in SIGNS):
        return True
    rests = (re.sub(r"^(left|right|links|rechts)|(left|right)$", "", word) for word in words)
    if any(len(word) > len(rest) > 2 for word, rest in zip(words, rests, strict=True)):
        return True
    # L>R; thalamus_l, R_hippocampus
    at_an_end = len(words) > 1 and {words[0], words[-1]} & {"l", "r"}
    return {"l", "r"} <= set(words) or bool(at_an_end and any(len(word) > 2 for word in words))


def _opposites(words: tuple[str, ...], axis: int, names: int) -> Iterator[tuple[str, ...]]:
    """Yield a name's words with one of them replaced by its opposite; `names`: how many names."""
    for place, word in enumerate(words):
        if len(words) == 1 and word in LETTERS and names > 2:
            continue
        for one, two in OPPOSITES[axis]:
            if word in (one, two):
                yield (*words[:place], two if word == one else one, *words[place + 1 :])


def _opposite_wholes(name: str, axis: int) -> Iterator[str]:
    """Yield a name with its first or last letters replaced by their opposite: lthal, rthal."""
    for pair in OPPOSITES[axis]:
        for one, two in (pair, pair[::-1]):
            if name.startswith(one) and name != one:
                yield two + name.removeprefix(one)
            if name.endswith(one) and name != one:
                yield name.removesuffix(one) + two
