"""A synthetic cohort with real anatomy: the MNI152 template, deformed anew for every subject.

What there is to learn is shape, not brightness. Age widens the ventricles and thins the grey
matter. Sex scales the head and, apart from its size, broadens the front and enlarges the
cerebellum. Each of the four has its individual scatter, and every subject its own smooth
deformation. Three sites differ in contrast, noise, voxel grid, orientation and age range.

The template is the symmetric ICBM 152 of 2009 (Fonov 2011, doi:10.1016/j.neuroimage.2010.07.033)
that nilearn carries, so nothing is fetched.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
from collections.abc import Callable
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from dataclasses import replace
from functools import cache
from functools import partial
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
from nilearn import datasets
from numpy.typing import NDArray
from scipy import ndimage

from headstart.parts import files
from headstart.parts.errors import UserError
from headstart.parts.progress import progress
from headstart.parts.scans import read_volume

Array = NDArray[np.float32]

CLASSES = {1: "grey_matter", 2: "white_matter", 3: "ventricles"}
FIRST_ID = 101
NOTE = """SYNTHETIC. Nobody was scanned: `headstart demo` made everything in this folder from the
MNI152 template, and may delete and rewrite it.
"""

GRID = 2.0  # mm; voxel size at which the template is kept
CENTRE = (0.0, -17.0, 5.0)  # middle of the template's brain, mm
CEREBELLUM = (0.0, -62.0, -35.0)  # its middle in the template, mm
COARSE = 8.0  # mm; control points of the individual deformation
SMOOTHNESS = 14.0  # mm; deviation of the kernel that makes it smooth
INDIVIDUAL = 2.0  # mm; its standard deviation along each axis

SECOND_SESSIONS = 5  # every so many subjects one has a second session
SCANS_PER_BROKEN = 20  # one broken subject per so many good ones, until each kind is there


@dataclass(frozen=True)
class Site:
    """A scanner and whom it sees.

    Attributes:
        name: Its name in the tables.
        ages: Youngest and oldest, years; ages are uniform in between.
        orientation: Where the axes of its volumes point to.
        voxel_size: Along right-left, front-back and up-down, mm.
        shape: Voxels along the same axes.
        brightness: Intensity of the brightest tissue.
        contrast: Exponent of intensity: above 1, grey matter is darker beside white.
        noise: Standard deviation of the Rician noise, share of the brightness.
        bias: Standard deviation of the log of the intensity's drift through the head.
    """

    name: str
    ages: tuple[float, float]
    orientation: str
    voxel_size: tuple[float, float, float]
    shape: tuple[int, int, int]
    brightness: float
    contrast: float
    noise: float
    bias: float


# The mean ages, 52.5, 48 and 43.5, lie 9 years apart, as IXI's sites do.
SITES = (
    Site("Alder", (25, 80), "RAS", (3.0, 3.0, 3.0), (60, 74, 64), 900, 1.0, 0.020, 0.08),
    Site("Birch", (20, 76), "PSR", (2.8, 2.8, 3.2), (64, 80, 60), 320, 0.8, 0.030, 0.15),
    Site("Cedar", (20, 67), "LIP", (3.2, 3.0, 3.0), (56, 74, 64), 2100, 1.25, 0.025, 0.11),
)
# Out of 20 subjects in a row each site has so many of each sex.
BLOCK = (("Alder", 4), ("Birch", 3), ("Cedar", 3))


@dataclass(frozen=True)
class Subject:
    """Who is scanned, and how the template becomes this head.

    Attributes:
        name: Its id.
        age: Years.
        sex: female or male.
        site: Where all its scans are made.
        sessions: 1 or 2 scans, which share the anatomy.
        scale: Size of the head along each axis, relative to the template.
        ventricles: Outward shift of the ventricles' walls, mm.
        thinning: Inward shift of the cortex' surface, mm.
        build: Amount of broader front and larger cerebellum; the sexes' means are +1 and -1.
        number: Position in the cohort, which with the cohort's seed gives its deformation.
    """

    name: str
    age: float
    sex: str
    site: Site
    sessions: int
    scale: tuple[float, float, float]
    ventricles: float
    thinning: float
    build: float
    number: int


@dataclass(frozen=True)
class Template:
    """The template on a 2 mm grid, and the ways in which it can be deformed.

    Attributes:
        maps: T1 intensity (0 to 1) and shares of grey matter, white matter and ventricles,
            (4, x, y, z).
        near: Where brain can come to lie, (x, y, z).
        origin: Place of the first voxel, mm.
        ventricles: Displacements, mm, that widen the ventricles by about 1 mm, (3, x, y, z).
        thinning: The same for moving the cortex inward.
        build: The same for a broader front and a larger cerebellum.
    """

    maps: Array
    near: NDArray[np.bool_]
    origin: Array
    ventricles: Array
    thinning: Array
    build: Array


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
    card = {
        "SYNTHETIC": True,
        "template": "ICBM 152 nonlinear symmetric 2009a, doi:10.1016/j.neuroimage.2010.07.033",
        "seed": seed,
        "subjects": subjects,
        "broken": broken,
        "files": len(digests),
        "sha256": hashlib.sha256(listing.encode()).hexdigest(),
    }
    files.write_json(output / "cohort.json", card)


def is_complete(output: Path, *, subjects: int, seed: int) -> bool:
    """Return whether a folder holds this very cohort, complete."""
    card = output / "cohort.json"
    if not card.exists():
        return False
    found = json.loads(card.read_text(encoding="utf-8"))
    return bool(found["subjects"] == subjects and found["seed"] == seed)


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


def draw_subject(seed: int, number: int) -> Subject:
    """Draw one subject's person, site and anatomy.

    Args:
        seed: The cohort's seed.
        number: The subject's position in the cohort, from 0.
    """
    places = [(site, sex) for site, n in BLOCK for sex in ("female", "male") for _ in range(n)]
    order = np.random.default_rng([seed, number // len(places)]).permutation(len(places))
    name, sex = places[order[number % len(places)]]
    (site,) = (site for site in SITES if site.name == name)

    rng = np.random.default_rng([seed, number, 0])
    age = round(float(rng.uniform(*site.ages)), 1)
    late = (age - 20) / 60  # 0 at 20 years, 1 at 80
    sign = 1 if sex == "male" else -1
    size = 1 + 0.02 * sign + 0.036 * rng.standard_normal()
    proportions = 1 + 0.015 * rng.standard_normal(3)
    return Subject(
        name=f"Sub_{FIRST_ID + number}",
        age=age,
        sex=sex,
        site=site,
        sessions=2 if number % SECOND_SESSIONS == 1 else 1,
        scale=tuple(size * proportions),
        ventricles=min(3.2, float(-0.8 + 3.4 * late + 0.5 * rng.standard_normal())),
        thinning=min(1.8, float(-0.3 + 1.5 * late + 0.22 * rng.standard_normal())),
        build=float(sign + 0.8 * rng.standard_normal()),
        number=number,
    )


def scan(
    subject: Subject, session: int, seed: int
) -> tuple[NDArray[np.int16], NDArray[np.uint8], Any]:
    """Scan a subject.

    Args:
        subject: Whom.
        session: 1 or 2: it decides the position in the scanner, the drift and the noise.
        seed: The cohort's seed.

    Returns:
        The T1 volume, the tissue mask (see `CLASSES`), both in the site's orientation, and their
        affine (voxel to mm).
    """
    template, site = load_template(), subject.site
    rng = np.random.default_rng([seed, subject.number, session])
    affine = _site_affine(site)
    voxels, places = _into_template(template, site, affine, _pose(subject, rng))
    values = _sample(template.maps, _deform(template, subject, seed, places))

    bright = np.zeros(site.shape, np.float32)
    bright[voxels] = np.clip(values[0], 0, None) ** site.contrast * site.brightness
    bright *= _drift(site, rng)
    noise = rng.standard_normal((2, *site.shape), np.float32) * (site.noise * site.brightness)
    image = np.hypot(bright + noise[0], noise[1])

    shares = np.concatenate([1 - values[1:].sum(axis=0, keepdims=True), values[1:]])
    mask = np.zeros(site.shape, np.uint8)
    mask[voxels] = shares.argmax(axis=0)
    turn, affine = _turn(site, affine)
    volume = nib.apply_orientation(np.rint(image).astype(np.int16), turn)
    return volume, nib.apply_orientation(mask, turn), affine


@cache
def load_template() -> Template:
    """Load the template and work out its deformations; once per process."""
    t1, grey, white = (
        load(resolution=1).get_fdata(dtype=np.float32)
        for load in (
            datasets.load_mni152_template,
            datasets.load_mni152_gm_template,
            datasets.load_mni152_wm_template,
        )
    )
    origin = datasets.load_mni152_template(resolution=1).affine[:3, 3]
    ventricles = _ventricles((t1 > 0) & (grey + white < 0.5), origin)
    step = int(GRID)
    maps = np.stack(
        [
            ndimage.gaussian_filter(volume, 1.0)[::step, ::step, ::step]
            for volume in (t1, grey, white, ventricles.astype(np.float32))
        ]
    )
    tissue = maps[1] + maps[2]
    brain = ndimage.binary_fill_holes(maps[0] > 0.02)
    return Template(
        maps=maps,
        near=ndimage.binary_dilation(brain, iterations=5),
        origin=origin.astype(np.float32),
        # both follow the slope of a blurred map: towards the middle of the ventricles, and out
        # of the tissue; so the volume that is sampled there comes to lie here
        ventricles=_slope(maps[3], 7.0),
        thinning=-_slope(tissue, 3.5),
        build=_build(brain.shape, origin),
    )


def _ventricles(fluid: NDArray[np.bool_], origin: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Find the lateral ventricles: the largest piece of fluid in the middle of the brain."""
    x, y, z = (
        np.arange(n, dtype=np.float32).reshape([-1 if i == axis else 1 for i in range(3)])
        + origin[axis]
        for axis, n in enumerate(fluid.shape)
    )
    middle = (np.abs(x) <= 32) & (y >= -52) & (y <= 38) & (z >= -12) & (z <= 32)
    pieces, _ = ndimage.label(fluid & middle)
    return pieces == np.bincount(pieces.ravel())[1:].argmax() + 1


