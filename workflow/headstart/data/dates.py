"""How dates are written, and which writings are of the same day."""

from __future__ import annotations

import re

# Year, month and day in this order, which can but be that date.
SIGNED = re.compile(
    r"(?<!\d)(?P<year>(18|19|20)\d\d)(?P<sign>[-_./])(?P<month>0?[1-9]|1[0-2])(?P=sign)"
    r"(?P<day>0?[1-9]|[12]\d|3[01])(?!\d)"
    r"([ t]00:00:00(\.0+)?(?!\d))?",  # as spreadsheets hand it over
    re.IGNORECASE,
)
COMPACT = re.compile(r"(18|19|20)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])")
YEAR_LAST = re.compile(r"\d{1,2}(?P<sign>[-./])\d{1,2}(?P=sign)(18|19|20)\d\d")


def date_form(text: str) -> str:
    """Return how a date is written, e.g. YYYY-MM-DD or DD.MM.YYYY; '' if it is none."""
    if match := SIGNED.fullmatch(text):
        return match["sign"].join(("YYYY", "MM", "DD"))
    if COMPACT.fullmatch(text):
        return "YYYYMMDD"
    if match := YEAR_LAST.fullmatch(text):
        sign = match["sign"]
        day_first, month_first = f"DD{sign}MM{sign}YYYY", f"MM{sign}DD{sign}YYYY"
        return day_first if sign == "." else f"{day_first} or {month_first}"
    return ""


def written_apart(one: str, two: str) -> str:
    """Say how two dates are written, where they can't be compared; else ''."""
    forms = [date_form(text) for text in (one, two)]
    if not all(forms) or all(form.startswith("YYYY") for form in forms):
        return ""
    return f"{forms[0]}, those of the scans {forms[1]}"
