"""Reading one NIfTI file: every kind of damage has its reason."""

from __future__ import annotations

import gzip
import tracemalloc
import warnings
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from headstart.imaging.nifti import BadScanError
from headstart.imaging.nifti import read_volume

AFFINE = np.diag([2.0, 2.0, 2.5, 1.0])


def noise(*shape: int, kind: str = "i2") -> np.ndarray:
    return np.random.default_rng(0).integers(0, 500, shape).astype(kind)


def save(path: Path, array: np.ndarray, affine: np.ndarray = AFFINE) -> Path:
    nib.save(nib.Nifti1Image(array, affine), path)
    return path


def reason(path: Path) -> str:
    with pytest.raises(BadScanError) as caught:
        read_volume(path)
    assert caught.value.detail.startswith(f"{path}: ")
    assert ";" in caught.value.problem, "the fix is missing"
    return caught.value.reason


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return save(tmp_path / "a.nii.gz", noise(12, 10, 8))


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize("kind", ["u1", "i2", ">i2", "u2", "i4", "f4", "f8"])
@pytest.mark.parametrize("version", [nib.Nifti1Image, nib.Nifti2Image])
def test_reads_what_nibabel_reads(tmp_path: Path, name: str, kind: str, version: type) -> None:
    affine = np.array([[0, 0, 2, -3], [-1.5, 0, 0, 4], [0, 1, 0, 5], [0, 0, 0, 1.0]])
    nib.save(version(noise(5, 6, 7, kind=kind), affine), tmp_path / name)

    volume = read_volume(tmp_path / name)

    image = nib.load(tmp_path / name)
    np.testing.assert_array_equal(volume.stored, np.asanyarray(image.dataobj))
    np.testing.assert_allclose(volume.affine, image.affine)
    assert volume.voxel_size == pytest.approx((1.5, 1, 2))
    assert volume.orientation == "PSR"
    assert volume.surplus == 0


def test_intensities_are_scaled_as_the_header_says(tmp_path: Path) -> None:
    image = nib.Nifti1Image(noise(6, 6, 6, kind="u1"), AFFINE)
    image.header.set_slope_inter(-0.5, 10)
    nib.save(image, tmp_path / "a.nii.gz")

    volume = read_volume(tmp_path / "a.nii.gz")

    expected = nib.load(tmp_path / "a.nii.gz").get_fdata()
    assert volume.extremes == (expected.min(), expected.max())
    assert volume.quantiles == pytest.approx(np.percentile(expected, (1, 50, 99)), abs=0.01)


def test_a_trailing_axis_of_length_one_is_dropped(tmp_path: Path) -> None:
    assert read_volume(save(tmp_path / "a.nii.gz", noise(5, 6, 7, 1))).shape == (5, 6, 7)


