"""Who came in, who was rejected and why, and what the search for near-duplicates found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from collections.abc import Sequence

from headstart.cohort.pairs import PairRow
from headstart.common import study_paths
from headstart.common.records import read_rows
from headstart.data.found_scans import OF_NO_SCAN
from headstart.data.found_scans import RejectedRow
from headstart.data.rejection_words import in_words
from headstart.figures.near_duplicates import KINDS
from headstart.imaging.rejection_codes import REASONS
from headstart.study.methods.study_files import StudyFiles
from headstart.study.report.drawings import drawing
from headstart.study.report.drawings import folded_drawing
from headstart.study.report.markup import Html
from headstart.study.report.markup import PageSection
from headstart.study.report.markup import folded
from headstart.study.report.markup import joined
from headstart.study.report.markup import table
from headstart.study.report.markup import tag
from headstart.study.report.markup import with_code

MOST = 200  # rows of a table; the file has all


def flow(study: StudyFiles) -> PageSection:
    """Show the flow of scans."""
    return PageSection("flow", "Who came in", drawing(study, "cohort", "flow"))


def quality(study: StudyFiles) -> PageSection:
    """Show what was rejected and why, near-duplicates, and every scan."""
    body = [
        tag("h3", "Rejected"),
        *(_rejected(study, path) for path in (study_paths.UNLABELLED, study_paths.REJECTED)),
        tag("h3", "Near-duplicates"),
        _pairs(study),
        folded_drawing(study, "cohort", "near-duplicates", "Near-duplicates, side by side"),
        tag("h3", "Every scan"),
        folded_drawing(study, "cohort", "contact-sheet", "Contact sheet"),
        folded_drawing(study, "cohort", "preparation", "Brains, as they were found and placed"),
        folded_drawing(study, "cohort", "distributions", "Shapes, voxel sizes and intensities"),
    ]
    return PageSection("quality", "Quality control", joined(body))


def _rejected(study: StudyFiles, path: str) -> Html:
    rows = read_rows(study.path(path), RejectedRow)
    stage = path.split("/")[0]
    if not rows:
        return tag("p", f"By the stage {stage}: none.")
    counts = Counter(row.reason for row in rows)
    reasons = [
        [in_words(code), str(n), *map(with_code, _meaning(code))]
        for code, n in counts.most_common()
    ]
    head = ["reason", "scans", "what it means", "what to do"]
    each = [[row.subject, row.session, in_words(row.reason), row.detail] for row in rows[:MOST]]
    caption = f"Rejected by the stage {stage}, one by one"
    listed = table(caption, ["subject", "session", "reason", "in detail"], each, numbers=False)
    return joined(
        [
            table(f"Rejected by the stage {stage}: {len(rows)}", head, reasons, numbers=False),
            folded("One by one", listed, _further(len(rows), path)),
        ]
    )


def _further(count: int, path: str) -> Html | None:
    return tag("p", f"{count - MOST} more are in {path}.") if count > MOST else None


def _meaning(code: str) -> tuple[str, str]:
    """Say what a code of rejected.csv means, and what to do."""
    if code in REASONS:
        return REASONS[code].meaning, REASONS[code].fix
    return " ".join(OF_NO_SCAN.get(code, ("see the sentence below",))), ""


def _pairs(study: StudyFiles) -> Html:
    path = study.folder / study_paths.PAIRS
    if not path.is_file():
        return tag("p", "They were not looked for yet.", class_="missing")
    rows = read_rows(path, PairRow)
    if not rows:
        return tag("p", "No two scans of different people look like one person.")
    head = ["scan", "and", "similarity", "what it is"]
    return joined(
        [
            table("Pairs of scans to be looked at", head, _cells(rows[:MOST]), numbers=False),
            _further(len(rows), study_paths.PAIRS),
        ]
    )


def _cells(rows: Sequence[PairRow]) -> Iterator[list[str]]:
    for row in rows:
        kind = KINDS.get((row.kind, row.certain), row.kind)
        yield [" / ".join(row.key), " / ".join(row.other), f"{row.similarity:.3f}", kind]
