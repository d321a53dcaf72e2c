"""File names of one kind, as the template that finds them.

Names are cut into words at `/`, `_`, `-`, `.` and blanks. Names with the same cuts and the same
known words (T1, mask, …) are one kind; where the words of a kind differ, there is a field.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from dataclasses import field

from headstart.data.templates import Template
from headstart.data.templates import one_of
from headstart.planning.file_words import VISIT
from headstart.planning.file_words import common_letters
from headstart.planning.file_words import is_known
from headstart.planning.file_words import split_words


@dataclass
class Kind:
    """Files whose names have the same cuts.

    Attributes:
        paths: The files.
        words: Each file's words.
        cuts: What stands between the words, and the suffix at the end.
        fields: Field by the place of its word; a place without one that differs becomes `*`.
        ids: Words that a table has for people.
        open: Places that say nothing of whose scan it is: the series' names, cut differently.
    """

    paths: list[str]
    words: list[list[str]]
    cuts: list[str]
    fields: dict[int, str] = field(default_factory=dict)
    ids: frozenset[str] = frozenset()
    open: frozenset[int] = frozenset()

    @property
    def known(self) -> list[str]:
        """The known words, in lower case, that all its names have."""
        words = enumerate(map(str.lower, self.words[0]))
        parts = [
            part for p, word in words for part in (split_words(word) if p in self.open else [word])
        ]
        return [word for word in parts if is_known(word)]

    def values(self, place: int) -> list[str]:
        """Return the word at a place, of each file."""
        return [words[place] for words in self.words]

    def differing(self) -> list[int]:
        """Return the places where the words differ."""
        return [place for place in range(len(self.cuts)) if len(set(self.values(place))) > 1]

    def in_folder(self, place: int) -> bool:
        """Whether a place is in the name of a folder."""
        return "/" in "".join(self.cuts[place:])

    def places(self, name: str) -> list[int]:
        """Return the places of a field."""
        return [place for place, own in sorted(self.fields.items()) if own == name]

    def joined(self, first: int, last: int) -> Kind:
        """Return the same names with the words from one place to another as one."""
        cuts = [*self.cuts[first:last], ""]
        words = [
            [
                *own[:first],
                "".join(w + c for w, c in zip(own[first : last + 1], cuts, strict=True)),
                *own[last + 1 :],
            ]
            for own in self.words
        ]
        moved = {p - (last - first) if p > last else min(p, first) for p in self.open}
        return Kind(
            self.paths,
            words,
            [*self.cuts[:first], *self.cuts[last:]],
            ids=self.ids,
            open=frozenset(moved),
        )

    def rename(self, name: str, new: str) -> None:
        """Give a field another name."""
        self.fields = {p: new if own == name else own for p, own in self.fields.items()}

    def template(self, *, whole: bool, wanted: Iterable[str] | None = None) -> str:
        """Write the kind as a template of file names.

        Args:
            whole: The subject is the whole word with what stands before it, `Sub_101`; else only
                what differs, `101`.
            wanted: Fields to write; the others are `*`. The default is all.
        """
        shown = {
            place: name
            for place, name in self.fields.items()
            if wanted is None or name in (*wanted, "subject", "session")
        }
        differing, parts, place = set(self.differing()), [""] * len(self.cuts), 0
        while place < len(self.cuts):
            text = self.words[0][place]
            if place in shown:
                name = shown[place]
                bare = not whole and name != "session"
                text = f"{common_letters(self.values(place)) if bare else ''}{{{name}}}"
                if not bare and name in ("subject", "session"):
                    for before in range(place - self._absorbed(name), place):
                        parts[before] = ""
            elif place in differing:
                text = one_of(self.values(place)) if place in self.open else "*"
            parts[place] = text + self.cuts[place]
            place += 1
        return "".join(parts)

    def reads_back(self, *, whole: bool) -> bool:
        """Whether the template finds in each name the words that it was made of."""
        match = Template(self.template(whole=whole)).match
        found = [match(path) for path in self.paths]
        for name in ("subject", "session"):
            for place in self.places(name)[:1]:
                read = [fields[name] if fields else "" for fields in found]
                counts = {len(set(read)), len(set(zip(read, self.values(place), strict=True)))}
                if counts != {len(set(self.values(place)))}:
                    return False
        return True

    def _absorbed(self, name: str) -> int:
        """Count the constant words before a field that belong to it, everywhere: `Sub_`101."""
        prefixes = [self._prefix(place, name) for place in self.places(name)]
        count = min(map(len, prefixes))
        return next(n for n in range(count, -1, -1) if len({tuple(p[:n]) for p in prefixes}) == 1)

    def _prefix(self, place: int, name: str) -> list[str]:
        """Return the constant words before a field, the nearest first, each with its cut."""
        differing, before = set(self.differing()), place - 1
        found: list[str] = []
        while before >= 0 and "/" not in self.cuts[before]:
            word = self.words[0][before].lower()
            if before in differing or before in self.fields or is_known(word):
                break
            if name == "session" and (found or VISIT.fullmatch(word) is None):
                break
            if name == "subject" and word != "scan" and VISIT.fullmatch(word):
                break
            found.append(self.words[0][before] + self.cuts[before])
            before -= 1
        return found
