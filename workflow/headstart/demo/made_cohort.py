"""The cohort as files: scans, tables, and what is true of them."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from headstart.common import files
from headstart.common.errors import UserError
from headstart.common.progress import progress
from headstart.data.demo_card import NAME
from headstart.data.demo_card import DemoCard
from headstart.demo.anatomy import load_template
from headstart.demo.broken import BREAKERS
from headstart.demo.broken import nifti
from headstart.demo.broken import spoilt
from headstart.demo.scanner import scan
from headstart.demo.subjects import CLASSES
from headstart.demo.subjects import Subject
from headstart.demo.subjects import draw_subject
from headstart.imaging.nifti import read_volume

NOTE = """SYNTHETIC. Nobody was scanned: `headstart demo` made everything in this folder from the
MNI152 template, and may delete and rewrite it.
"""
SCANS_PER_BROKEN = 20  # one broken subject per so many good ones, until each kind is there


def make_cohort(*, output: Path, subjects: int, seed: int, jobs: int) -> None:
    """Write the cohort in three layouts, and `cohort.json` when all of it is there.

    `subjects/` has every scan, and broken ones that `broken.csv` lists; `classes/` and `pairs/`
    have the first sessions. The same scan in another layout is a hard link where the file system
    can, else a copy. Every subject depends on the seed and its own number alone: same bytes with
    any number of jobs, and a larger cohort begins with the smaller one.

    Args:
        output: The cohort's folder.
        subjects: Number of subjects with good scans, at least 10.
        seed: Seed of everything that is random.
        jobs: Processes that work side by side.

    Raises:
        UserError: If the folder holds anything else, or can't be written to.
    """
    broken = min(len(BREAKERS), max(1, subjects // SCANS_PER_BROKEN))
    people = [draw_subject(seed, number) for number in range(subjects + broken)]
    people[subjects:] = [replace(person, sessions=1) for person in people[subjects:]]
    _clear(output)
    try:
        digests = _write_scans(people, output, seed, jobs, subjects)
        digests |= _write_tables(people, output, subjects)
    except OSError as error:
        raise UserError(
            f"{output}: can't be written ({error.strerror}); free some space"
        ) from error
    listing = "".join(f"{digest} {name}\n" for name, digest in sorted(digests.items()))
    DemoCard(
        seed=seed,
        subjects=subjects,
        broken=broken,
        files=len(digests),
        sha256=hashlib.sha256(listing.encode()).hexdigest(),
    ).write(output)


def is_complete(output: Path, *, subjects: int, seed: int) -> bool:
    """Return whether a folder holds this very cohort, complete."""
    card = DemoCard.read(output)
    return card is not None and (card.subjects, card.seed) == (subjects, seed)


def truth(output: Path) -> pd.DataFrame:
    """Measure on the written masks what was put into the cohort.

    Returns:
        what, value, n: correlations and differences over the subjects' first sessions.
    """
    people = files.read_csv(output / "subjects" / "participants.csv")
    broken = files.read_csv(output / "broken.csv")["subject"]
    people = people[~people["ID"].isin(broken)]
    volumes = np.array([_volumes(output / "subjects" / name / "ses-1") for name in people["ID"]])
    age, male = people["Age"].astype(float).to_numpy(), (people["Sex"] == "male").to_numpy(float)
    brain, grey, ventricles = volumes.sum(axis=1), volumes[:, 0], volumes[:, 2]
    means = people.assign(Age=age).groupby("Site")["Age"].mean()
    rows = [
        ("r of age and ventricle volume", np.corrcoef(age, ventricles)[0, 1]),
        ("r of age and grey matter's share of the brain", np.corrcoef(age, grey / brain)[0, 1]),
        ("r of age and brain volume", np.corrcoef(age, brain)[0, 1]),
        ("r of being male and brain volume", np.corrcoef(male, brain)[0, 1]),
        ("years between the sites' mean ages", means.max() - means.min()),
        ("brain volume, ml", brain.mean()),
        ("ventricle volume, ml", ventricles.mean()),
    ]
    return pd.DataFrame(rows, columns=["what", "value"]).assign(n=len(people))


def _clear(output: Path) -> None:
    """Empty the folder of what an earlier or interrupted run left, and of nothing else."""
    note = output / "SYNTHETIC.txt"
    if output.exists() and any(output.iterdir()) and not note.exists():
        raise UserError(f"{output}: holds files that are not a demo cohort; choose another folder")
    (output / NAME).unlink(missing_ok=True)
    for layout in ("subjects", "classes", "pairs"):
        shutil.rmtree(output / layout, ignore_errors=True)
    files.write_text(note, NOTE)


def _write_scans(
    people: list[Subject], output: Path, seed: int, jobs: int, good: int
) -> dict[str, str]:
    """Write all scans; return the digest of every file by its name in the cohort."""
    load_template()  # before the processes part, so that where they are forked they share it
    write = partial(_write_subject, output=output, seed=seed, good=good)
    digests: dict[str, str] = {}
    with ProcessPoolExecutor(jobs) as pool:
        done = pool.map(write, people, chunksize=4)
        for part in progress(done, total=len(people), label="subjects made"):
            digests |= part
    return digests


def _write_subject(subject: Subject, *, output: Path, seed: int, good: int) -> dict[str, str]:
    written = {}
    for session in range(1, subject.sessions + 1):
        image, mask, affine = scan(subject, session, seed)
        files_of_scan = {
            "T1.nii.gz": nifti(image, affine),
            "tissue.nii.gz": nifti(mask, affine),
        }
        if subject.number >= good:
            breaker = list(BREAKERS.values())[subject.number - good]
            files_of_scan |= breaker(image, mask, affine)
        for name, content in files_of_scan.items():
            path = output / "subjects" / subject.name / f"ses-{session}" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            digest = hashlib.sha256(content).hexdigest()
            for copy in (path, *_copies(path, output, subject, session, good)):
                written[copy.relative_to(output).as_posix()] = digest
    return written


def _copies(path: Path, output: Path, subject: Subject, session: int, good: int) -> Iterator[Path]:
    """Give a first session's file its names in the other layouts."""
    if session != 1 or subject.number >= good:
        return
    image = path.name == "T1.nii.gz"
    names = [f"pairs/{'imagesTr' if image else 'labelsTr'}/{subject.name}.nii.gz"]
    if image:
        names.append(f"classes/{subject.sex.capitalize()}s/{subject.name}_T1.nii.gz")
    for name in names:
        copy = output / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        try:
            copy.hardlink_to(path)
        except OSError:  # e.g. on exFAT
            shutil.copyfile(path, copy)
        yield copy


