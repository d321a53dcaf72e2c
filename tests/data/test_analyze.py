from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from analyze_pairs import VOXEL
from analyze_pairs import volume
from analyze_pairs import write_analyze

from headstart.common.errors import UserError
from headstart.data.analyze import SPACES
from headstart.data.analyze import convert


@pytest.mark.parametrize(
    ("folder", "axes"),
    [("RAW", "ASL"), ("SUBJ_111", "ASL"), ("T88_111", "LAS"), ("FSL_SEG", "LAS")],
)
def test_each_folder_has_its_axes(folder: str, axes: str, tmp_path: Path) -> None:
    voxels = volume(folder)
    write_analyze(tmp_path / "a.hdr", voxels, VOXEL[folder], name=b"DOE^JANE 1970-01-01")
    convert(tmp_path / "a.hdr", SPACES[folder], tmp_path / "a.nii.gz")
    image = nib.load(tmp_path / "a.nii.gz")
    assert "".join(nib.aff2axcodes(image.affine)) == axes
    assert np.allclose(image.header.get_zooms(), VOXEL[folder])
    assert image.header.get_xyzt_units()[0] == "mm"
    assert image.get_data_dtype() == np.int16
    assert np.array_equal(np.asarray(image.dataobj), voxels)
    qform, sform = image.get_qform(coded=True), image.get_sform(coded=True)
    assert qform[1] == sform[1] == SPACES[folder].code > 0
    assert np.allclose(qform[0], sform[0])
    middle = nib.affines.apply_affine(image.affine, np.array(voxels.shape) / 2)
    assert np.allclose(middle, 0)
    text = image.header.structarr
    assert not any(text[field].item() for field in ("descrip", "aux_file", "db_name", "data_type"))
    assert b"DOE" not in image.header.binaryblock
    assert list(image.header.extensions) == []


def test_the_known_affine_of_the_average() -> None:
    """As published for SUBJ_111; RAW and the atlas are made by the same rule."""
    expected = [[0, 0, -1, 80], [1, 0, 0, -128], [0, 1, 0, -128], [0, 0, 0, 1]]
    assert np.array_equal(SPACES["SUBJ_111"].affine, expected)


def test_three_axes_do_as_well_as_four_and_the_same_bytes_come_out(tmp_path: Path) -> None:
    for name, four in (("a", True), ("b", False)):
        write_analyze(tmp_path / f"{name}.hdr", volume("FSL_SEG"), (1, 1, 1), four=four)
        convert(tmp_path / f"{name}.hdr", SPACES["FSL_SEG"], tmp_path / f"{name}.nii.gz")
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()


def test_what_is_not_as_it_should_be_is_refused(tmp_path: Path) -> None:
    header, output = tmp_path / "a.hdr", tmp_path / "a.nii.gz"
    space = SPACES["FSL_SEG"]
    labels = volume("FSL_SEG")

    def refused(words: str) -> None:
        with pytest.raises(UserError, match=words) as error:
            convert(header, space, output)
        assert str(tmp_path) in str(error.value)
        assert not output.exists()

    write_analyze(header, labels, (1, 1, 1.25))
    refused("voxels of 1x1x1.25 mm")
    write_analyze(header, labels[:, :, :100], (1, 1, 1))
    refused("176x208x100")
    write_analyze(header, labels + 1, (1, 1, 1))
    refused("labels 0 to 3")
    write_analyze(header, labels, (1, 1, 1))
    image = header.with_suffix(".img")
    image.write_bytes(image.read_bytes()[:-1])
    refused("it is cut off")
    image.unlink()
    refused(r"\.img is missing")
    image.write_bytes(b"")
    header.write_bytes(b"\0" * 100)
    refused("not an Analyze 7.5 header")
    header.write_bytes(b"<html>" * 58)
    refused("not an Analyze 7.5 header")
