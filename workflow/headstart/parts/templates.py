"""File names with open places, and the files of a folder to compare them with."""

from __future__ import annotations

import bisect
import os
import posixpath
import re
import sys
from collections.abc import Iterator
from collections.abc import Mapping
from pathlib import Path

from headstart.parts.errors import UserError


class Template:
    """A path with open places: `{field}` is one or more characters, `*` any; neither is a `/`.

    Args:
        text: E.g. `{sex}/Sub_{subject}_T1.nii.gz`.

    Raises:
        UserError: If a brace is left over, or a field's name is not a word.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._pieces = [piece for piece in re.split(r"(\{[^{}]*\}|\*)", text) if piece]
        for piece in self._pieces:
            if not re.fullmatch(r"\{[A-Za-z][A-Za-z0-9_]*\}|[^{}]+", piece):
                raise UserError(
                    f"'{text}': '{piece}' is no field; write a word in braces, e.g. {{subject}}"
                )
        self.fields = tuple(dict.fromkeys(t[1:-1] for t in self._pieces if t.startswith("{")))
        self._pattern = self._compile({})

    @property
    def literal(self) -> bool:
        """Whether it has no open place."""
        return not self.fields and "*" not in self.text

    @property
    def folders(self) -> list[Template]:
        """The template of each folder on the way to the file, outermost first."""
        parts = self.text.split("/")[:-1]
        return [Template("/".join(parts[: depth + 1])) for depth in range(len(parts))]

    def match(self, path: str) -> dict[str, str] | None:
        """Return the fields that a path gives, or None if the whole path does not fit."""
        match = self._pattern.fullmatch(path)
        return match and match.groupdict()

    def fill(self, fields: Mapping[str, str]) -> str:
        """Put values into the fields; a `*` stays."""
        return "".join(fields[t[1:-1]] if t.startswith("{") else t for t in self._pieces)

    def find(self, fields: Mapping[str, str], files: list[str]) -> list[str]:
        """Return which of the sorted files fit the template with these values in its fields."""
        start, star, _ = self.fill(fields).partition("*")
        first = bisect.bisect_left(files, start)
        if not star:
            return [file for file in files[first : first + 1] if file == start]
        beyond = bisect.bisect_left(files, start + chr(sys.maxunicode))
        pattern = self._compile(fields)
        return [file for file in files[first:beyond] if pattern.fullmatch(file)]

    def _compile(self, fields: Mapping[str, str]) -> re.Pattern[str]:
        """Return the regular expression, with the values of known fields in their places."""
        named: set[str] = set()
        pattern = ""
        for piece in self._pieces:
            name = piece[1:-1]
            if piece == "*":
                pattern += "[^/]*"
            elif not piece.startswith("{"):
                pattern += re.escape(piece)
            elif name in fields:
                pattern += re.escape(fields[name])
            elif name in named:
                pattern += f"(?P={name})"
            else:
                pattern += f"(?P<{name}>[^/]+?)"
                named.add(name)
        return re.compile(pattern)


def list_files(folder: Path) -> tuple[list[str], list[str]]:
    """List a folder's files and folders at every depth, sorted, relative to it; no hidden ones.

    Raises:
        UserError: If a folder can't be read.
    """
    files, folders, waiting = [], [], [""]
    real = {folder.resolve()}
    while waiting:
        prefix = waiting.pop()
        try:
            entries = list(os.scandir(folder / prefix))
        except PermissionError as error:
            raise UserError(f"{folder / prefix}: can't be read ({error.strerror})") from None
        for entry in entries:
            if entry.name.startswith("."):
                continue
            path = prefix + entry.name
            if not entry.is_dir():
                files.append(path)
                continue
            if entry.is_symlink():  # a link to a folder above would never end
                if Path(entry).resolve() in real:
                    continue
                real.add(Path(entry).resolve())
            folders.append(path)
            waiting.append(path + "/")
    return sorted(files), sorted(folders)


def parents(path: str) -> Iterator[str]:
    """Yield the folders that a relative path lies in, innermost first."""
    while path := posixpath.dirname(path):
        yield path