def _write_tables(people: list[Subject], output: Path, good: int) -> dict[str, str]:
    participants = pd.DataFrame(
        [(p.name, f"{p.age:.1f}", p.sex, p.site.name) for p in people],
        columns=["ID", "Age", "Sex", "Site"],
    )
    broken = pd.DataFrame(
        [
            (p.name, "ses-1", f"subjects/{p.name}/ses-1/{spoilt(reason)}", reason)
            for p, reason in zip(people[good:], BREAKERS, strict=False)
        ],
        columns=["subject", "session", "path", "reason"],
    )
    dataset = {
        "name": "headstart demo",
        "description": NOTE,
        "modality": {"0": "T1"},
        "labels": {"0": "background"} | {str(value): name for value, name in CLASSES.items()},
        "numTraining": good,
        "training": [
            {"image": f"./imagesTr/{p.name}.nii.gz", "label": f"./labelsTr/{p.name}.nii.gz"}
            for p in people[:good]
        ],
    }
    files.write_csv(output / "subjects" / "participants.csv", participants)
    files.write_csv(output / "broken.csv", broken)
    files.write_json(output / "pairs" / "dataset.json", dataset)
    names = ("subjects/participants.csv", "broken.csv", "pairs/dataset.json")
    return {name: files.sha256(output / name) for name in names}


def _volumes(folder: Path) -> list[float]:
    """Return the volumes of the mask's classes, ml."""
    mask = read_volume(folder / "tissue.nii.gz")
    counts = np.bincount(mask.stored.ravel(), minlength=len(CLASSES) + 1)
    return list(counts[1:] * np.prod(mask.voxel_size) / 1000)
