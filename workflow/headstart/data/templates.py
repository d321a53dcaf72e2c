"""Templates of file names, and which files of a folder fit them."""

from __future__ import annotations

import bisect
import posixpath
import re
import sys
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping

from headstart.common.errors import UserError

IMAGES = (".nii", ".nii.gz")
SUFFIX = re.compile(r"\.nii(\.gz)?$", re.IGNORECASE)
FIELD = r"\{[A-Za-z][A-Za-z0-9_]*\}"
CHOICE = r"\{[^{}|*/]*(?:\|[^{}|*/]+)+\}"

# Fields of a file name template that say whose scan it is; every other field is a label.
IDENTITIES = ("subject", "session", "site")
SERIAL = re.compile(r"number\d*")  # but for this one, which only a table's key may need
MOST_CHOICES = 20


def one_of(words: Iterable[str]) -> str:
    """Return a piece of a template that fits only these words, `{MPRAGE|MP-RAGE}`, `{|_run-2}`.

    It is `*` where they are too many to list, or can't be written so.
    """
    listed = sorted(set(words))
    strange = any(re.search(r"[{}|*/]", word) for word in listed)
    return "*" if strange or len(listed) > MOST_CHOICES else f"{{{'|'.join(listed)}}}"


class Template:
    """A path with placeholders.

    `{field}` is one or more characters, `*` any, neither a `/`; `{MPRAGE|MP-RAGE}` is one of these.

    Args:
        text: E.g. `{sex}/Sub_{subject}_T1.nii.gz`.

    Raises:
        UserError: If a brace is left over, or a field's name is not a word.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._pieces = [piece for piece in re.split(r"(\{[^{}]*\}|\*)", text) if piece]
        for piece in self._pieces:
            if not re.fullmatch(rf"{FIELD}|{CHOICE}|[^{{}}]+", piece):
                raise UserError(
                    f"'{text}': '{piece}' is no field; write a word in braces, e.g. {{subject}}"
                )
        self.fields = tuple(dict.fromkeys(t[1:-1] for t in self._pieces if re.fullmatch(FIELD, t)))
        self._pattern = self._compile({})

    @property
    def literal(self) -> bool:
        """Whether it has no placeholder."""
        return not set("{*") & set(self.text)

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
        """Put values into the fields; a `*` and a choice stay."""
        return "".join(fields[t[1:-1]] if re.fullmatch(FIELD, t) else t for t in self._pieces)

    def find(self, fields: Mapping[str, str], files: list[str]) -> list[str]:
        """Return which of the sorted files fit the template with these values in its fields."""
        filled = self.fill(fields)
        start = re.split(r"[*{]", filled)[0]
        first = bisect.bisect_left(files, start)
        if start == filled and files[first : first + 1] == [start]:
            return [start]
        start = SUFFIX.sub(".", start)
        first, beyond = (bisect.bisect_left(files, s) for s in (start, start + chr(sys.maxunicode)))
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
            elif "|" in piece:
                pattern += f"(?:{'|'.join(map(re.escape, name.split('|')))})"
            elif name in fields:
                pattern += re.escape(fields[name])
            elif name in named:
                pattern += f"(?P={name})"
            else:
                pattern += f"(?P<{name}>[^/]+?)"
                named.add(name)
        # .NII.GZ is .nii.gz
        suffix = re.search(r"\\\.nii(\\\.gz|\[\^/\]\*)?$", pattern)
        if suffix:
            pattern = f"{pattern[: suffix.start()]}(?i:{suffix.group()})"
        return re.compile(pattern)


def parents(path: str) -> Iterator[str]:
    """Yield the folders that a relative path lies in, innermost first."""
    while path := posixpath.dirname(path):
        yield path
