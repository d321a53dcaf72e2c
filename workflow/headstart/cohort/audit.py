"""Whether a split leaks: one person, family or head in two parts."""

from __future__ import annotations

import difflib
import sys
from collections import Counter
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from collections.abc import Set
from pathlib import Path

from headstart.cohort.balance import in_order
from headstart.cohort.config import RelatedSubjects
from headstart.cohort.groups import families
from headstart.cohort.pairs import Kind
from headstart.cohort.pairs import PairRow
from headstart.cohort.rates import Rates
from headstart.cohort.splits import SplitRow
from headstart.cohort.splits import by_repeat
from headstart.common import files
from headstart.common.errors import UserError
from headstart.common.keys import Key
from headstart.common.schema import Section
from headstart.data.identities import tokens
from headstart.data.label_table import LabelRow
from headstart.imaging.scan_rows import CheckRow

# What a pair of near-duplicates/pairs.csv is, by its kind.
FOUND: dict[Kind, str] = {
    "near-duplicate": "near-duplicates",
    "numbering": "numbered as if they were two scans of one person, and alike",
    "sessions-differ": "sessions of one subject that differ as two people do",
}
SHOWN = 10


def audit(
    *,
    splits: Sequence[SplitRow],
    passed: Sequence[LabelRow],
    summary: Sequence[CheckRow],
    pairs: Sequence[PairRow],
    rates: Rates,
    group: str | None = None,
    same: Sequence[RelatedSubjects] = (),
    unrelated: Sequence[RelatedSubjects] = (),
) -> Audit:
    """Check that nobody is in two parts: no subject, family, voxels, or head under another name.

    Subjects of one source whose names are one id in two writings, as sub-01 and Sub1, are one
    unless a person says otherwise.

    Parts are the test, the folds, and inside each fold those who choose the epoch where it is
    trained on; those of each repeat by themselves. How the split was made is not looked at.

    Args:
        splits: The parts, as `split` gives them.
        passed: The scans.
        summary: check/summary.csv, with a hash of each scan's voxels.
        pairs: near-duplicates/pairs.csv: pairs of scans that look like one head; those that are
            `certain` are leaks between two parts, the others are told.
        rates: near-duplicates/rates.json: how many near-duplicates would be found or taken wrongly.
        group: Column whose equal values keep subjects together.
        same: Subjects that a person found to be one, or of one family.
        unrelated: Subjects that look alike and are not the same, as a person found.

    Returns:
        What was compared and found; there are no leaks.

    Raises:
        UserError: If there is a leak, or a decision names nobody.
    """
    names = {row.subject: row.part for row in splits}
    if len(names) < len(splits) or names.keys() != {row.subject for row in passed}:
        raise RuntimeError("split: subjects are not each in one part")
    _check_names(summary, same, "same")
    _check_names(summary, unrelated, "unrelated")
    there = {row.key for row in passed}
    scans = [row for row in summary if row.key in there]
    if len(scans) != len(passed):
        raise RuntimeError("split: check/summary.csv does not hold all scans that passed")
    certain = _near_duplicates([p for p in pairs if p.certain], there, unrelated)
    doubtful = _near_duplicates([p for p in pairs if not p.certain], there, [*same, *unrelated])
    known = [*_families(passed, group, same), *_one_id(passed, unrelated)]
    ties = [*known, *_same_voxels(scans), *certain]
    for repeat in by_repeat(splits):
        parts = _parts(repeat)
        _check_leaks([tie for tie in ties if len({parts[s] for s in tie.subjects}) > 1], parts)

    if doubtful:
        print(
            f"split: {len(doubtful)} pairs are doubtful, e.g. {', '.join(doubtful[0].subjects)}: "
            f"{doubtful[0].why}; they stop nothing. Look at them in "
            "figures/cohort/near-duplicates.pdf",
            file=sys.stderr,
        )
    sizes = Counter(names.values())
    return Audit(
        subjects=len(splits),
        scans=len(passed),
        test=sizes["test"],
        folds=tuple(sizes[part] for part in in_order(names) if part != "test"),
        validation=sum(row.validation for row in splits),
        hashes_compared=len(scans),
        families=sum(len(members) > 1 for members in families(passed, group).values()),
        near_duplicates=tuple(certain),
        doubtful=tuple(doubtful),
        rates=rates.model_copy(update={"histogram": None}),
        same=tuple(same),
        unrelated=tuple(unrelated),
        leaks=(),
    )


class Tie(Section):
    """Subjects who must be in one part, and why."""

    subjects: tuple[str, ...]
    why: str


