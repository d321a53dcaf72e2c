"""`headstart init` from outside: folders as people have them, and the study it writes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import yaml
from trees import table

from headstart import cli
from headstart.data.layouts.source import read_source
from headstart.planning.aim import Aim
from headstart.planning.questions import ask
from headstart.study.config import read_config

AFFINE = np.diag([4.0, 4.0, 4.0, 1.0])
AGES = [20 + 3 * number for number in range(12)]
IDS = [f"{101 + number}" for number in range(12)]


def scan(
    path: Path, seed: int = 0, shape: Sequence[int] = (10, 12, 11), affine: np.ndarray = AFFINE
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    voxels = np.random.default_rng(seed).normal(500, 90, shape).astype(np.int16)
    nib.save(nib.Nifti1Image(voxels, affine), path)


def mask(path: Path, values: Sequence[int] = (0, 1, 2)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    voxels = np.resize(np.array(values, np.uint8), (10, 12, 11))
    nib.save(nib.Nifti1Image(voxels, AFFINE), path)


def people(ids: Sequence[str], key: str = "ID") -> list[dict[str, Any]]:
    return [
        {key: one, "Age": AGES[n % 12], "Sex": "MF"[n % 2], "DOB": f"1960-01-{n + 1:02d}"}
        for n, one in enumerate(ids)
    ]


Outcome = tuple[dict[str, Any], str]


@pytest.fixture
def init(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Run init on tmp_path/scans; return the study that it wrote and what it printed."""

    def call(*words: str) -> Outcome:
        output = tmp_path / "study.yaml"
        code = cli.main(["init", str(tmp_path / "scans"), "--output", str(output), *words])
        printed = capsys.readouterr()
        assert code == 0, printed.err
        return yaml.safe_load(output.read_text()), printed.out

    return call


def subjects_of(study: dict[str, Any]) -> list[str]:
    """Return the subjects that the stage label will find."""
    config = read_config(study)
    scans = read_source(config.data[0], Path(config.root))
    return sorted({one.subject for one in scans if not one.reason})


def test_folder_per_subject_with_a_table(tmp_path: Path, init: Callable[..., Outcome]) -> None:
    for one in IDS:
        scan(tmp_path / f"scans/Sub_{one}/T1.nii.gz")
    table(tmp_path / "scans/participants.csv", people([f"Sub_{one}" for one in IDS]))
    study, printed = init()
    source = study["data"][0]
    assert source["channels"] == {"T1": "{subject}/T1.nii.gz"}
    assert source["table"] == {"path": "participants.csv", "column": "ID", "key": "{subject}"}
    assert source["labels"] == {"age": "Age", "sex": "Sex"}
    assert study["experiments"]["age"]["task"] == "regression"
    assert subjects_of(study) == [f"Sub_{one}" for one in IDS]
    assert "a folder per subject" in printed
    assert "DOB" not in (tmp_path / "study.yaml").read_text()


def test_sessions_masks_and_ids_without_their_prefix(
    tmp_path: Path, init: Callable[..., Outcome]
) -> None:
    for one in IDS:
        for visit in ("ses-1", "ses-2"):
            home = tmp_path / f"scans/sub-{one}/{visit}"
            scan(home / f"sub-{one}_{visit}_T1.nii.gz")
            mask(home / f"sub-{one}_{visit}_lesion.nii.gz")
    table(tmp_path / "scans/all.tsv", people(IDS, "participant_id"), "\t")
    study, printed = init("--task", "segmentation")
    source = study["data"][0]
    assert source["mask"].endswith("_lesion.nii.gz")
    assert study["classes"] == {1: "class_1", 2: "class_2"}
    assert len(subjects_of(study)) == 12
    assert "24 of 12 subjects, 12 of them with several sessions" in printed
    (tmp_path / "study.yaml").unlink()
    study, _ = init("--target", "sex")
    assert "mask" not in study["data"][0]
    assert len(subjects_of(study)) == 12
    assert study["experiments"]["sex"]["task"] == "classification"


def test_class_folders_with_the_same_id_in_both(
    tmp_path: Path, init: Callable[..., Outcome]
) -> None:
    for one in IDS:
        scan(tmp_path / f"scans/Females/Sub_{one}_T1.nii.gz", 1)
    for one in IDS[6:]:
        scan(tmp_path / f"scans/Males/Sub_{one}_T1.nii.gz", 2)
    study, printed = init()
    source = study["data"][0]
    assert source["channels"] == {"T1": "{sex}/{subject}_T1.nii.gz"}
    assert source["subject"] == "folder/id"
    assert len(subjects_of(study)) == 18
    assert study["experiments"]["sex"]["train"]["class_weights"] is True
    assert "Females/Sub_107_T1.nii.gz and Males/Sub_107_T1.nii.gz" in " ".join(printed.split())
    assert "Females 12, Males 6" in printed