def test_extensions_before_the_voxels_are_skipped(tmp_path: Path) -> None:
    image = nib.Nifti1Image(noise(5, 6, 7), AFFINE)
    image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"x" * 3_000_000))
    nib.save(image, tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(read_volume(tmp_path / "a.nii.gz").stored, noise(5, 6, 7))


def test_the_digest_is_of_the_voxels_not_of_the_file(tmp_path: Path, good: Path) -> None:
    same = save(tmp_path / "b.nii", noise(12, 10, 8), np.eye(4))
    turned = save(tmp_path / "c.nii", noise(12, 10, 8).reshape((10, 12, 8), order="F"))
    wider = save(tmp_path / "d.nii", noise(12, 10, 8, kind="i4"))
    digest = read_volume(good).digest
    assert read_volume(same).digest == digest
    assert len({digest, read_volume(turned).digest, read_volume(wider).digest}) == 3


def test_masks_stored_as_scaled_floats_are_integers(tmp_path: Path) -> None:
    mask = noise(6, 6, 6) % 4
    slope = np.float32(3e-5)
    image = nib.Nifti1Image(np.rint(mask / slope).astype("i4"), AFFINE)
    image.header.set_slope_inter(slope, 0)
    nib.save(image, tmp_path / "a.nii.gz")
    assert read_volume(tmp_path / "a.nii.gz").integers() == {0, 1, 2, 3}
    halves = save(tmp_path / "b.nii", (mask / 2).astype("f4"))
    assert read_volume(halves).integers() is None


@pytest.mark.parametrize("wild", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("share", [1, 7])
def test_of_a_scan_that_is_not_finite_no_quantile_is_known(
    wild: float, share: int, tmp_path: Path
) -> None:
    voxels = np.zeros((9, 9, 9), "f4")
    voxels.flat[::share] = wild
    volume = read_volume(save(tmp_path / "a.nii", voxels))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not volume.finite
        assert np.isnan(volume.quantiles).all()


def test_missing_file(tmp_path: Path) -> None:
    assert reason(tmp_path / "a.nii.gz") == "missing"
    (tmp_path / "file").touch()
    assert reason(tmp_path / "file/a.nii.gz") == "missing"


def test_folder_in_place_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "a.nii.gz").mkdir()
    assert reason(tmp_path / "a.nii.gz") == "unreadable"


@pytest.mark.parametrize(
    "content",
    [b"", b"x", b"<html>404", b"\n<!doctype html>", gzip.compress(b"<html>"), gzip.compress(b"")],
    ids=["empty", "text", "html", "doctype", "html-gzip", "empty-gzip"],
)
def test_other_content_under_the_name_of_a_scan(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.nii.gz").write_bytes(content)
    assert reason(tmp_path / "a.nii.gz") == "unreadable"


def test_a_web_page_is_called_so(tmp_path: Path) -> None:
    (tmp_path / "a.nii.gz").write_bytes(b"<html>404</html>")
    with pytest.raises(BadScanError, match="web page"):
        read_volume(tmp_path / "a.nii.gz")


def test_compressed_or_not_against_its_name(tmp_path: Path, good: Path) -> None:
    assert reason(good.rename(tmp_path / "b.nii")) == "unreadable"
    assert reason(save(tmp_path / "c.nii", noise(5, 5, 5)).rename(tmp_path / "c.nii.gz")) == (
        "unreadable"
    )


@pytest.mark.parametrize("share", [0.02, 0.3, 0.5, 0.99])
def test_truncated_gzip(good: Path, share: float) -> None:
    content = good.read_bytes()
    good.write_bytes(content[: max(3, int(share * len(content)))])
    assert reason(good) == "truncated"


def test_gzip_without_its_checksum(good: Path) -> None:
    good.write_bytes(good.read_bytes()[:-5])
    assert reason(good) == "truncated"


@pytest.mark.parametrize("size", [100, 352, 1000])
def test_truncated_nii(tmp_path: Path, size: int) -> None:
    path = save(tmp_path / "a.nii", noise(12, 10, 8))
    path.write_bytes(path.read_bytes()[:size])
    assert reason(path) == "truncated"


def test_a_file_cut_before_it_was_compressed(tmp_path: Path) -> None:
    content = save(tmp_path / "a.nii", noise(12, 10, 8)).read_bytes()
    (tmp_path / "b.nii.gz").write_bytes(gzip.compress(content[:-7]))
    assert reason(tmp_path / "b.nii.gz") == "dimensions"


def test_surplus_bytes_are_counted(tmp_path: Path) -> None:
    content = save(tmp_path / "a.nii", noise(12, 10, 8)).read_bytes()
    (tmp_path / "b.nii.gz").write_bytes(gzip.compress(content + b"1234567"))
    assert read_volume(tmp_path / "b.nii.gz").surplus == 7


def test_a_header_that_asks_for_more_than_any_memory(tmp_path: Path) -> None:
    path = save(tmp_path / "a.nii", noise(12, 10, 8))
    content = bytearray(path.read_bytes())
    content[42:48] = np.array([32767, 32767, 32767], "<i2").tobytes()
    path.write_bytes(content)
    assert reason(path) == "truncated"


def test_a_small_file_that_unpacks_to_more_than_any_memory(tmp_path: Path) -> None:
    header = nib.Nifti1Header()
    header.set_data_shape((1290, 1290, 1300))  # 2.16 GB
    header.set_data_dtype("u1")
    header.set_sform(AFFINE, 1)
    start = gzip.compress(header.binaryblock + b"\0" * 4)
    # gzip streams in a row are one file
    zeros = gzip.compress(bytes(1 << 24), 1)
    (tmp_path / "a.nii.gz").write_bytes(start + zeros * 129)
    assert (tmp_path / "a.nii.gz").stat().st_size < 20_000_000
    tracemalloc.start()
    assert reason(tmp_path / "a.nii.gz") == "unreadable"
    assert tracemalloc.get_traced_memory()[1] < 100_000_000
    tracemalloc.stop()


def test_an_extension_without_end_is_not_kept(tmp_path: Path) -> None:
    image = nib.Nifti1Image(noise(5, 6, 7), AFFINE)
    image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"x" * 3_000_000))
    nib.save(image, tmp_path / "a.nii.gz")
    assert len(read_volume(tmp_path / "a.nii.gz").extensions) == 1 << 20


@pytest.mark.parametrize("shape", [(5, 6, 7, 3), (5, 6), (5, 6, 1), (5, 6, 7, 1, 3)])
def test_not_one_volume(tmp_path: Path, shape: tuple[int, ...]) -> None:
    assert reason(save(tmp_path / "a.nii.gz", noise(*shape))) == "not-3d"


def test_colours(tmp_path: Path) -> None:
    rgb = np.zeros((5, 5, 5), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    assert reason(save(tmp_path / "a.nii.gz", rgb)) == "unreadable"


def test_a_pair_of_header_and_image(tmp_path: Path) -> None:
    nib.save(nib.Nifti1Pair(noise(5, 6, 7), AFFINE), tmp_path / "a.hdr")
    assert reason((tmp_path / "a.hdr").rename(tmp_path / "a.nii")) == "unreadable"
    assert reason(tmp_path / "a.img") == "unreadable"


def test_an_affine_without_volume(tmp_path: Path) -> None:
    header = nib.Nifti1Header()
    header.set_sform(np.diag([1.0, 1, 0, 1]), code=1)
    nib.save(nib.Nifti1Image(noise(5, 6, 7), None, header), tmp_path / "a.nii")
    assert reason(tmp_path / "a.nii") == "unreadable"


@settings(max_examples=150)
@given(data=st.data())
def test_a_flipped_bit_in_a_gzip_stream_never_passes_unseen(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "flipped.nii.gz"
    save(path, noise(8, 8, 8))
    content = bytearray(path.read_bytes())
    digest = read_volume(path).digest
    # the first ten bytes are gzip's own header: name, time, system
    place = data.draw(st.integers(10, len(content) - 1))
    content[place] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    try:
        outcome = read_volume(path).digest
    except BadScanError as error:
        outcome = error.reason
    assert outcome in {"crc", "truncated", digest}  # the digest: a bit that gzip does not use


@settings(max_examples=300)
@given(place=st.integers(0, 351), value=st.integers(0, 255))
def test_any_byte_of_the_header_may_be_wrong(
    place: int, value: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "header.nii"
    save(path, noise(8, 8, 8))
    content = bytearray(path.read_bytes())
    content[place] = value
    path.write_bytes(content)
    try:
        volume = read_volume(path)
    except BadScanError:
        return
    assert len(volume.shape) == 3
    assert np.isfinite(volume.affine).all()