def _slope(volume: Array, blur: float) -> Array:
    """Return the gradient of a volume that is blurred by so many mm, at most 1 long."""
    slope = np.stack(
        [
            ndimage.gaussian_filter(
                volume, blur / GRID, order=tuple(int(i == axis) for i in range(3))
            )
            for axis in range(3)
        ]
    )
    return slope / np.sqrt((slope**2).sum(axis=0)).max()


def _build(shape: tuple[int, ...], origin: NDArray[np.float64]) -> Array:
    place = np.indices(shape, np.float32) * GRID + origin[:, None, None, None]
    # broader in front, narrower behind: at the side of the head about 2 mm
    front = np.tanh((place[1] + 18) / 35)
    shift = np.zeros_like(place)
    shift[0] = -0.038 * place[0] * front
    away = place - np.array(CEREBELLUM)[:, None, None, None]
    shift -= 0.1 * away * np.exp(-(away**2).sum(axis=0) / (2 * 26.0**2))
    return shift.astype(np.float32)


def _site_affine(site: Site) -> NDArray[np.float64]:
    """Return the affine of the site's volumes as long as they point to RAS."""
    affine = np.diag([*site.voxel_size, 1.0])
    affine[:3, 3] = CENTRE - affine[:3, :3] @ ((np.array(site.shape) - 1) / 2)
    return affine