def test_classes_of_a_disease(tmp_path: Path, init: Callable[..., Outcome]) -> None:
    for n, one in enumerate(IDS):
        scan(tmp_path / f"scans/{('AD', 'control')[n % 2]}/p{one}/anat.nii")
    study, _ = init()
    assert study["data"][0]["channels"] == {"image": "{group}/{subject}/anat.nii"}
    assert study["experiments"]["group"]["target"] == "group"


def test_ready_table_with_paths(tmp_path: Path, init: Callable[..., Outcome]) -> None:
    rows = []
    for n, one in enumerate(IDS):
        scan(tmp_path / f"scans/images/a{n}.nii.gz")
        rows.append({"ID": one, "label": n % 2, "path": f"images/a{n}.nii.gz"})
    table(tmp_path / "scans/labels.csv", rows)
    study, printed = init()
    source = study["data"][0]
    assert source["layout"] == "table"
    assert source["table"] == {"path": "labels.csv", "column": "ID"}
    assert study["experiments"]["label"]["task"] == "classification"
    assert subjects_of(study) == IDS
    assert "paths and labels in a table, labels.csv" in printed


def test_pairs_of_the_decathlon(tmp_path: Path, init: Callable[..., Outcome]) -> None:
    entries = []
    for number in range(1, 17):
        case = f"hippocampus_{number:03d}.nii.gz"
        scan(tmp_path / "scans/imagesTr" / case, number)
        mask(tmp_path / "scans/labelsTr" / case)
        entries.append({"image": f"./imagesTr/{case}", "label": f"./labelsTr/{case}"})
    card = {
        "name": "Hippocampus",
        "modality": {"0": "MRI"},
        "labels": {"0": "background", "1": "Anterior", "2": "Posterior part"},
        "training": entries,
    }
    (tmp_path / "scans/dataset.json").write_text(json.dumps(card))
    study, printed = init()
    assert study["classes"] == {1: "anterior", 2: "posterior_part"}
    assert len(subjects_of(study)) == 8
    assert "the two sides of one person" in " ".join(printed.split())
    train = study["experiments"]["segmentation"]["train"]
    assert train["network"] == "unet"
    halved = 2 ** len(train["network_arguments"]["strides"])
    assert all(length % halved == 0 for length in study["prepare"]["window"])


def test_images_and_masks_of_nnunet(tmp_path: Path, init: Callable[..., Outcome]) -> None:
    for one in IDS:
        scan(tmp_path / f"scans/imagesTr/case_{one}_0000.nii.gz")
        mask(tmp_path / f"scans/labelsTr/case_{one}.nii.gz", (0, 1))
        scan(tmp_path / f"scans/imagesTs/case_9{one}_0000.nii.gz")
    study, _ = init()
    source = study["data"][0]
    assert source["mask"] == "labelsTr/{subject}.nii.gz"
    assert study["experiments"]["segmentation"]["task"] == "segmentation"
    assert len(subjects_of(study)) == 12


def test_flat_folder_as_ixi_and_its_table(tmp_path: Path, init: Callable[..., Outcome]) -> None:
    for n, one in enumerate(IDS):
        site = ("Guys", "HH", "IOP")[n % 3]
        scan(tmp_path / f"scans/IXI{one}-{site}-0{n + 700}-T1.nii.gz")
    rows = [
        {"IXI_ID": int(one), "SEX_ID (1=m, 2=f)": 1 + n % 2, "AGE": AGES[n]}
        for n, one in enumerate(IDS)
    ]
    # a row twice, once with zeros where nothing is known
    rows = [{**row, "WEIGHT": 60 + n, "SCORE": n % 5} for n, row in enumerate(rows)]
    table(tmp_path / "scans/IXI.csv", [*rows, {**rows[0], "WEIGHT": 0, "SCORE": 4}])
    study, printed = init("--task", "regression")
    source = study["data"][0]
    assert source["channels"] == {"T1": "{subject}-{site}-*-T1.nii.gz"}
    assert source["table"]["key"] == "{subject}"
    assert source["labels"]["age"] == "AGE"
    assert len(subjects_of(study)) == 12
    assert "one flat folder" in printed
    assert "WEIGHT: 0 taken for 'not known' (the others are 60 to 71)" in " ".join(printed.split())
    assert "with several values for one scan: SCORE" in printed