class Audit(Section):
    """split/audit.json: that a split does not leak, and by what that is known.

    Attributes:
        subjects: How many there are.
        scans: How many they have.
        test: Subjects held out for the final test.
        folds: Subjects of each fold, of the first repeat.
        validation: Subjects of the folds that choose the epoch.
        hashes_compared: Scans whose voxels were compared.
        families: Families with several members.
        near_duplicates: Pairs beyond doubt.
        doubtful: Pairs for a person to look at.
        rates: What that search can find.
        same: Who is one person or family, as a person found.
        unrelated: Who only looks alike, as a person found.
        leaks: Always (): a split that leaks has no audit.
    """

    subjects: int
    scans: int
    test: int
    folds: tuple[int, ...]
    validation: int
    hashes_compared: int
    families: int
    near_duplicates: tuple[Tie, ...]
    doubtful: tuple[Tie, ...]
    rates: Rates
    same: tuple[RelatedSubjects, ...]
    unrelated: tuple[RelatedSubjects, ...]
    leaks: tuple[Tie, ...]

    def write(self, path: Path) -> None:
        """Write audit.json."""
        files.write_json(path, self.model_dump(mode="json"))

    @classmethod
    def read(cls, path: Path) -> Audit:
        """Read audit.json."""
        return cls.model_validate_json(path.read_bytes())


def _parts(splits: Sequence[SplitRow]) -> dict[str, str]:
    """Return the part of each subject, with the validation set of a fold as a part of its own."""
    return {
        row.subject: f"validation set of {row.part}" if row.validation else row.part
        for row in splits
    }


def _families(
    passed: Sequence[LabelRow], group: str | None, same: Sequence[RelatedSubjects]
) -> Iterator[Tie]:
    for value, members in families(passed, group).items():
        yield Tie(subjects=tuple(members), why=f"{group} {value}")
    there = {row.subject for row in passed}
    for related in same:
        tied = tuple(subject for subject in related.subjects if subject in there)
        yield Tie(subjects=tied, why=f"split.same: {related.reason}")


def _one_id(passed: Sequence[LabelRow], unrelated: Sequence[RelatedSubjects]) -> Iterator[Tie]:
    writings: dict[tuple[str, tuple[str, ...]], dict[str, None]] = {}
    for row in passed:
        writings.setdefault((row.source, tokens(row.subject)), {})[row.subject] = None
    for subjects in writings.values():
        if len(subjects) > 1 and not any({*subjects} <= {*one.subjects} for one in unrelated):
            yield Tie(subjects=tuple(subjects), why="one id but for case, leading zeros and signs")


def _same_voxels(scans: Sequence[CheckRow]) -> Iterator[Tie]:
    holders: dict[str, dict[str, None]] = {}
    for scan in scans:
        holders.setdefault(scan.hash, {})[scan.subject] = None
    for subjects in holders.values():
        yield Tie(subjects=tuple(subjects), why="the very same voxels")


def _near_duplicates(
    pairs: Sequence[PairRow], there: Set[Key], decided: Sequence[RelatedSubjects]
) -> list[Tie]:
    """Return the pairs as ties, except those that a person has decided about."""
    ties = []
    for pair in pairs:
        both = set(pair.subjects)
        if not {pair.key, pair.other} <= there or any(both <= {*one.subjects} for one in decided):
            continue
        sessions = f"sessions {pair.session} and {pair.other_session}"
        measured = f"similarity {pair.similarity:.3f}{', mirrored' if pair.mirrored else ''}"
        chance = f"{pair.expected:.2g} such pairs of strangers expected by chance"
        why = f"{FOUND[pair.kind]} ({sessions}, {measured}; {chance})"
        ties.append(Tie(subjects=pair.subjects, why=why))
    return ties


def _check_leaks(leaks: Sequence[Tie], parts: Mapping[str, str]) -> None:
    """Fail if there are leaks: name them all in the log, and one of them in the error."""
    if not leaks:
        return
    lines = [
        f"{', '.join(f'{subject} ({parts[subject]})' for subject in leak.subjects)}: {leak.why}"
        for leak in leaks
    ]
    for line in lines:
        print(f"  {line}", file=sys.stderr)
    first = ", ".join(leaks[0].subjects[:SHOWN])
    raise UserError(
        f"split: {len(leaks)} leak{'s' * (len(leaks) > 1)} between parts, e.g. {lines[0]}. "
        "Look at them in figures/cohort/near-duplicates.pdf; then put "
        f"`- {{subjects: [{first}], reason: …}}` into split.same if they are one person or family, "
        "or into split.unrelated if they only look alike; or leave one out with check.exclude. "
        "Many such pairs are fixed at once by the key `subject` of their source"
    )


def _check_names(
    summary: Sequence[CheckRow], decisions: Sequence[RelatedSubjects], key: str
) -> None:
    known = list(dict.fromkeys(row.subject for row in summary))
    for subject in [subject for related in decisions for subject in related.subjects]:
        if subject not in known:
            near = difflib.get_close_matches(subject, known, n=3) or known[:3]
            raise UserError(
                f"split.{key}: labels.csv has no subject '{subject}'; "
                f"there are, e.g., {', '.join(near)}"
            )
