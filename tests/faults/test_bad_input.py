"""Bad input as a user meets it: what is printed, the exit code, and that nothing is half-written.

`pytest tests/faults -s` shows what each bad input printed.
"""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from fresh import copy_project
from study import Checkout
from study import write_scan
from study import write_study

from headstart.common.files import read_csv
from headstart.study.settings import Settings

SUBJECTS = 20
AFFINE = np.diag([4.0, 4.0, 4.0, 1.0])


class Done:
    """What a command printed on stderr, and its exit code."""

    def __init__(self, stage: str, code: int, text: str) -> None:
        print(f"headstart {stage} -> exit {code}\n{text}")
        self.code = code
        self.text = text

    @property
    def sentence(self) -> str:
        """The one sentence of a failure, the user's to fix."""
        assert self.code == 2, self.text
        assert "Traceback" not in self.text
        *_, last = lines = self.text.splitlines()
        assert [line for line in lines if line.startswith("headstart: ")] == [last]
        return last


class Study:
    """A tiny study of one shard, whose stages are run one by one, without Snakemake."""

    def __init__(self, folder: Path, subjects: int = SUBJECTS, **changes: Any) -> None:
        self.folder = folder
        self.scans = folder / "scans"
        self.scans.mkdir(parents=True)
        (folder / "config").mkdir()
        write_study(folder, subjects)
        self.results = folder / "results"
        self.config = Checkout(folder).config() | changes
        self.config["prepare"]["shards"] = 1

    def label(self) -> Done:
        return self._run("label", "--data", "scans", "--output", "results/label")

    def check_scans(self) -> Done:
        shard = ("--scans", "results/label/shards/0.csv", "--data", "scans")
        return self._run("check-scans", *shard, "--output", "results/check/shards/0.csv")

    def check(self) -> Done:
        tables = ("--labels", "results/label/labels.csv", "--checked", "results/check/shards/0.csv")
        return self._run("check", *tables, "--output", "results/check")

    def split(self) -> Done:
        passed = ("--passed", "results/check/passed.csv")
        return self._run("split", *passed, "--output", "results/split")

    def prepare(self, output: str = "results/prepare/shard-0.json") -> Done:
        scans = ("--scans", "results/label/shards/0.csv", "--data", "scans")
        checked = ("--checked", "results/check/shards/0.csv")
        return self._run("prepare", *scans, *checked, "--output", output)

    def left_in(self, folder: str) -> list[str]:
        """Names of all files in a folder of results, drafts included."""
        return sorted(path.name for path in (self.results / folder).rglob("*") if path.is_file())

    def _run(self, stage: str, *words: str) -> Done:
        settings = Settings.resolve(self.config, self.folder).slice(stage)
        done = subprocess.run(
            [sys.executable, "-m", "headstart", stage, "--settings", settings, *words],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        return Done(stage, done.returncode, done.stderr)


def truncate(scan: Path) -> None:
    scan.write_bytes(scan.read_bytes()[: scan.stat().st_size // 2])


def flip_a_byte(scan: Path) -> None:
    # stored, not deflated: the flipped byte is a voxel's, and only the checksum can tell
    content = bytearray(gzip.compress(gzip.decompress(scan.read_bytes()), compresslevel=0))
    content[len(content) // 2] ^= 0xFF
    scan.write_bytes(content)


def add_a_time_axis(scan: Path) -> None:
    volume = np.asarray(nib.load(scan).dataobj)
    nib.save(nib.Nifti1Image(np.stack([volume, volume], axis=-1), AFFINE), scan)


def put_nan_inside(scan: Path) -> None:
    volume = nib.load(scan).get_fdata(dtype=np.float32)
    volume[6, 6, 6] = np.nan
    nib.save(nib.Nifti1Image(volume, AFFINE), scan)


def make_constant(scan: Path) -> None:
    nib.save(nib.Nifti1Image(np.full((12, 12, 12), 7, np.int16), AFFINE), scan)


def shift_mask(scan: Path) -> None:
    shifted = AFFINE.copy()
    shifted[0, 3] = 4
    write_mask(scan.with_name("mask.nii.gz"), shifted)


def coarsen_mask(scan: Path) -> None:
    write_mask(scan.with_name("mask.nii.gz"), AFFINE @ np.diag([1.5, 1, 1, 1]))


def write_mask(path: Path, affine: np.ndarray = AFFINE) -> None:
    mask = np.zeros((12, 12, 12), np.uint8)
    mask[4:8, 4:8, 4:8] = 1
    nib.save(nib.Nifti1Image(mask, affine), path)


# subject: what is done to its scan, the reason in rejected.csv, the file and words of the detail
DAMAGES: dict[str, tuple[Callable[[Path], None], str, str, str]] = {
    "Sub_101": (truncate, "truncated", "T1", "end too early; fetch or copy it again"),
    "Sub_102": (flip_a_byte, "crc", "T1", "are damaged"),
    "Sub_103": (add_a_time_axis, "not-3d", "T1", "is 12x12x12x2 voxels, not one 3-D volume"),
    "Sub_104": (put_nan_inside, "not-finite", "T1", "holds NaN or infinite voxels; replace them"),
    "Sub_105": (make_constant, "constant", "T1", "every voxel is 7; replace the scan"),
    "Sub_106": (shift_mask, "mask-grid", "mask", "lies on another grid than Sub_106/T1.nii.gz"),
    "Sub_107": (coarsen_mask, "mask-grid", "mask", "lies on another grid than Sub_107/T1.nii.gz"),
}
TWO_SEXES = "Sub_110"


@pytest.fixture(scope="module")
def damaged(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A study with bad scans and a subject of two sexes, labelled and its scans checked."""
    study = Study(tmp_path_factory.mktemp("damaged") / "study")
    study.config["data"][0]["mask"] = "{subject}/mask.nii.gz"
    for folder in study.scans.glob("Sub_*"):
        write_mask(folder / "mask.nii.gz")
    for subject, (damage, *_) in DAMAGES.items():
        damage(study.scans / subject / "T1.nii.gz")
    with (study.scans / "participants.csv").open("a") as table:
        table.write(f"{TWO_SEXES},50,M,R\n")
    assert study.label().code == 0
    assert study.check_scans().code == 0
    return study


@pytest.mark.parametrize("subject", DAMAGES)
def test_bad_scan_is_rejected_with_a_reason(damaged: Study, subject: str) -> None:
    damage, reason, file, words = DAMAGES[subject]
    checked = read_csv(damaged.results / "check/shards/0.csv").set_index("subject")
    detail = checked.loc[subject, "detail"]
    print(f"{damage.__name__}: {reason}: {detail}")
    assert checked.loc[subject, "reason"] == reason
    assert detail.startswith(f"{subject}/{file}.nii.gz: ")
    assert words in detail


def test_run_goes_on_without_the_bad_scans(damaged: Study) -> None:
    damaged.config["check"] = {"max_rejected": 0.5}
    done = damaged.check()
    assert done.code == 0
    passed = SUBJECTS - 1 - len(DAMAGES)
    assert done.text.startswith(f"check: {passed} scans passed; rejected: 1 constant, 1 crc, ")

    rejected = read_csv(damaged.results / "check/rejected.csv")
    reasons = {subject: reason for subject, (_, reason, *_) in DAMAGES.items()}
    assert dict(zip(rejected["subject"], rejected["reason"], strict=True)) == reasons
    assert len(read_csv(damaged.results / "check/passed.csv")) == passed

    assert damaged.split().code == 0
    assert len(read_csv(damaged.results / "split/splits.csv")) == passed
    assert damaged.prepare().code == 0
    assert damaged.left_in("prepare") == [
        "shard-0-mask.npy",
        "shard-0-small.npy",
        "shard-0.json",
        "shard-0.npy",
    ]
    volumes = np.load(damaged.results / "prepare/shard-0.npy")
    assert volumes.shape == (passed, 1, 12, 12, 12)
    assert np.isfinite(volumes).all()


def test_too_many_bad_scans_stop_the_run(damaged: Study) -> None:
    damaged.config["check"] = {"max_rejected": 0.1}
    done = damaged.check()
    total = SUBJECTS - 1
    assert f"{len(DAMAGES)} of {total} scans are rejected" in done.sentence
    assert "more than check.max_rejected = 0.1 allows" in done.sentence
    assert "or raise check.max_rejected" in done.sentence
    for subject, (_, reason, file, _) in DAMAGES.items():  # Snakemake keeps the log, not the table
        assert f"'{subject}', session '1': {reason}: {subject}/{file}.nii.gz: " in done.text


def test_subject_with_two_sexes_is_rejected(damaged: Study) -> None:
    rejected = read_csv(damaged.results / "label/rejected.csv")
    (row,) = rejected.to_dict("records")
    print(f"two sexes: {row['reason']}: {row['detail']}")
    assert (row["subject"], row["reason"]) == (TWO_SEXES, "conflicting-labels")
    assert "participants.csv: rows " in row["detail"]
    assert "with ID = 'Sub_110' differ in 'sex': F and M" in row["detail"]
    assert row["detail"].endswith("keep the right one")
    assert len(read_csv(damaged.results / "label/labels.csv")) == SUBJECTS - 1


@pytest.fixture
def class_folders(tmp_path: Path) -> Study:
    """Females and Males in a folder each; the config's table and labels are gone."""
    source = {"source": "own", "path": ".", "channels": {"T1": "{sex}/{subject}_T1.nii.gz"}}
    study = Study(tmp_path / "study", subjects=0, data=[source])
    (study.scans / "participants.csv").unlink()
    train = study.config["experiments"]["age"]["train"]
    sexes = {"task": "classification", "target": "sex", "train": train}
    study.config |= {"experiments": {"sex": sexes}, "final": "sex"}
    for number in range(6):
        for sex in ("Females", "Males"):
            write_scan(study.scans / sex / f"{sex[0]}{number}_T1.nii.gz", number)
    return study


def test_same_id_in_two_class_folders(class_folders: Study) -> None:
    (class_folders.scans / "Females/F3_T1.nii.gz").rename(
        class_folders.scans / "Females/M3_T1.nii.gz"
    )
    sentence = class_folders.label().sentence
    assert "Females/M3_T1.nii.gz and Males/M3_T1.nii.gz" in sentence
    assert "set `subject: folder/id`" in sentence
    assert class_folders.left_in("label") == []

    class_folders.config["data"][0]["subject"] = "folder/id"
    assert class_folders.label().code == 0
    subjects = set(read_csv(class_folders.results / "label/labels.csv")["subject"])
    assert {"Females-M3", "Males-M3"} < subjects


def test_empty_class_folder(class_folders: Study) -> None:
    (class_folders.scans / "Unknown").mkdir()
    sentence = class_folders.label().sentence
    assert "scans/Unknown: no file of this class folder fits" in sentence
    assert sentence.endswith("add its scans or remove the folder")
    assert class_folders.left_in("label") == []


def test_empty_data_root(tmp_path: Path) -> None:
    study = Study(tmp_path / "study", subjects=0)
    (study.scans / "participants.csv").unlink()
    sentence = study.label().sentence
    assert (
        sentence == "headstart: scans: is empty; put the scans there, or correct `root` or `path`"
    )
    assert study.left_in("label") == []


def test_no_data_root(tmp_path: Path) -> None:
    study = Study(tmp_path / "study", subjects=0)
    study.scans.rename(tmp_path / "elsewhere")
    sentence = study.label().sentence
    assert sentence.startswith("headstart: scans: this folder is not there; set `root` to ")
    assert study.left_in("label") == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small disk")
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"no small disk could be mounted here: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_disk_full_while_a_shard_is_written(tmp_path: Path, small_disk: Path) -> None:
    study = Study(tmp_path / "study")
    study.config["prepare"]["window"] = [64, 64, 64]  # 0.5 MB a scan: the second fills the disk
    assert study.label().code == 0
    assert study.check_scans().code == 0
    sentence = study.prepare(output=str(small_disk / "prepare/shard-0.json")).sentence
    assert "shard-0.npy: can't be written (No space left on device)" in sentence
    assert list((small_disk / "prepare").iterdir()) == []


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout for dry runs, which change nothing in it."""
    folder = copy_project(tmp_path_factory.mktemp("dry") / "project")
    write_study(folder)
    return Checkout(folder)


def without_study(config: dict[str, Any]) -> None:
    del config["study"]


def without_target(config: dict[str, Any]) -> None:
    del config["experiments"]["age"]["target"]


def typo(config: dict[str, Any]) -> None:
    train = config["experiments"]["age"]["train"]
    train["learning_rat"] = 1e-3


def out_of_range(config: dict[str, Any]) -> None:
    config["split"]["test"] = 1.5


def indivisible_window(config: dict[str, Any]) -> None:
    config["data"][0]["mask"] = "{subject}/mask.nii.gz"
    config["classes"] = {1: "lesion"}
    lesion = {"task": "segmentation", "target": "mask", "train": {"network": "unet"}}
    config["experiments"]["lesion"] = lesion


def small_window(config: dict[str, Any]) -> None:
    config["experiments"]["age"]["train"]["network"] = "sfcn"


def like_loop(config: dict[str, Any]) -> None:
    config["experiments"]["age"] = {"like": "sex"}
    config["experiments"]["sex"] = {"like": "age"}


BAD_CONFIGS: Mapping[Callable[[dict[str, Any]], None], str] = {
    without_study: "study: this key is missing; see config/README.md",
    without_target: "experiments.age.target: this key is missing; see config/README.md",
    typo: "experiments.age.train.learning_rat: unknown key; did you mean 'learning_rate'?",
    out_of_range: "split.test: 1.5 is not allowed: must be less than 1",
    indivisible_window: "prepare.window: unet in experiments.lesion needs lengths that 16 divides, "
    "but it is [12, 12, 12]; e.g. [16, 16, 16]",
    small_window: "prepare.window: sfcn in experiments.age needs at least 32 voxels each way, "
    "but it is [12, 12, 12]",
    like_loop: "experiments.age.like: a loop, age -> sex -> age",
}


def dry_run(project: Checkout) -> str:
    """Dry-run a config that is wrong; return what was printed."""
    run = project.snakemake("-n")
    print(f"snakemake -n -> exit {run.code}\n{run.text}")
    assert run.code == 2
    assert "Traceback" not in run.text
    assert "Job stats" not in run.text
    return run.text


@pytest.mark.slow
@pytest.mark.parametrize("mistake", BAD_CONFIGS, ids=lambda mistake: mistake.__name__)
def test_bad_config_is_one_sentence_before_any_job(
    project: Checkout, mistake: Callable[[dict[str, Any]], None]
) -> None:
    good = project.config()
    config = project.config()
    mistake(config)
    project.configure(config)
    try:
        text = dry_run(project)
    finally:
        project.configure(good)
    told = [line for line in text.splitlines() if BAD_CONFIGS[mistake] in line]
    assert len(told) == 1
    assert not project.study.exists()


@pytest.mark.slow
def test_config_that_is_not_yaml(project: Checkout) -> None:
    good = project.config()
    path = project.folder / "config/tiny.yaml"
    path.write_text("study: [tiny\nroot: scans\n")
    try:
        text = dry_run(project)
    finally:
        project.configure(good)
    assert text.splitlines()[-1].startswith("headstart: config/tiny.yaml: line 2: not YAML: ")
    assert not project.study.exists()


@pytest.mark.slow
def test_target_that_no_scan_has(tmp_path: Path) -> None:
    checkout = Checkout(copy_project(tmp_path / "project"))
    write_study(checkout.folder)
    config = checkout.config()
    config["experiments"] = {"iq": config["experiments"]["age"] | {"target": "iq"}}
    config["final"] = []
    checkout.configure(config)

    # no labels.csv yet: no source promises it
    text = dry_run(checkout)
    assert "headstart: experiments.iq.target: no source has the label 'iq'; there are: site" in text

    # labels.csv is there: it has no such label
    config["experiments"]["iq"]["target"] = "age"
    checkout.configure(config)
    checkout.done("tiny/label/labels.csv")
    config["experiments"]["iq"]["target"] = "iq"
    checkout.configure(config)
    text = dry_run(checkout)
    assert "headstart: experiments.iq.target: no scan has the label 'iq'; allowed: site" in text