def _pose(subject: Subject, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw where the head lies: 4x4, from template mm to scanner mm."""
    pose = np.eye(4)
    for axis, degrees in enumerate(2.5 * rng.standard_normal(3)):
        one, two = (i for i in range(3) if i != axis)
        turn = np.eye(4)
        turn[one, one] = turn[two, two] = np.cos(np.deg2rad(degrees))
        turn[one, two] = np.sin(np.deg2rad(degrees))
        turn[two, one] = -turn[one, two]
        pose = turn @ pose
    shift = 2.5 * rng.standard_normal(3)
    pose[:3, :3] = pose[:3, :3] @ np.diag(subject.scale)
    pose[:3, 3] = CENTRE + shift - pose[:3, :3] @ CENTRE
    return pose


def _into_template(
    template: Template, site: Site, affine: NDArray[np.float64], pose: NDArray[np.float64]
) -> tuple[tuple[NDArray[np.intp], ...], Array]:
    """Find the scan's voxels that may hold brain.

    Returns:
        Their indices, and their places in the template's voxels before deformation, (3, n).
    """
    into = np.diag([1 / GRID, 1 / GRID, 1 / GRID, 1.0])
    into[:3, 3] = -template.origin / GRID
    step = (into @ np.linalg.inv(pose) @ affine).astype(np.float32)
    i, j, k = np.ogrid[tuple(slice(n) for n in site.shape)]
    places = np.stack([row[0] * i + row[1] * j + row[2] * k + row[3] for row in step[:3]])
    nearest = np.rint(places).astype(np.intp)
    limits = np.array(template.near.shape)[:, None, None, None]
    inside = ((nearest >= 0) & (nearest < limits)).all(axis=0)
    inside[inside] = template.near[tuple(nearest[:, inside])]
    return np.nonzero(inside), places[:, inside]


def _deform(template: Template, subject: Subject, seed: int, places: Array) -> Array:
    """Return where in the template the subject's tissue at these places comes from."""
    shifts = (
        subject.ventricles * template.ventricles
        + subject.thinning * template.thinning
        + subject.build * template.build
    )
    coarse = _individual(template, np.random.default_rng([seed, subject.number, 0, 1]))
    # one after the other, not added: neither folds, and so their chain doesn't
    places = places + _sample(coarse, places * np.float32(GRID / COARSE)) / np.float32(GRID)
    return places + _sample(shifts, places) / np.float32(GRID)


def _individual(template: Template, rng: np.random.Generator) -> Array:
    """Draw smooth displacements, mm, on control points 8 mm apart."""
    shape = [int(np.ceil(n * GRID / COARSE)) + 1 for n in template.near.shape]
    field = rng.standard_normal((3, *shape), np.float32)
    field = ndimage.gaussian_filter(field, SMOOTHNESS / COARSE, axes=(1, 2, 3), mode="wrap")
    return field * np.float32(INDIVIDUAL / field.std())


def _sample(volumes: Array, places: Array) -> Array:
    """Interpolate volumes (n, x, y, z) linearly at places (3, m) in voxels; 0 outside."""
    return np.stack(
        [ndimage.map_coordinates(volume, places, order=1, prefilter=False) for volume in volumes]
    )


def _drift(site: Site, rng: np.random.Generator) -> Array:
    """Draw the receiver's bias field: the exponential of a random quadratic."""
    x, y, z = (
        np.linspace(-1, 1, n, dtype=np.float32).reshape([-1 if i == axis else 1 for i in range(3)])
        for axis, n in enumerate(site.shape)
    )
    terms = (x, y, z, x * x - 0.3, y * y - 0.3, z * z - 0.3, x * y, y * z, x * z)
    weights = (site.bias * rng.standard_normal(len(terms))).astype(np.float32)
    log = np.zeros(site.shape, np.float32)
    for weight, term in zip(weights, terms, strict=True):
        log += weight * term
    return np.exp(log)


def _turn(site: Site, affine: NDArray[np.float64]) -> tuple[NDArray[np.float64], Any]:
    """Return how an array turns from RAS to the site's orientation, and its affine then."""
    turn = nib.orientations.ornt_transform(
        nib.orientations.axcodes2ornt("RAS"), nib.orientations.axcodes2ornt(site.orientation)
    )
    return turn, affine @ nib.orientations.inv_ornt_aff(turn, site.shape)


def _clear(output: Path) -> None:
    """Empty the folder of what an earlier or interrupted run left, and of nothing else."""
    note = output / "SYNTHETIC.txt"
    if output.exists() and any(output.iterdir()) and not note.exists():
        raise UserError(f"{output}: holds files that are not a demo cohort; choose another folder")
    (output / "cohort.json").unlink(missing_ok=True)
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
            "T1.nii.gz": _nifti(image, affine),
            "tissue.nii.gz": _nifti(mask, affine),
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
            (p.name, "ses-1", f"subjects/{p.name}/ses-1/{_spoilt(reason)}", reason)
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


def _spoilt(reason: str) -> str:
    return "tissue.nii.gz" if reason == "mask-grid" else "T1.nii.gz"


def _nifti(array: np.ndarray, affine: NDArray[np.float64], level: int = 1) -> bytes:
    """Return a .nii.gz without a time stamp in it."""
    return gzip.compress(nib.Nifti1Image(array, affine).to_bytes(), level, mtime=0)


def _truncated(image: np.ndarray, _: np.ndarray, affine: NDArray[np.float64]) -> dict[str, bytes]:
    content = _nifti(image, affine)
    return {"T1.nii.gz": content[: len(content) // 2]}


def _flipped(image: np.ndarray, _: np.ndarray, affine: NDArray[np.float64]) -> dict[str, bytes]:
    # not compressed, so that one voxel changes and nothing but the checksum can tell
    content = bytearray(_nifti(image, affine, level=0))
    content[len(content) // 2] ^= 0x40
    return {"T1.nii.gz": bytes(content)}


def _four_d(image: np.ndarray, _: np.ndarray, affine: NDArray[np.float64]) -> dict[str, bytes]:
    return {"T1.nii.gz": _nifti(np.stack([image, image], axis=-1), affine)}


def _nan(image: np.ndarray, _: np.ndarray, affine: NDArray[np.float64]) -> dict[str, bytes]:
    values = image.astype(np.float32)
    values[20:24, 20:24, 20:24] = np.nan
    return {"T1.nii.gz": _nifti(values, affine)}


def _constant(image: np.ndarray, _: np.ndarray, affine: NDArray[np.float64]) -> dict[str, bytes]:
    return {"T1.nii.gz": _nifti(np.full_like(image, 100), affine)}


def _moved_mask(_: np.ndarray, mask: np.ndarray, affine: NDArray[np.float64]) -> dict[str, bytes]:
    return {"tissue.nii.gz": _nifti(mask[::2, ::2, ::2], affine @ np.diag([2.0, 2.0, 2.0, 1.0]))}


def _html(*_: np.ndarray) -> dict[str, bytes]:
    return {"T1.nii.gz": b"<!DOCTYPE html>\n<title>404 Not Found</title>\n" * 20}


# The reason that check must give for each kind of broken scan: how it is made.
BREAKERS: dict[str, Callable[..., dict[str, bytes]]] = {
    "truncated": _truncated,
    "crc": _flipped,
    "mask-grid": _moved_mask,
    "not-finite": _nan,
    "unreadable": _html,
    "not-3d": _four_d,
    "constant": _constant,
}


def _volumes(folder: Path) -> list[float]:
    """Return the volumes of the mask's classes, ml."""
    mask = read_volume(folder / "tissue.nii.gz")
    counts = np.bincount(mask.stored.ravel(), minlength=len(CLASSES) + 1)
    return list(counts[1:] * np.prod(mask.voxel_size) / 1000)
