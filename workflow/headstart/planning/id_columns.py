"""How likely a table's column holds the ids of the scans."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import IntEnum

from headstart.common.text import is_number
from headstart.data.column_names import LABELS
from headstart.data.column_names import is_identity
from headstart.data.column_names import is_private
from headstart.data.column_names import label_name
from headstart.data.column_names import words_of

# A name that says number and no more: that of the row may be meant.
BARE_NUMBER = re.compile(r"(nr|no|n|num|number|nummer|numero)?")
# Words of columns that measure or count something, or say in which order it came.
MEASURES = re.compile(
    r"dauer|duration|duree|duracion|durata|onset|beginn"
    r"|\b(alter|age|edad|eta|idade|leeftijd|wiek|alder)\b"
    r"|jahre|years?\b|yrs?\b|annees?|\banos\b|\banni\b|mona[td]|months?\b|\bmois\b|meses|mesi\b"
    r"|wochen|weeks?\b|tage\b|days?\b|jours|dias\b|giorni|zeit|time|temps|tiempo|tempo"
    r"|reihenfolge|rang\b|rank|order|ordre|orden|ordine|sequen[cz]|position"
    r"|score|punkt|puntuacion|punteggio|skala|scale|rating|grade?\b|grad\b|stage|stadium|level|wert"
    r"|value|total|summe?\b|mean|mittel|rate\b|quote|percent|prozent|dosis|dos(e|age)\b"
    r"|gewicht|weight|poids|\bpeso|groesse|height|taille|talla|altura|altezza|laenge|length|size"
    r"|volum|\bvol\b|dicke|thickness|flaeche|area|lesionslast|\bload\b|abstand|distance"
    r"|anzahl|zahl\b|count|nombre|cantidad|quantita|(number|num|n|no|numero|nr) (of|de|di|der) "
    r"|visits|scans\b|sessions|lesions|laesionen|education|bildungs|ausbildung"
    r"|\b(edss|mmse|moca|bmi|iq|qi|raven|updrs|hamd|bdi|phq|gaf|cdr|panss|madrs|nihss|gcs|mrs|tiv|icv)\b"
)
# Words of ids that are not the subject's: of a relative, a match, a rater, a device.
OTHERS = re.compile(
    r"\b((co ?)?twins?|zwilling\w*|jumeaux?|jumelles?|gemel[lo]\w*|gemela?s?|mellizo"
    r"|mothers?|mutter|mere|madre|fathers?|vater|pere|padre|parents?|eltern(teil)?|genitor[ei]"
    r"|siblings?|geschwister|brother|bruder|frere|hermano|fratello|sister|schwester|soeur|hermana"
    r"|sorella|famil\w*|famigli\w*|pedigree|household|haushalt|(fam|pedigree|mother|father|twin)id"
    r"|controls?|kontroll\w*|controles?|controll[oi]|temoins?|match(ed|es)?"
    r"|partner|spouse|conjointe?|pareja|coniuge|raters?|readers?|befunder|lecteur|lector|lettore"
    r"|evaluat(or|eur)|evaluador|valutatore|examiner|untersucher|operator|scanners?|geraete?)\b"
)
DATE = re.compile(r"\d{1,4}([-./])\d{1,2}\1\d{1,4}")
CODE = re.compile(r"(?=.*\d)\w[-\w.]*")
DECIMAL = re.compile(r"[+-]?\d[\d.,' ]*[.,]\d+")
WHOLE = re.compile(r"[+-]?\d+[.,]0+")
NUMBERS_SHARE = 0.5  # a column holds numbers if more of its cells are: the others say 'unknown'


class Trust(IntEnum):
    """The evidence that a column holds ids, the weakest first."""

    MEASURE = 0  # its name says something else, as a duration or an order
    OTHERS = 1  # its name says that the ids are of somebody or something else than the subject
    NUMBERS = 2  # its name doesn't say of what its numbers are, or that they are those of the rows
    COUNTING_IDS = 3  # named as ids are, but they may just as well count the rows
    IDS = 4


def trust(name: str, cells: Sequence[str]) -> Trust:
    """Say how likely a column holds ids, whatever the order of its rows.

    Args:
        name: Its name.
        cells: Its cells; '' is missing.
    """
    if OTHERS.search(words_of(name)):
        return Trust.OTHERS
    if _named_as_ids(name):
        return Trust.COUNTING_IDS if counts(cells) else Trust.IDS
    known = [cell for cell in cells if cell]
    numbers = [cell for cell in known if is_number(cell) or DECIMAL.fullmatch(cell)]
    if len(numbers) <= NUMBERS_SHARE * len(known):
        return Trust.IDS
    return Trust.MEASURE if MEASURES.search(words_of(name)) else Trust.NUMBERS


def look_like_ids(name: str, cells: Sequence[str]) -> bool:
    """Say whether a column looks like the subjects' ids, whether scans have them or not.

    Args:
        name: Its name.
        cells: Its cells; '' is missing.
    """
    if not may_be_ids(name) or is_private(name) or trust(name, cells) < Trust.COUNTING_IDS:
        return False
    known = [cell for cell in cells if cell]
    codes = all(CODE.fullmatch(cell) and not DATE.fullmatch(cell) for cell in known)
    return _named_as_ids(name) or (codes and len(known) > len(cells) / 2 and _differ(known))


def _named_as_ids(name: str) -> bool:
    return is_identity(name) and BARE_NUMBER.fullmatch(words_of(name)) is None


def _differ(cells: Sequence[str]) -> bool:
    return len({*cells}) == len(cells) > 1


def counts(cells: Sequence[str]) -> bool:
    """Say whether cells are the numbers 0, 1, 2, … or 1, 2, 3, … in some order."""
    known = [cell for cell in cells if cell]
    if len(known) < 2 or not all(map(is_number, known)):
        return False
    numbers = sorted(map(float, known))
    return numbers[0] in (0, 1) and numbers == [numbers[0] + n for n in range(len(numbers))]


def may_be_ids(name: str) -> bool:
    """Whether a column's name allows ids: ages, sexes and sites are not ids."""
    return label_name(name) not in LABELS


def measures(name: str, cells: Sequence[str], keys: Sequence[str]) -> bool:
    """Whether a column can't hold ids, as it has decimals and the scans' names have none.

    Programs write ids as 4.0 where one is missing, so that these are ids where the name says so.

    Args:
        name: Its name.
        cells: Its cells; '' is missing.
        keys: What the scans have in their names.
    """
    decimals = [cell for cell in cells if DECIMAL.fullmatch(cell)]
    if is_identity(name):
        decimals = [cell for cell in decimals if not WHOLE.fullmatch(cell)]
    return bool(decimals) and not any(map(DECIMAL.fullmatch, keys))
