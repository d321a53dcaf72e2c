"""The demo cohort: true to its word, the same bytes every time, broken where it says so."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from headstart.cli import main
from headstart.common import files
from headstart.common.errors import UserError
from headstart.demo import anatomy
from headstart.demo import made_cohort
from headstart.demo.broken import BREAKERS
from headstart.demo.made_cohort import make_cohort
from headstart.demo.made_cohort import truth
from headstart.demo.scanner import scan
from headstart.demo.subjects import SITES
from headstart.demo.subjects import draw_subject
from headstart.imaging.nifti import BadScanError
from headstart.imaging.nifti import read_volume

# one group: what they share is made once, not once per process
pytestmark = pytest.mark.xdist_group("made cohort")

SUBJECTS = 40


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("demo") / "cohort"
    make_cohort(output=output, subjects=SUBJECTS, seed=1, jobs=2)
    return output


def test_what_was_put_in_is_there(cohort: Path) -> None:
    found = truth(cohort).set_index("what")["value"]
    assert found["r of age and ventricle volume"] > 0.6
    assert found["r of age and grey matter's share of the brain"] < -0.2
    assert found["r of being male and brain volume"] > 0.2
    assert found["years between the sites' mean ages"] > 3
    assert 1400 < found["brain volume, ml"] < 2100
    assert 10 < found["ventricle volume, ml"] < 50


def test_people() -> None:
    """Sites and ages are confounded, sexes and sites are not, and each effect has its scatter."""
    people = pd.DataFrame([vars(draw_subject(1, number)) for number in range(2000)])
    people["site"] = [site.name for site in people["site"]]
    means = people.groupby("site")["age"].mean()
    assert means["Alder"] - means["Cedar"] == pytest.approx(9, abs=1.5)
    assert ((people["sex"] == "male").groupby(people["site"]).mean() == 0.5).all()
    assert (people["sessions"] == 2).mean() == 0.2
    sexes = people.groupby("sex")
    size = people["scale"].map(np.mean)
    apart = (
        size.groupby(people["sex"]).mean().diff().iloc[-1]
        / size.groupby(people["sex"]).std().mean()
    )
    assert apart == pytest.approx(1.1, abs=0.15)
    build = sexes["build"].mean().diff().iloc[-1] / sexes["build"].std().mean()
    assert build == pytest.approx(2.5, abs=0.2)
    # size does not carry it
    for _, group in people.assign(size=size).groupby("sex"):
        assert abs(np.corrcoef(group["size"], group["build"])[0, 1]) < 0.1
    assert 0.75 < np.corrcoef(people["age"], people["ventricles"])[0, 1] < 0.9
    assert 0.75 < np.corrcoef(people["age"], people["thinning"])[0, 1] < 0.9


@pytest.mark.parametrize("number", range(5))
def test_deformation_never_folds(number: int) -> None:
    template = anatomy.load_template()
    extreme = replace(draw_subject(1, number), ventricles=3.2, thinning=1.8, build=3.0)
    grid = np.indices(template.near.shape, np.float32)
    places = anatomy.deform(template, extreme, 1, grid.reshape(3, -1)).reshape(grid.shape)
    slopes = np.stack([np.stack(np.gradient(place)) for place in places])
    volume = np.linalg.det(np.moveaxis(slopes, (0, 1), (-2, -1)))
    assert volume[template.near].min() > 0


def test_every_site_has_its_grid_and_orientation() -> None:
    for site in SITES:
        person = next(p for p in (draw_subject(1, n) for n in range(20)) if p.site == site)
        image, mask, affine = scan(person, 1, 1)
        assert image.dtype == np.int16
        assert image.shape == mask.shape
        assert "".join(nib.aff2axcodes(affine)) == site.orientation
        assert set(np.unique(mask)) == {0, 1, 2, 3}
        # the brain lies whole inside the scan
        for axis in range(3):
            edges = np.take(mask, [0, -1], axis)
            assert not edges.any()
        brightness = np.percentile(image[mask == 2], 50) / site.brightness
        assert 0.5 < brightness < 1.4


def test_second_session_is_the_same_person_again() -> None:
    person = draw_subject(1, 1)
    assert person.sessions == 2
    (one, mask_one, _), (two, mask_two, _) = (scan(person, session, 1) for session in (1, 2))
    assert not np.array_equal(one, two)
    volumes = [np.bincount(mask.ravel())[1:] for mask in (mask_one, mask_two)]
    np.testing.assert_allclose(volumes[0], volumes[1], rtol=0.06)


def test_layouts_hold_the_same_scans(cohort: Path) -> None:
    people = files.read_csv(cohort / "subjects/participants.csv")
    broken = set(files.read_csv(cohort / "broken.csv")["subject"])
    good = people[~people["ID"].isin(broken)]
    assert len(good) == SUBJECTS
    assert list(people.columns) == ["ID", "Age", "Sex", "Site"]
    dataset = json.loads((cohort / "pairs/dataset.json").read_text())
    assert dataset["numTraining"] == len(dataset["training"]) == SUBJECTS
    for (_, person), pair in zip(good.iterrows(), dataset["training"], strict=True):
        name = person["ID"]
        first = cohort / "subjects" / name / "ses-1"
        folder = {"female": "Females", "male": "Males"}[person["Sex"]]
        image = (first / "T1.nii.gz").read_bytes()
        assert (cohort / "classes" / folder / f"{name}_T1.nii.gz").read_bytes() == image
        assert (cohort / "pairs" / pair["image"]).read_bytes() == image
        assert (cohort / "pairs" / pair["label"]).read_bytes() == (
            first / "tissue.nii.gz"
        ).read_bytes()
    assert len(list(cohort.glob("subjects/*/ses-2/T1.nii.gz"))) == SUBJECTS // 5
    assert len(list(cohort.glob("classes/*/*"))) == SUBJECTS


def test_same_bytes_with_any_number_of_jobs_and_subjects(cohort: Path, tmp_path: Path) -> None:
    make_cohort(output=tmp_path / "one", subjects=10, seed=1, jobs=1)
    make_cohort(output=tmp_path / "two", subjects=10, seed=1, jobs=2)
    make_cohort(output=tmp_path / "other", subjects=10, seed=2, jobs=2)
    one, two, other = (
        json.loads((tmp_path / name / "cohort.json").read_text())["sha256"]
        for name in ("one", "two", "other")
    )
    assert one == two != other
    paths = [p.relative_to(tmp_path / "one") for p in (tmp_path / "one").rglob("*") if p.is_file()]
    for path in paths:
        assert (tmp_path / "one" / path).read_bytes() == (tmp_path / "two" / path).read_bytes()
    # a larger cohort begins with the smaller one
    scans = [path for path in paths if path.parts[0] == "classes"]
    for path in scans:
        assert (tmp_path / "one" / path).read_bytes() == (cohort / path).read_bytes()


@pytest.mark.parametrize("reason", BREAKERS)
def test_each_broken_scan_is_broken_as_said(reason: str, tmp_path: Path) -> None:
    image, mask, affine = scan(draw_subject(1, 0), 1, 1)
    ((name, content),) = BREAKERS[reason](image, mask, affine).items()
    path = tmp_path / name
    path.write_bytes(content)
    if reason in ("truncated", "crc", "not-3d", "unreadable"):
        with pytest.raises(BadScanError) as error:
            read_volume(path)
        assert error.value.reason == reason
        return
    volume = read_volume(path)
    assert volume.finite == (reason != "not-finite")
    assert volume.constant == (reason == "constant")
    assert (volume.shape != image.shape) == (reason == "mask-grid")


def test_a_flipped_byte_is_seen_by_its_checksum_only(tmp_path: Path) -> None:
    image, mask, affine = scan(draw_subject(1, 0), 1, 1)
    path = tmp_path / "T1.nii.gz"
    path.write_bytes(BREAKERS["crc"](image, mask, affine)["T1.nii.gz"])
    assert (np.asarray(nib.load(path).dataobj) != image).sum() == 1


def test_different_people_differ(cohort: Path) -> None:
    """No scan looks like a copy of another: correlation of whole volumes stays below 0.985."""
    site = files.read_csv(cohort / "subjects/participants.csv").query("Site == 'Alder'")["ID"]
    paths = [cohort / "pairs/imagesTr" / f"{name}.nii.gz" for name in site]
    arrays = [np.asarray(nib.load(p).dataobj, np.float32).ravel() for p in paths if p.exists()]
    alike = np.corrcoef(arrays) - np.eye(len(arrays))
    assert alike.max() < 0.985


def test_an_interrupted_cohort_is_made_again(cohort: Path, tmp_path: Path) -> None:
    output = tmp_path / "cohort"
    shutil.copytree(cohort, output)
    (output / "cohort.json").unlink()
    make_cohort(output=output, subjects=10, seed=1, jobs=2)
    assert len(list(output.glob("subjects/*/ses-1"))) == 11
    assert made_cohort.is_complete(output, subjects=10, seed=1)


def test_a_folder_of_something_else_is_not_touched(tmp_path: Path) -> None:
    precious = tmp_path / "subjects/scan.nii.gz"
    precious.parent.mkdir()
    precious.write_text("precious")
    with pytest.raises(UserError, match="not a demo cohort"):
        make_cohort(output=tmp_path, subjects=10, seed=1, jobs=1)
    assert precious.exists()


def test_command(cohort: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (cohort / "cohort.json").stat().st_mtime_ns
    assert main(["demo", "--output", str(cohort), "--subjects", str(SUBJECTS)]) == 0
    assert "SYNTHETIC" in capsys.readouterr().err
    assert (cohort / "cohort.json").stat().st_mtime_ns == before
    assert main(["demo", "--output", str(cohort), "--subjects", "9"]) == 2
