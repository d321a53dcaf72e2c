"""Folders of scans as people have them, for any number of subjects: one maker per kind of tree."""

from __future__ import annotations

import csv
import functools
import gzip
import json
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

SHAPE = (10, 12, 11)
NAMES = (
    *("anna", "ben", "carla", "david", "emma", "felix", "greta", "hugo", "ida", "jan"),
    *("karla", "leo", "mia", "noah", "olga", "paul", "quinn", "rosa", "sam", "tom"),
    *("ute", "vera", "willi", "xenia", "yann", "zoe", "amira", "bruno", "clara", "dora"),
    *("erik", "frida", "georg", "hanna", "ivan", "jule", "kurt", "lena", "max", "nora"),
)


@dataclass(frozen=True)
class Tree:
    """A kind of tree.

    Attributes:
        make: Writes it into a folder, for so many subjects.
        expected: What the source's section of the config must hold, for any number of subjects.
        scans: Scans of a subject.
    """

    make: Callable[[Path, int], None]
    expected: Mapping[str, Any]
    scans: int = 1


@functools.cache
def scan_bytes(
    seed: int, values: tuple[int, ...] = (), shape: Sequence[int] = SHAPE, edge: float = 8.0
) -> bytes:
    """Return a .nii file: an image, or with values a mask; edge is that of its voxels, mm."""
    rng = np.random.default_rng(seed)
    if values:
        voxels = np.resize(np.array(values, np.int16), shape)
    else:
        voxels = rng.normal(500, 90, shape).astype(np.int16)
    return bytes(nib.Nifti1Image(voxels, np.diag([edge, edge, edge, 1.0])).to_bytes())


def scan(path: Path, seed: int = 0, shape: tuple[int, ...] = SHAPE) -> None:
    """Write an image."""
    write(path, scan_bytes(seed, shape=shape))


def mask(path: Path, values: Iterable[int] = (0, 1)) -> None:
    """Write a mask with these values."""
    write(path, scan_bytes(0, tuple(values)))


def table(path: Path, rows: Sequence[Mapping[str, Any]], delimiter: str = ",") -> None:
    """Write a table."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)


def people(ids: Sequence[str], key: str = "ID") -> list[dict[str, Any]]:
    """Return a row per person: id, age, sex."""
    return [{key: one, "Age": 20 + 3 * (n % 20), "Sex": "MF"[n % 2]} for n, one in enumerate(ids)]


def write(path: Path, content: bytes) -> None:
    """Write a file, compressed if its name says so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content, 1) if path.name.lower().endswith(".gz") else content)


def _flat(name: str, *, ids: str = "") -> Callable[[Path, int], None]:
    """Return a maker of a flat folder: a template of names and one of the ids in labels.csv."""

    def make(folder: Path, count: int) -> None:
        numbers = range(1, count + 1)
        for n in numbers:
            scan(folder / name.format(n=n, name=NAMES[n - 1], site=("Guys", "HH", "IOP")[n % 3]), n)
        keys = [(ids or name.partition("_T1")[0]).format(n=n, name=NAMES[n - 1]) for n in numbers]
        table(folder / "labels.csv", people(keys))

    return make


def _sessions(folder: Path, count: int) -> None:
    for n in range(1, count + 1):
        for visit in (1, 2):
            home = folder / f"sub-{n:03d}/ses-{visit}"
            scan(home / f"sub-{n:03d}_ses-{visit}_T1.nii.gz", 2 * n + visit)
    table(folder / "labels.csv", people([f"sub-{n:03d}" for n in range(1, count + 1)]))


def _numbered_visits(width: int, visits: int) -> Callable[[Path, int], None]:
    def make(folder: Path, count: int) -> None:
        for n in range(1, count + 1):
            for visit in range(1, visits + 1):
                scan(folder / f"{n:0{width}d}/{visit}.nii.gz", visits * n + visit)
        table(folder / "labels.csv", people([f"{n:0{width}d}" for n in range(1, count + 1)]))

    return make


def _classes(folder: Path, count: int) -> None:
    for n in range(1, count + 1):
        scan(folder / f"{('AD', 'MCI', 'control')[n % 3]}/p{n:03d}.nii.gz", n)


def _channels(folder: Path, count: int) -> None:
    for n in range(1, count + 1):
        for k, kind in enumerate(("flair", "t1", "t2")):
            scan(folder / f"P{n}/P{n}_{kind}.nii.gz", 3 * n + k)
    table(folder / "labels.csv", people([f"P{n}" for n in range(1, count + 1)]))