def test_bids(tmp_path: Path, init: Callable[..., Outcome]) -> None:
    for one in IDS:
        home = tmp_path / f"scans/sub-{one}/ses-a/anat/sub-{one}_ses-a"
        scan(Path(f"{home}_T1w.nii.gz"))
        if one != IDS[3]:
            scan(Path(f"{home}_T2w.nii.gz"))
        lesion = (
            f"derivatives/lesions/sub-{one}/ses-a/anat/sub-{one}_ses-a_label-lesion_mask.nii.gz"
        )
        mask(tmp_path / "scans" / lesion, (0, 1))
    (tmp_path / "scans/dataset_description.json").write_text("{}")
    rows = people([f"sub-{one}" for one in IDS], "participant_id")
    rows = [{key.lower(): value for key, value in row.items()} for row in rows]
    table(tmp_path / "scans/participants.tsv", rows, "\t")
    study, _ = init("--task", "segmentation")
    assert study["data"][0]["mask"] == "derivatives/lesions/label-lesion_mask"
    assert subjects_of(study) == IDS
    (tmp_path / "study.yaml").unlink()
    study, printed = init("--target", "age")
    source = study["data"][0]
    assert source["layout"] == "bids"
    assert source["channels"] == {"T1": "T1w", "T2": {"path": "T2w", "optional": True}}
    assert source["labels"] == {"age": "age", "sex": "sex"}
    assert subjects_of(study) == IDS
    assert f"(1 of {len(IDS)} scans lacks T2)" in printed


def test_two_datasets_in_bids(tmp_path: Path, init: Callable[..., Outcome]) -> None:
    for home in ("a", "b"):
        for one in IDS:
            scan(tmp_path / f"scans/{home}/sub-{one}/anat/sub-{one}_T1w.nii.gz")
        rows = people([f"sub-{one}" for one in IDS], "participant_id")
        table(tmp_path / f"scans/{home}/participants.tsv", rows, "\t")
    study, printed = init("--target", "age")
    assert [source["source"] for source in study["data"]] == ["a", "b"]
    assert all(source["labels"]["age"] == "Age" for source in study["data"])
    config = read_config(study)
    scans = [one for source in config.data for one in read_source(source, Path(config.root))]
    assert len({one.subject for one in scans if not one.reason}) == 24
    assert "24 of 24 subjects" in printed


def test_other_channels_on_the_same_grid_are_used(
    tmp_path: Path, init: Callable[..., Outcome]
) -> None:
    for one in IDS:
        scan(tmp_path / f"scans/{one}/{one}_flair.nii.gz", 1)
        scan(tmp_path / f"scans/{one}/{one}_t1.nii.gz", 2)
        scan(tmp_path / f"scans/{one}/{one}_t2.nii.gz", 3, affine=1.5 * AFFINE)
        mask(tmp_path / f"scans/{one}/{one}_seg.nii.gz", (0, 1, 2, 4))
    table(tmp_path / "scans/labels.csv", people(IDS))
    study, printed = init()
    assert list(study["data"][0]["channels"]) == ["T1", "FLAIR"]
    text = " ".join(printed.split())
    assert "lie on another grid than the T1 and are not used" in text
    (tmp_path / "study.yaml").unlink()
    study, _ = init("--task", "segmentation")
    assert study["classes"] == {1: "class_1", 2: "class_2", 4: "class_4"}


def test_notes_are_printed(tmp_path: Path, init: Callable[..., Outcome]) -> None:
    for one in IDS:
        scan(tmp_path / f"scans/{one}/T1.nii.gz")
    (tmp_path / f"scans/{IDS[0]}/T1.nii.gz").write_bytes(b"")
    scan(tmp_path / f"scans/{IDS[1]}/T1.nii.gz", shape=(10, 12, 11, 3))
    (tmp_path / "scans/notes.dcm").write_bytes(b"x")
    table(tmp_path / "scans/labels.csv", people([*IDS[2:], "999"]))
    _, printed = init()
    text = " ".join(printed.split())
    assert "1 empty file among the scans" in text or "2 scans rejected (no-row)" in text
    assert "1 row without a scan" in text
    assert "DICOM" in text


