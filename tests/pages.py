"""The page that a script is, and its commands: `python tests/pages.py` writes the page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
SCRIPT = PROJECT / "tests/first_week.sh"
PAGE = PROJECT / "config/first-week.md"
# Where commands run, and what the page says of it.
PLACES = {
    "laptop": "*On a laptop; run by* `make test` *on a small cut:*",
    "cluster": "*On the cluster; run by* `make test-cluster` *on a real Grid Engine:*",
    "by hand": "*On the cluster; run by no test:*",
}
INDENT = "    "


@dataclass(frozen=True)
class Line:
    """A line of a script.

    Attributes:
        where: Where its command runs, one of PLACES.
        text: A word of the page, or a command.
        command: Whether it is a command.
        hidden: Whether it is for the tests alone.
    """

    where: str
    text: str
    command: bool
    hidden: bool = False


def read_script() -> list[Line]:
    """Read what follows `#@ page`."""
    text = SCRIPT.read_text(encoding="utf-8")
    where, lines = "", []
    for line in text.split("#@ page\n")[1].splitlines():
        if line.startswith("#@ "):
            where = line.removeprefix("#@ ")
            assert where in PLACES, line
        elif line.startswith("#+ "):
            lines.append(Line(where, line.removeprefix("#+ "), command=True, hidden=True))
        elif line == "#" or line.startswith("# "):
            lines.append(Line(where, line[2:], command=False))
        else:
            assert where, f"say where {line!r} is run"
            lines.append(Line(where, line, command=True))
    return lines


def page_of(lines: list[Line]) -> str:
    """Return the page in Markdown: words as they are, commands as indented blocks."""
    page: list[str] = []
    before, place = False, ""
    for line in [line for line in lines if not line.hidden]:
        if line.command != before and page[-1] and line.text:
            page.append("")
        if line.command and line.where != place:
            place = line.where
            page += [PLACES[place], ""]
        page.append(f"{INDENT}{line.text}" if line.command else line.text)
        before = line.command
    return "\n".join(page) + "\n"


def script_of(lines: list[Line], where: str) -> str:
    """Return what runs in one place, to be given to bash."""
    return "".join(f"{line.text}\n" for line in lines if line.command and line.where == where)


def commands_of(page: str) -> list[str]:
    """Return the commands of a page in Markdown: its indented lines."""
    return [
        line.removeprefix(INDENT)
        for before, line in zip(["", *page.splitlines()], page.splitlines(), strict=False)
        if line.startswith(INDENT) and (not before or before.startswith(INDENT))
    ]


if __name__ == "__main__":
    PAGE.write_text(page_of(read_script()), encoding="utf-8")
