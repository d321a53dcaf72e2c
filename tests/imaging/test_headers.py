"""What a header says of orientation and of persons; real programs' texts pass."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nibabel.nifti1 import Nifti1Extension

from headstart.imaging.headers import TEXTS
from headstart.imaging.headers import best_affine
from headstart.imaging.headers import orientation_problem
from headstart.imaging.headers import personal_data

AFFINE = np.array([[-1.2, 0, 0, 90], [0, 1, 0, -126], [0, 0, 1, -72], [0, 0, 0, 1.0]])


def turned(degrees: float, axis: int = 0) -> np.ndarray:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    one, two = [other for other in range(3) if other != axis]
    turn = np.eye(4)
    turn[one, one] = turn[two, two] = c
    turn[one, two], turn[two, one] = -s, s
    return turn @ AFFINE


def header(
    sform: np.ndarray | None, qform: np.ndarray | None, kind: type = nib.Nifti1Header
) -> nib.Nifti1Header:
    made = kind()
    made.set_data_shape((10, 10, 10))
    made.set_sform(sform, 0 if sform is None else 1)
    made.set_qform(qform, 0 if qform is None else 1)
    return made


def problem(made: nib.Nifti1Header) -> str | None:
    found = orientation_problem(made, made.get_best_affine())
    return found and found[0]


SHEARED = AFFINE.copy()
SHEARED[0, 1] = 0.1
FLIPPED = AFFINE @ np.diag([-1, 1, 1, 1])
SHIFTED = AFFINE.copy()
SHIFTED[:3, 3] += 30


@pytest.mark.parametrize("kind", [nib.Nifti1Header, nib.Nifti2Header])
@pytest.mark.parametrize(
    ("sform", "qform", "code"),
    [
        (AFFINE, AFFINE, None),
        (AFFINE, None, None),
        (None, AFFINE, None),
        (turned(20), turned(20), None),
        (SHIFTED, AFFINE, None),
        (turned(4), AFFINE, None),
        (None, None, "no-orientation"),
        (turned(6), AFFINE, "sform-qform"),
        (FLIPPED, AFFINE, "sform-qform"),
        (AFFINE @ np.diag([1, 1, 1.02, 1]), AFFINE, "sform-qform"),
        (SHEARED, AFFINE, "sheared"),
        (SHEARED, None, "sheared"),
    ],
)
def test_orientation(
    kind: type, sform: np.ndarray | None, qform: np.ndarray | None, code: str | None
) -> None:
    assert problem(header(sform, qform, kind)) == code


@given(st.floats(-180, 180), st.integers(0, 2), st.lists(st.floats(0.2, 5), min_size=3, max_size=3))
def test_a_turned_scan_whose_forms_agree_is_fine(
    degrees: float, axis: int, edges: list[float]
) -> None:
    affine = turned(degrees, axis) @ np.diag([*edges, 1.0])
    assert problem(header(affine, affine)) is None
    assert problem(header(affine, None)) is None


PERSONAL = [
    "DOE^JANE",
    "Doe^Jane^^Dr",
    "Jane Doe",
    "Doe, Jane",
    "patient: 4711",
    "PatientName=x",
    "dob:12",
    "born 3.5.1950",
    "1950-05-03",
    "scan of 19500503",
    "MR 2011/12/31 t1",
    "31.12.2011",
    "3 Mar 2014",
    "Wed Dec  4 15:24:53 2024",
    "[jdoe@host3] 3dcalc",
]
HARMLESS = [
    "",
    "5.0.10",
    "FSL5.0",
    "FreeSurfer Nov 10 2011",
    "TE=2.9;Time=153245.123;phase=1",
    "SPM12 - 4D image",
    "spm - realigned",
    "Warped image",
    "none",
    "?TR:3000.000 TE:30",
    "6.0.3:b862cdd5",
    "t1_mprage_sag_p2_iso_1.0",
    "20485.20100.3",
    "dcm2niix v1.0.20220720",
]


@pytest.mark.parametrize("field", TEXTS)
@pytest.mark.parametrize("text", PERSONAL)
def test_names_and_dates(field: str, text: str) -> None:
    made = header(AFFINE, None)
    size = made[field].dtype.itemsize
    if len(text) > size:
        pytest.skip(f"{field} holds {size} bytes")
    made[field] = text
    assert personal_data(made, b"\0\0\0\0") == field


@pytest.mark.parametrize("text", HARMLESS)
def test_what_programs_write(text: str) -> None:
    made = header(AFFINE, None)
    made["descrip"] = text
    assert personal_data(made, b"") is None


def extension(code: int | str, content: bytes) -> bytes:
    image = nib.Nifti1Image(np.zeros((2, 2, 2), "u1"), AFFINE)
    image.header.extensions.append(Nifti1Extension(code, content))
    return image.to_bytes()[348 : -image.dataobj.nbytes]


@pytest.mark.parametrize(
    ("code", "content", "found"),
    [
        ("comment", b"Jane Doe, born: 1950", True),
        ("afni", b'<AFNI_atr atr_name="IDCODE_DATE">"Wed Dec  4 15:24:53 2024"', True),
        ("afni", b'<AFNI_atr atr_name="TYPESTRING">"3DIM_HEAD_ANAT"', False),
        ("comment", b"sagittal", False),
    ],
)
def test_extensions(code: str, content: bytes, found: bool) -> None:
    where = personal_data(header(AFFINE, None), extension(code, content))
    assert where == ("extension" if found else None)


def test_a_dicom_header_is_always_personal() -> None:
    raw = bytearray(extension("comment", b"anything at all"))
    raw[8:12] = (2).to_bytes(4, "little")
    assert personal_data(header(AFFINE, None), bytes(raw)) == "extension"


@given(st.binary(max_size=80), st.binary(max_size=200))
def test_any_bytes_are_looked_at_without_error(text: bytes, tail: bytes) -> None:
    made = header(AFFINE, None)
    made["descrip"] = text
    assert personal_data(made, tail) in (None, "descrip", "extension")


@pytest.mark.parametrize("filler", [b"a", b"_", b"patient ", b"1 jan ", b"jan-", b" "])
def test_a_long_text_is_searched_in_time_that_grows_with_its_length(filler: bytes) -> None:
    # a search of quadratic time would take hours
    text = b"born 1 jan patient" + filler * (1_000_000 // len(filler))
    assert personal_data(header(AFFINE, None), extension("comment", text)) is None


def test_nifti_2_has_other_fields() -> None:
    made = header(AFFINE, AFFINE, nib.Nifti2Header)
    assert personal_data(made, b"") is None
    made["descrip"] = "Doe^Jane"
    assert personal_data(made, b"") == "descrip"


@pytest.mark.parametrize("field", ["quatern_b", "quatern_c"])
@pytest.mark.parametrize("value", [3.0, np.nan, np.inf])
def test_a_damaged_qform_beside_a_good_sform(field: str, value: float) -> None:
    made = header(AFFINE, AFFINE)
    made[field] = value
    assert problem(made) == "sform-qform"


@pytest.mark.parametrize(("code", "scale"), [(0, 1), (1, 1000), (2, 1), (3, 0.001), (10, 1)])
def test_the_unit_of_length_is_honoured(code: int, scale: float) -> None:
    made = header(AFFINE, None)
    made["xyzt_units"] = code
    np.testing.assert_allclose(best_affine(made), np.diag([scale] * 3 + [1]) @ AFFINE)


def test_big_endian_headers() -> None:
    made = header(AFFINE, AFFINE).as_byteswapped(">")
    assert problem(made) is None
    assert personal_data(made, b"\1\0\0\0\0\0\0\x10\0\0\0\2") == "extension"
