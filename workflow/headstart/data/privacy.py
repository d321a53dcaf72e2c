"""Text that may identify a person: dates, contacts, long numbers, names, remarks.

Such text is never copied from a table, not even into a message.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections import Counter
from collections.abc import Collection
from collections.abc import Sequence

from headstart.common.text import is_number

LONGEST_LABEL = 64  # characters; longer is free text
LONGEST_SHOWN = 3  # characters of a word that a message shows
FREE_TEXT_WORDS = 4  # a value of so many words that stands in one row is free text
DIGITS = 9  # from so many on a whole number is that of a person: social security, telephone
MOST_NAMES = 20  # different words, nearly one per row: names
ONCE_SHARE = 0.8
LONGEST_DATE = 5  # words of a date: Sunday, 12 March 1950 10:00
# A spreadsheet runs such a cell; its scan is rejected for that.
FORMULA = re.compile(r"[=@]|\+(?![\d(])")
# How people write numbers: 56,5 and 1.234,5; with eight digits it may be a person's
NUMBER_LIKE = re.compile(r"(?!(\D*\d){8})[-+]?\d{1,3}([.,]?\d{1,3}){0,3}")
CLOSE = 0.7  # similarity of a misspelt value to the one that is meant

MONTHS = (
    "jan(uary|uar|vier)?|j[aä]nner|enero|ene|gen(naio)?|feb(ruary|ruar|rero|braio)?|f[eé]v(rier)?"
    "|mar(ch|s|zo)?|m[aä]rz?|mrz|apr(il|ile)?|avr(il)?|abr(il)?|may|mai|mayo|mag(gio)?|june?|juni?"
    "|juin|junio|giu(gno)?|july?|juli|juil(let)?|julio|lug(lio)?|aug(ust)?|ao[uû]t|ago(sto)?"
    "|sept?(ember|embre|iembre)?|set(tembre)?|o[ck]t(ober|obre|ubre)?|ott(obre)?"
    "|nov(ember|embre|iembre)?|de[cz](ember|embre)?|d[eé]c(embre)?|dic(iembre|embre)?"
)
SIGN = r"[\s.,/_-]*"
YEAR = r"((18|19|20)\d\d)"
DAY, MONTH = r"(0[1-9]|[12]\d|3[01])", r"(0[1-9]|1[0-2])"
A_DAY, A_MONTH = rf"({DAY}|[1-9])", rf"({MONTH}|[1-9])"
DASHES = str.maketrans(
    dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-") | {"·": "."}
)
DATE = re.compile(
    r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}(?!\d).*"
    r"|\d{1,2}[-/.]\d{1,2}[-/.](\d{4}|\d\d)(?!\d).*"
    rf"|{YEAR}[-/]{A_MONTH}|{A_MONTH}/{YEAR}"
    # ISO 8601's weeks and days of a year; what DICOM and others write for a moment
    rf"|{YEAR}-?W[0-5]\d(-?[1-7])?|{YEAR}-([012]\d\d|3[0-6]\d)"
    rf"|{YEAR}{MONTH}{DAY}(\d{{6}}\.\d+|[T ]\d{{2}}.*)"
    rf"|\d{{1,2}}(st|nd|rd|th|er|º|°)?{SIGN}(de )?({MONTHS}){SIGN}((de )?(\d{{4}}|\d\d)(\D.*)?)?"
    rf"|({MONTHS}){SIGN}(\d{{1,2}}(st|nd|rd|th)?{SIGN})?{YEAR}(\D.*)?"
    rf"|({MONTHS})([-/.]? ?['\u2019]\d\d|[-/.]\d\d|[ _](3[2-9]|[4-9]\d))"
    rf"|{YEAR}{SIGN}({MONTHS})({SIGN}\d{{1,2}})?"
    r"|(\d{4}|\w\w?\d{1,2}) ?[年년] ?\d{1,2} ?[月월].*",
    re.IGNORECASE,
)
# A whole date among other words: dob 12/03/1950, (1950-03-12), Sunday 12 March 1950
DATE_WITHIN = re.compile(
    rf"(?<![\d.]){A_DAY} ?(?P<a>[-/._ ]) ?{A_MONTH} ?(?P=a) ?({YEAR}(?!\d)|(?<=/)\d\d(?![\d/]))"
    rf"|(?<![\d.]){A_MONTH} ?(?P<b>[-/._ ]) ?{A_DAY} ?(?P=b) ?({YEAR}(?!\d)|(?<=/)\d\d(?![\d/]))"
    rf"|(?<!\d){YEAR} ?(?P<c>[-/._ ]) ?{A_MONTH} ?(?P=c) ?{A_DAY}(?!\d)"
    rf"|(?<![^\W_])(\d{{1,2}}(st|nd|rd|th|er|º|°)?{SIGN}(de )?)?({MONTHS})"
    rf"{SIGN}((de )|\d{{1,2}}(st|nd|rd|th)?{SIGN})?{YEAR}(?!\d)",
    re.IGNORECASE,
)
# A number may be a date by chance; a column of them is none.
COMPACT_DATE = re.compile(
    rf"{YEAR}{MONTH}{DAY}(\d{{4,6}})?|{DAY}{MONTH}{YEAR}|{MONTH}{DAY}{YEAR}|{MONTH}\.{YEAR}"
)
CONTACT = re.compile(
    r"\S@\S+\.\S|https?://|www\.|\S ?[\[({<] ?(at|@) ?[\])}>] ?\S|\w at \w+\.\w"
    r"|[/\\](home|users)[/\\]",
    re.IGNORECASE,
)
# Digits in groups, as telephones and the registers of persons write them; a decimal is none.
LONG_NUMBER = re.compile(rf"(?<![\w.])\+?\(?\d(?:[ ()/-]*\d){{{DIGITS - 1},}}(?![\w.]*\d)")
DOTTED_NUMBER = re.compile(r"(?<![\w.])\+?\d{1,4}(\.\d{2,5}){3,}(?!\w)")
# A shorter one whose name tells that it is a person's, and those that registers write with letters:
# Spain's, Britain's, Finland's, Italy's
PERSONS_NUMBER = re.compile(
    r"(?<![^\W\d_])(nhs|mrn|nino|ssn|chi|dni|nie|hospital|insurance|passport|tel|telephone|telefon"
    r"|telefono|téléphone|teléfono|phone|ph|mob|mobile|fax|handy|ring|call)"
    r"[\W_]*(no|nr|num|number|id)?[\W_]*\d([ ()/-]*\d){4,}"
    r"|(?<!\w)(\d{8}|[XYZ]\d{7})-?[A-HJ-NP-TV-Z](?!\w)"
    r"|(?<!\w)[A-Z]{2} ?(\d\d ?){3}[A-D](?!\w)"
    r"|(?<!\w)\d{6}[-+A]\d{3}[\dA-Y](?!\w)"
    r"|(?<!\w)[A-Z]{6}\d\d[A-EHLMPRST]\d\d[A-Z]\d{3}[A-Z](?!\w)",
    re.IGNORECASE,
)
# John Smith; Smith, John; Dr. J. Smith
PERSON = re.compile(r"([^\W\d_][\w.'\u2019-]*,? ){1,3}[^\W\d_][\w.'\u2019-]*")


def private_cells(cells: Sequence[str], people: Sequence[str] = ()) -> dict[int, str]:
    """Say which cells of a column may identify a person.

    Args:
        cells: The column; '' is missing.
        people: Whose row each is: what stands in all rows of one person only, stands there once.
            The default is a row per person.

    Returns:
        The place of each such cell, and what it holds, in words.
    """
    known = [cell for cell in cells if cell]
    pairs = set(zip(people or range(len(cells)), cells, strict=True))
    counts = Counter(cell for _, cell in pairs if cell)
    compact = sum(COMPACT_DATE.fullmatch(cell) is not None for cell in known) > len(known) / 2
    names = _are_names(counts)
    identifiers = {cell: _identifier(cell) for cell in counts}
    several = {cell for cell in counts if " " in cell}
    found = {}
    for place, cell in enumerate(cells):
        once = counts[cell] == 1
        if not cell or FORMULA.match(cell):
            continue
        if what := identifiers[cell]:
            found[place] = what
        elif compact and COMPACT_DATE.fullmatch(cell):
            found[place] = "a date"
        elif is_number(cell):
            continue
        elif once and len(cell.split()) >= FREE_TEXT_WORDS:
            found[place] = "free text"
        elif names or (once and several == {cell} and PERSON.fullmatch(cell)):
            found[place] = "a name"
    return found


def _is_date(text: str) -> bool:
    """Say whether a text is a date, or holds one; eight digits alone may be one by chance."""
    plain = unicodedata.normalize("NFKC", text).translate(DASHES).strip()
    return bool(DATE.fullmatch(plain) or DATE_WITHIN.search(plain))


def _identifier(cell: str) -> str:
    """Say what in a single cell identifies a person; '' if nothing does."""
    if len(cell) > LONGEST_LABEL or "\n" in cell:
        return "free text"
    plain = unicodedata.normalize("NFKC", cell).translate(DASHES)
    if _is_date(cell):
        # a remark is more than the date in it
        return "free text" if len(cell.split()) > LONGEST_DATE else "a date"
    if CONTACT.search(plain):
        return "an address"
    numbers = (LONG_NUMBER, DOTTED_NUMBER, PERSONS_NUMBER)
    return "a long number" if any(number.search(plain) for number in numbers) else ""


def _are_names(counts: Counter[str]) -> bool:
    """Say whether a column's words are names: nearly one per person, and without a digit."""
    words = [cell for cell in counts if not re.search(r"\d", cell)]
    once = sum(counts[word] == 1 for word in words)
    cells = sum(counts.values())
    people = sum(PERSON.fullmatch(word) is not None for word in words)
    few = len(words) > MOST_NAMES or (len(words) > 2 and people == len(words))
    return few and once >= ONCE_SHARE * cells


def redacted(cell: str, known: Collection[str] = ()) -> str:
    """Return a cell as a message may show it: a number, a code, or a misspelt known value.

    Args:
        cell: The cell.
        known: Values that there may be.
    """
    number = is_number(cell) or NUMBER_LIKE.fullmatch(cell) is not None
    number = number and not re.fullmatch(r"\d{8,}", cell) and not _identifier(cell)
    near = difflib.get_close_matches(cell.lower(), [one.lower() for one in known], 1, CLOSE)
    if number or len(cell) <= LONGEST_SHOWN or (near and cell.isalpha()):
        return cell
    return f"{cell[0]}… ({len(cell)} characters)"


def shown_id(text: str) -> str:
    """Return an id as a message may show it: no name, date, address or number of a person."""
    name = re.search(r"\s", text) and not re.search(r"\d", text)
    private = name or COMPACT_DATE.fullmatch(text) or _identifier(text)
    return f"{text[0]}…" if private else text