def _masks(folder: Path, count: int) -> None:
    for n in range(1, count + 1):
        scan(folder / f"S{n}_T1.nii.gz", n)
        mask(folder / f"S{n}_lesion.nii.gz")


def _spm(folder: Path, count: int) -> None:
    for n in range(1, count + 1):
        for k, prefix in enumerate(("", "c1", "c2", "mwp1")):
            scan(folder / f"{prefix}P{n:02d}_T1.nii", 4 * n + k)
    table(folder / "labels.csv", people([f"P{n:02d}" for n in range(1, count + 1)]))


def _unknown_kinds(folder: Path, count: int) -> None:
    for n in range(1, count + 1):
        scan(folder / f"S{n}_haube.nii.gz", n)
        mask(folder / f"S{n}_kern.nii.gz")


def _bids(folder: Path, count: int) -> None:
    for n in range(1, count + 1):
        scan(folder / f"sub-{n:02d}/anat/sub-{n:02d}_T1w.nii.gz", n)
    (folder / "dataset_description.json").write_text("{}")
    rows = people([f"sub-{n:02d}" for n in range(1, count + 1)], "participant_id")
    table(folder / "participants.tsv", rows, "\t")


def _adni(folder: Path, count: int) -> None:
    rows = []
    for n in range(1, count + 1):
        one = f"{(2, 2, 5, 11)[n % 4]:03d}_S_{4000 + n}"
        for visit in (0, 1):
            image, day = f"I{300 + 2 * n + visit}", f"20{10 + visit}-03-{n % 28 + 1:02d}"
            time = f"{day.replace('-', '')}101112"
            name = f"ADNI_{one}_MR_MPRAGE_br_raw_{time}_1_S{image[1:]}_{image}.nii"
            scan(folder / f"ADNI/{one}/MPRAGE/{day}_10_11_12.0/{image}/{name}", 2 * n + visit)
            rows.append(
                {
                    "Image Data ID": image,
                    "Subject": one,
                    "Group": ("AD", "CN")[n % 2],
                    "Sex": "MF"[n // 2 % 2],
                    "Age": 60 + n % 20 + visit,
                    "Visit": ("bl", "m12")[visit],
                }
            )
    table(folder / "search.csv", rows)


def _xnat(folder: Path, count: int) -> None:
    for n in range(1, count + 1):
        for visit in (0, 1):
            scan(
                folder / f"STUDY_S{n:04d}/XNAT_E{5000 + 2 * n + visit:05d}/T1.nii.gz", 2 * n + visit
            )
    table(folder / "labels.csv", people([f"STUDY_S{n:04d}" for n in range(1, count + 1)]))


def _oasis1(folder: Path, count: int) -> None:
    for n in range(1, count + 1):
        name = f"OAS1_{n:04d}_MR1_mpr_n{3 + n % 2}_anon_111_t88_gfc.nii.gz"
        scan(folder / f"OAS1_{n:04d}_MR1/{name}", n)
    table(folder / "oasis.csv", people([f"OAS1_{n:04d}_MR1" for n in range(1, count + 1)]))


def _oasis3(folder: Path, count: int) -> None:
    for n in range(1, count + 1):
        for day in (11 * n, 11 * n + 1000):
            one, visit = f"OAS3{n:04d}", f"d{day:04d}"
            name = f"sub-{one}_ses-{visit}_T1w.nii.gz"
            scan(folder / f"{one}_MR_{visit}/anat2/{name}", day)
    rows = people([f"OAS3{n:04d}" for n in range(1, count + 1)], "OASISID")
    table(folder / "OASIS3_demographics.csv", rows)


def _hippocampus(folder: Path, count: int) -> None:
    for number in range(1, 2 * count + 1):
        scan(folder / f"imagesTr/hippocampus_{number:03d}.nii.gz", number)
        mask(folder / f"labelsTr/hippocampus_{number:03d}.nii.gz", (0, 1, 2))


def _nnunet(folder: Path, count: int) -> None:
    for n in range(1, count + 1):
        for channel in (0, 1):
            scan(folder / f"imagesTr/case_{n:03d}_{channel:04d}.nii.gz", 2 * n + channel)
            scan(folder / f"imagesTs/case_{n + 500:03d}_{channel:04d}.nii.gz", 2 * n + channel)
        mask(folder / f"labelsTr/case_{n:03d}.nii.gz")
    card = {"channel_names": {"0": "T1", "1": "FLAIR"}, "labels": {"background": 0, "tumour": 1}}
    card |= {"numTraining": count, "file_ending": ".nii.gz"}
    (folder / "dataset.json").write_text(json.dumps(card))


TREES = {
    "S1_T1": Tree(_flat("S{n}_T1.nii.gz"), {"channels": {"T1": "{subject}_T1.nii.gz"}}),
    "P001": Tree(
        _flat("P{n:03d}.nii.gz", ids="P{n:03d}"), {"channels": {"image": "{subject}.nii.gz"}}
    ),
    "sub01_T1": Tree(_flat("sub{n:02d}_T1.nii"), {"channels": {"T1": "{subject}_T1.nii"}}),
    "anna1_T1": Tree(_flat("anna{n}_T1.nii.gz"), {"channels": {"T1": "{subject}_T1.nii.gz"}}),
    "anna_T1": Tree(_flat("{name}_T1.nii.gz"), {"channels": {"T1": "{subject}_T1.nii.gz"}}),
    "name_T1_number": Tree(
        _flat("pilot_{n:03d}_T1_mni.nii.gz", ids="{n}"),
        {"channels": {"T1": "{subject}_T1_mni.nii.gz"}},
    ),
    "ixi": Tree(
        _flat("IXI{n:03d}-{site}-07{n:02d}-T1.nii.gz", ids="{n}"),
        {"channels": {"T1": "{subject}-{site}-*-T1.nii.gz"}},
    ),
    "folders": Tree(
        _flat("Sub_{n}/T1.nii.gz", ids="Sub_{n}"), {"channels": {"T1": "{subject}/T1.nii.gz"}}
    ),
    "sessions": Tree(
        _sessions,
        {"channels": {"T1": "{subject}/{session}/{subject}_{session}_T1.nii.gz"}},
        scans=2,
    ),
    "numbered visits": Tree(
        _numbered_visits(2, 8), {"channels": {"image": "{subject}/{session}.nii.gz"}}, scans=8
    ),
    "bare numbers": Tree(
        _numbered_visits(1, 9), {"channels": {"image": "{subject}/{session}.nii.gz"}}, scans=9
    ),
    "classes": Tree(_classes, {"channels": {"image": "{group}/{subject}.nii.gz"}}),
    "channels": Tree(
        _channels,
        {
            "channels": {
                "T1": "{subject}/{subject}_t1.nii.gz",
                "T2": "{subject}/{subject}_t2.nii.gz",
                "FLAIR": "{subject}/{subject}_flair.nii.gz",
            }
        },
    ),
    "masks": Tree(
        _masks,
        {"channels": {"T1": "{subject}_T1.nii.gz"}, "mask": "{subject}_lesion.nii.gz"},
    ),
    "unknown kinds": Tree(
        _unknown_kinds,
        {"channels": {"image": "{subject}_haube.nii.gz"}, "mask": "{subject}_kern.nii.gz"},
    ),
    "spm": Tree(_spm, {"channels": {"T1": "P{subject}_T1.nii"}}),
    "bids": Tree(_bids, {"layout": "bids", "channels": {"T1": "T1w"}}),
    "adni": Tree(
        _adni,
        {
            "channels": {
                "T1": "ADNI/{subject}/MPRAGE/*/{session}/"
                "ADNI_{subject}_MR_MPRAGE_br_raw_*_1_*_{session}.nii"
            }
        },
        scans=2,
    ),
    "xnat": Tree(_xnat, {"channels": {"T1": "{subject}/XNAT_{session}/T1.nii.gz"}}, scans=2),
    "oasis1": Tree(
        _oasis1,
        {
            "channels": {
                "image": "OAS1_{subject}_{session}/"
                "OAS1_{subject}_{session}_mpr_*_anon_111_t88_gfc.nii.gz"
            }
        },
    ),
    "oasis3": Tree(
        _oasis3,
        {"channels": {"T1": "{subject}_MR_{session}/anat2/sub-{subject}_ses-{session}_T1w.nii.gz"}},
        scans=2,
    ),
    "hippocampus": Tree(
        _hippocampus,
        {
            "channels": {"image": "imagesTr/{subject}.nii.gz"},
            "mask": "labelsTr/{subject}.nii.gz",
            "subject": {"pattern": r"hippocampus_(\d+)", "group": 2},
        },
        scans=2,
    ),
    "nnunet": Tree(
        _nnunet,
        {
            "channels": {
                "T1": "imagesTr/{subject}_0000.nii.gz",
                "FLAIR": "imagesTr/{subject}_0001.nii.gz",
            },
            "mask": "labelsTr/{subject}.nii.gz",
        },
    ),
}
