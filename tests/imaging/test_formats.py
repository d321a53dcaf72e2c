"""The ways in which scans are stored, through check and prepare: the same head comes out of all."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import example
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from headstart.cohort.prepare import prepare
from headstart.cohort.shards import ShardCard
from headstart.common.errors import UserError
from headstart.imaging.config import Accepted
from headstart.imaging.config import Preparation
from headstart.imaging.scan_check import check_scans
from headstart.imaging.scan_rows import ScanFiles

AFFINE = np.array([[2.0, 0, 0, -18], [0, 2, 0, -20], [0, 0, 3, -16], [0, 0, 0, 1]])
PREPARE = Preparation(voxel_size=(2.0, 2.0, 2.0), window=(20, 24, 24))
LESION = {"lesion": (1,)}
# Scan and mask on one grid, as the plain file has them: an image with a bright mark right, front
# and up, and a lesion beside it.
IMAGE = np.random.default_rng(0).integers(10, 40, (18, 20, 12)).astype(np.int16)
IMAGE[4:14, 4:16, 2:10] += 200
IMAGE[12:14, 14:16, 8:10] = 900
MASK = np.zeros(IMAGE.shape, np.uint8)
MASK[6:10, 6:12, 4:8] = 1

Pair = tuple[nib.Nifti1Image, nib.Nifti1Image]


def image(array: np.ndarray, affine: np.ndarray = AFFINE, kind: type = nib.Nifti1Image) -> object:
    return kind(array, affine)


def plain() -> Pair:
    return image(IMAGE), image(MASK)


def prepared(folder: Path, pair: Pair, *, ending: str = ".nii.gz") -> tuple[np.ndarray, ...]:
    """Check a scan and prepare it.

    Returns:
        The volume, the mask and the affine.
    """
    folder.mkdir(exist_ok=True)
    for name, one in zip(("T1", "mask"), pair, strict=True):
        nib.save(one, folder / f"{name}{ending}")
    return looked_at(folder, ending)


def looked_at(folder: Path, ending: str = ".nii.gz") -> tuple[np.ndarray, ...]:
    scans = [ScanFiles("a", "1", {"T1": f"T1{ending}"}, f"mask{ending}", "")]
    common = {"scans": scans, "data": folder, "classes": LESION}
    checked = check_scans(**common, masks=True)
    assert [row.reason for row in checked] == [""], checked[0].detail
    output = folder / "out/shard-0.json"
    prepare(**common, channels=["T1"], checked=checked, output=output, settings=PREPARE)
    (entry,) = ShardCard.read(output).scans
    arrays = [np.load(folder / f"out/shard-0{kind}.npy")[0] for kind in ("", "-mask")]
    return arrays[0][0].astype(np.float32), arrays[1], np.array(entry.affine)


def oriented(axes: str) -> Pair:
    turn = nib.orientations.ornt_transform(
        nib.orientations.axcodes2ornt("RAS"), nib.orientations.axcodes2ornt(axes)
    )
    return tuple(one.as_reoriented(turn) for one in plain())  # type: ignore[return-value]


def in_unit(unit: str, scale: float) -> Pair:
    pair = [image(array, np.diag([scale] * 3 + [1]) @ AFFINE) for array in (IMAGE, MASK)]
    for one in pair:
        one.header.set_xyzt_units(unit)
    return pair[0], pair[1]


def scaled(slope: float, intercept: float) -> Pair:
    stored = np.rint((IMAGE - intercept) / slope).astype(np.int16)
    one = image(stored)
    one.header.set_slope_inter(slope, intercept)
    return one, image(MASK)


def forms(sform: int, qform: int) -> Pair:
    pair = plain()
    for one in pair:
        one.set_sform(AFFINE, sform)
        one.set_qform(AFFINE, qform)
    return pair


def big_endian(kind: type) -> Pair:
    pair = [
        kind(array.astype(array.dtype.newbyteorder(">")), AFFINE, kind.header_class(endianness=">"))
        for array in (IMAGE, MASK)
    ]
    return pair[0], pair[1]


FORMATS: dict[str, Callable[[], Pair]] = {
    "NIfTI-2": lambda: (image(IMAGE, kind=nib.Nifti2Image), image(MASK, kind=nib.Nifti2Image)),
    "a NIfTI-1 scan and a NIfTI-2 mask": lambda: (image(IMAGE), image(MASK, kind=nib.Nifti2Image)),
    "big-endian": lambda: big_endian(nib.Nifti1Image),
    "big-endian NIfTI-2": lambda: big_endian(nib.Nifti2Image),
    "metres": lambda: in_unit("meter", 0.001),
    "micrometres": lambda: in_unit("micron", 1000),
    "unknown unit": lambda: in_unit("unknown", 1),
    "LAS": lambda: oriented("LAS"),
    "LPS": lambda: oriented("LPS"),
    "PSR": lambda: oriented("PSR"),
    "SAL": lambda: oriented("SAL"),
    "mask the other way round": lambda: (plain()[0], oriented("LAS")[1]),
    "mask with other axes": lambda: (plain()[0], oriented("SPL")[1]),
    "scan with other axes": lambda: (oriented("SPL")[0], plain()[1]),
    "mask cropped": lambda: (plain()[0], plain()[1].slicer[4:14, 5:, 2:-2]),
    "mask cropped and turned": lambda: (plain()[0], oriented("LPS")[1].slicer[4:14, :-4, 1:]),
    "mask wider": lambda: (
        plain()[0],
        image(np.pad(MASK, 3), AFFINE @ nib.affines.from_matvec(np.eye(3), [-3, -3, -3])),
    ),
    "sform alone": lambda: forms(1, 0),
    "qform alone": lambda: forms(0, 1),
    "MNI": lambda: forms(4, 4),
    "scaled": lambda: scaled(0.05, -7),
    "negative slope": lambda: scaled(-0.05, 7),
    "int64": lambda: (nib.Nifti1Image(IMAGE.astype("i8"), AFFINE, dtype="i8"), image(MASK)),
    "uint64": lambda: (nib.Nifti1Image(IMAGE.astype("u8"), AFFINE, dtype="u8"), image(MASK)),
    "float64": lambda: (image(IMAGE.astype("f8")), image(MASK.astype("f8"))),
    "mask of 0.9999": lambda: (image(IMAGE), image((MASK * 0.9999).astype("f4"))),
    "a fourth axis of one": lambda: (image(IMAGE[..., None]), image(MASK[..., None, None])),
}


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> tuple[np.ndarray, ...]:
    return prepared(tmp_path_factory.mktemp("plain"), plain())


@pytest.mark.parametrize("kind", FORMATS)
def test_the_same_head_however_it_is_stored(
    tmp_path: Path, expected: tuple[np.ndarray, ...], kind: str
) -> None:
    volume, mask, affine = prepared(tmp_path, FORMATS[kind]())
    np.testing.assert_allclose(affine, expected[2], atol=1e-3)
    np.testing.assert_array_equal(mask, expected[1])
    np.testing.assert_allclose(volume, expected[0], atol=2e-3)


def test_the_mark_is_right_front_and_up(expected: tuple[np.ndarray, ...]) -> None:
    volume, mask, affine = expected
    place = np.argwhere(volume > 0.9 * volume.max()).mean(axis=0)
    x, y, z = nib.affines.apply_affine(affine, place)
    raw = nib.affines.apply_affine(AFFINE, [12.5, 14.5, 8.5])
    assert (x, y, z) == pytest.approx(raw, abs=1)
    middle = nib.affines.apply_affine(affine, np.argwhere(mask).mean(axis=0))
    assert middle == pytest.approx(nib.affines.apply_affine(AFFINE, [7.5, 8.5, 5.5]), abs=1)
    assert mask.sum() * 8 == pytest.approx(MASK.sum() * 12, rel=0.1)


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_compressed_or_not(tmp_path: Path, expected: tuple[np.ndarray, ...], ending: str) -> None:
    for before, after in zip(expected, prepared(tmp_path, plain(), ending=ending), strict=True):
        np.testing.assert_array_equal(before, after)


def test_several_gzip_streams_in_a_row(tmp_path: Path, expected: tuple[np.ndarray, ...]) -> None:
    prepared(tmp_path, plain())
    for name in ("T1", "mask"):
        path = tmp_path / f"{name}.nii.gz"
        content = gzip.decompress(path.read_bytes())
        path.write_bytes(gzip.compress(content[:1000]) + gzip.compress(content[1000:]))
    for before, after in zip(expected, looked_at(tmp_path), strict=True):
        np.testing.assert_array_equal(before, after)


@settings(max_examples=60)
@given(
    version=st.sampled_from([nib.Nifti1Image, nib.Nifti2Image]),
    changes=st.lists(st.tuples(st.integers(0, 543), st.integers(0, 255)), min_size=1, max_size=3),
)
@example(version=nib.Nifti2Image, changes=[(183, 71)])  # a slope beyond any number
def test_whatever_the_header_what_is_prepared_is_finite_and_the_rest_refused(
    version: type, changes: list[tuple[int, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.getbasetemp() / "any-header"
    folder.mkdir(exist_ok=True)
    whole = version(IMAGE, AFFINE)
    whole.set_qform(AFFINE, 1)
    content = bytearray(whole.to_bytes())
    for place, value in changes:
        content[place] = value
    (folder / "T1.nii").write_bytes(content)
    scans = [ScanFiles("a", "1", {"T1": "T1.nii"}, "", "")]
    common = {"scans": scans, "data": folder, "classes": {}}
    checked = check_scans(**common, masks=False)
    common |= {"channels": ["T1"]}
    accept = [Accepted()]
    output = folder / "out/shard-0.json"
    try:
        prepare(**common, checked=checked, output=output, settings=PREPARE, accept=accept)
    except UserError:
        return
    assert np.isfinite(np.load(output.with_suffix(".npy"))).all()