def fails(tmp_path: Path, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    code = cli.main(
        ["init", str(tmp_path / "scans"), "--output", str(tmp_path / "study.yaml"), *words]
    )
    assert code == 2
    assert not (tmp_path / "study.yaml").exists()
    return capsys.readouterr().err


def test_folders_that_give_no_study(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "is not a folder" in fails(tmp_path, capsys)
    (tmp_path / "scans").mkdir()
    assert "is empty" in fails(tmp_path, capsys)
    (tmp_path / "scans/a.dcm").write_bytes(b"x")
    assert "dcm2niix" in fails(tmp_path, capsys)
    scan(tmp_path / "scans/101_T1.nii.gz")
    assert "too little" in fails(tmp_path, capsys)
    for one in IDS:
        scan(tmp_path / f"scans/{one}_T1.nii.gz")
    assert "there is nothing to learn" in fails(tmp_path, capsys)
    table(tmp_path / "scans/labels.csv", people(IDS))
    message = fails(tmp_path, capsys, "--target", "weight")
    assert "regression of age" in message


def test_absolute_paths_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = []
    for one in IDS:
        path = tmp_path / f"scans/{one}.nii.gz"
        scan(path)
        rows.append({"subject": one, "path": str(path), "age": 30})
    table(tmp_path / "scans/labels.csv", rows)
    assert "make them relative" in fails(tmp_path, capsys)


def test_nothing_is_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for n, one in enumerate(IDS):
        scan(tmp_path / f"scans/{'FM'[n % 2]}/{one}.nii.gz")
    output = tmp_path / "study.yaml"
    output.write_text("mine")
    assert cli.main(["init", str(tmp_path / "scans"), "--output", str(output)]) == 2
    assert output.read_text() == "mine"
    assert "is there already" in capsys.readouterr().err
    for old in ("study.yaml.old", "study.yaml.old1"):
        assert cli.main(["init", str(tmp_path / "scans"), "--output", str(output), "--renew"]) == 0
        assert (tmp_path / old).exists()
    assert (tmp_path / "study.yaml.old").read_text() == "mine"
    assert yaml.safe_load(output.read_text())["study"] == "scans"


def test_question_on_a_terminal() -> None:
    possible = [Aim("regression", "age"), Aim("classification", "sex")]
    answers = iter(["9", "two", "2"])
    assert ask(possible, lambda _: next(answers)).target == "sex"
    assert ask(possible, lambda _: "").target == "age"


def test_site_plans_for_its_gpus(
    tmp_path: Path, init: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    for n, one in enumerate(IDS):
        scan(tmp_path / f"scans/{'FM'[n % 2]}/{one}.nii.gz")
    monkeypatch.setenv("HEADSTART_SITE", "ucl-cs")
    _, printed = init("--profile", "sge")
    text = (tmp_path / "study.yaml").read_text()
    assert "the smallest GPU of site ucl-cs, 11 GB" in " ".join(text.replace("#", "").split())
    assert "snakemake --profile sge" in printed


def test_no_torch_is_imported(tmp_path: Path) -> None:
    for n, one in enumerate(IDS):
        scan(tmp_path / f"scans/{'FM'[n % 2]}/{one}.nii.gz")
    code = (
        "import sys; from headstart import cli; "
        f"assert cli.main(['init', {str(tmp_path / 'scans')!r}, '--output', "
        f"{str(tmp_path / 'study.yaml')!r}]) == 0; "
        "assert not {'torch', 'monai', 'torchio', 'matplotlib'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


@pytest.mark.parametrize(("without", "told"), [(1, False), (4, True)])
def test_more_losses_than_label_allows_are_told(
    tmp_path: Path, init: Callable[..., Outcome], without: int, told: bool
) -> None:
    for n, one in enumerate(IDS):
        scan(tmp_path / f"scans/{one}/T1.nii.gz", n)
    table(tmp_path / "scans/people.csv", people(IDS[without:]))
    _, printed = init("--target", "age")
    assert ("label will stop" in printed) == told
    assert ("max_rejected: 0.34" in printed) == told


def test_visits_without_a_table_are_told_what_to_add(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for n in range(1, 9):
        for visit in ("baseline", "month12"):
            scan(tmp_path / f"scans/S{n:02d}/{visit}/T1.nii.gz", n)
    assert cli.main(["init", str(tmp_path / "scans"), "--output", str(tmp_path / "s.yaml")]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "a column `session` that has baseline, month12, …, and a column such as `age`" in said
