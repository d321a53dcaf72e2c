"""What lies below a folder is listed, whatever it is."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from headstart.cluster.pull import read_pull_settings
from headstart.common import walk as walking
from headstart.common.errors import UserError
from headstart.common.strict_yaml import read_study
from headstart.common.walk import File
from headstart.common.walk import is_file
from headstart.common.walk import list_files
from headstart.common.walk import walk
from headstart.data.config import Source
from headstart.data.layouts.pairs import from_pairs
from headstart.data.table_files import read_sheet
from headstart.planning.case_folders import propose_decathlon
from headstart.training.own_network import own_network_file


def test_sizes_and_times(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/1.nii").write_bytes(b"12345")
    os.utime(tmp_path / "a/1.nii", ns=(5, 1_234_567_891))
    (tmp_path / ".hidden").touch()
    (tmp_path / "lost+found").mkdir()
    (file,), folders = walk(tmp_path)
    assert (file.path, file.size, file.modified, folders) == ("a/1.nii", 5, 1_234_567_891, ["a"])


def test_links_lead_to_what_they_mean_and_no_circle_is_run(tmp_path: Path) -> None:
    (tmp_path / "store").write_bytes(b"12345")
    scans = tmp_path / "scans"
    (scans / "a/b").mkdir(parents=True)
    (scans / "linked.nii").symlink_to(tmp_path / "store")
    (scans / "gone.nii").symlink_to("/nowhere/at/all")
    (scans / "self.nii").symlink_to(scans / "self.nii")
    (scans / "a/b/up").symlink_to(scans)
    (scans / "a/b/beside").symlink_to(scans / "a")
    found, _ = walk(scans)
    sizes = {file.path: file.size for file in found if "/" not in file.path}
    assert sizes == {"linked.nii": 5, "gone.nii": None, "self.nii": None}


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no /proc here")
def test_no_link_leads_into_the_kernel(tmp_path: Path) -> None:
    (tmp_path / "a.nii").touch()
    (tmp_path / "me").symlink_to("/proc/self")
    (tmp_path / "all").symlink_to("/proc")
    assert list_files(tmp_path) == (["a.nii"], [])


def test_pipes_and_names_that_are_no_text(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    Path(os.fsdecode(bytes(tmp_path) + b"/caf\xe9.nii")).touch()
    found, _ = walk(tmp_path)
    assert [file.path for file in found] == [r"caf\xe9.nii", "pipe.csv"]
    assert found[1] == File("pipe.csv")
    assert "\\xe9" in found[0].path.encode("utf-8").decode()


def test_a_folder_to_leave_out(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "results/a.csv").touch()
    (tmp_path / "link").symlink_to(tmp_path / "results")
    assert walk(tmp_path, spare=tmp_path / "results") == ([], [])
    assert list_files(tmp_path)[0] != []


def test_a_folder_that_cannot_be_read_is_an_error_with_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "locked").mkdir()
    scandir = os.scandir

    def refuse(path: Path) -> object:
        if Path(path).name == "locked":  # for root, nothing is locked
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(walking.os, "scandir", refuse)
    with pytest.raises(UserError, match=r"locked: can't be read \(Permission denied\); make it"):
        walk(tmp_path)


@pytest.mark.parametrize("name", ["a" * 300, "a\0b", "gone", "folder"])
def test_is_file_never_fails(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    assert not is_file(tmp_path / name)


READERS: list[tuple[str, Callable[[Path], object]]] = [
    ("dataset.json", lambda path: propose_decathlon(path.parent)),
    ("dataset.json", lambda path: from_pairs(Source.model_construct(), path.parent)),
    ("participants.tsv", read_sheet),
    ("visits.csv", read_sheet),
    ("people.xlsx", read_sheet),
    ("study.yaml", read_study),
    ("pull.yaml", read_pull_settings),
    ("net.py", lambda path: own_network_file("net.py:Net", path.parent)),
]


@pytest.mark.parametrize(("name", "read"), READERS, ids=[name for name, _ in READERS])
def test_no_reader_waits_for_a_pipe(
    name: str, read: Callable[[Path], object], tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / name)
    with pytest.raises(UserError, match=name):
        read(tmp_path / name)
