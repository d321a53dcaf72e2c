from __future__ import annotations

import argparse
import fcntl
import hashlib
import io
import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import tarfile
import termios
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nibabel as nib
import pytest
import yaml
from analyze_pairs import VOXEL
from analyze_pairs import volume
from analyze_pairs import write_analyze
from badserver import BadServer
from badserver import serving

from headstart.commands import fetch as stage
from headstart.common.errors import UserError
from headstart.data import collections
from headstart.data import download
from headstart.data.collections import Collection

PROJECT = Path(__file__).resolve().parents[2]
CATALOGUE = collections.read_catalogue()


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "STALL_SECONDS", 0.5)
    monkeypatch.setattr(download, "WAIT_SECONDS", 0.01)
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture
def server() -> Iterator[BadServer]:
    with serving() as server:
        yield server


def packed(names: list[str], kind: str = "w", content: bytes = b"scan") -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=kind) as tar:
        for name in names:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return file.getvalue()


def change(
    monkeypatch: pytest.MonkeyPatch, name: str, files: dict[str, Any], counts: dict[str, int]
) -> None:
    """Let the catalogue know the small files of a test: addresses, checksums, counts."""
    source = CATALOGUE[name].model_dump()
    for file, values in files.items():
        source["files"][file] = values
    for modality in source["modalities"].values():
        modality["gigabytes"] = None
        for what, number in counts.items():
            if what in modality["counts"]:
                modality["counts"][what]["expected"] = number
    catalogue = {**CATALOGUE, name: Collection.model_validate(source)}
    monkeypatch.setattr(collections, "read_catalogue", lambda: catalogue)


def run(*words: object) -> None:
    parser = argparse.ArgumentParser()
    stage.add_arguments(parser)
    stage.run(parser.parse_args([str(word) for word in words]))


def tree(folder: Path) -> set[str]:
    """Names of the files that a user sees."""
    found = (p.relative_to(folder) for p in folder.rglob("*") if p.is_file())
    return {str(path) for path in found if not any(part.startswith(".") for part in path.parts)}


T1 = [f"IXI{number:03}-Guys-{number:04}-T1.nii.gz" for number in range(2, 12)]
T2 = [name.replace("T1", "T2") for name in T1[:8]]
XLS = b"\xd0\xcf\x11\xe0" + b"a table" * 100


@pytest.fixture
def ixi(server: BadServer, monkeypatch: pytest.MonkeyPatch) -> BadServer:
    """A small IXI: ten T1, eight T2, a table."""
    content = {"IXI-T1.tar": packed(T1), "IXI-T2.tar": packed(T2), "IXI.xls": XLS}
    files = {}
    for name, data in content.items():
        server.content[f"/{name}"] = server.content[f"/mirror/{name}"] = data
        urls = [server.url(f"/{name}"), server.url(f"/mirror/{name}")]
        files[name] = {"mirrors": urls, "md5": hashlib.md5(data).hexdigest()}
    change(monkeypatch, "ixi", files, {"scans": 10})
    return server


def test_ixi(ixi: BadServer, tmp_path: Path) -> None:
    output, lock = tmp_path / "data" / "ixi", tmp_path / "config" / "ixi.lock"
    run("--source", "ixi", "--modality", "T1", "--output", output, "--lock", lock)
    assert tree(output) == {"IXI.xls", "fetched.json", *(f"T1/{name}" for name in T1)}
    account = json.loads((output / "fetched.json").read_text())
    assert account["licence"] == "CC BY-SA 3.0"
    assert "brain-development.org" in account["cite"]
    assert account["accepted"] is None
    assert account["modalities"]["T1"]["counts"] == {"scans": 10}
    sha256 = hashlib.sha256(ixi.content["/IXI-T1.tar"]).hexdigest()
    assert account["modalities"]["T1"]["archives"]["IXI-T1.tar"]["sha256"] == sha256
    assert account["tables"]["IXI.xls"]["sha256"] == hashlib.sha256(XLS).hexdigest()
    locked = json.loads(lock.read_text())
    assert set(locked) == {"IXI-T1.tar", "IXI.xls"}
    assert locked["IXI-T1.tar"]["sha256"] == sha256


def test_a_second_run_does_nothing(ixi: BadServer, tmp_path: Path) -> None:
    words = ["--source", "ixi", "--modality", "T1", "--output", tmp_path / "ixi"]
    run(*words)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "ixi" / "T1").iterdir()}
    account = (tmp_path / "ixi" / "fetched.json").read_bytes()
    (tmp_path / "ixi" / ".fetch" / "IXI-T1.tar").unlink()  # the archive may be deleted
    requests = len(ixi.requests)
    run(*words)
    assert len(ixi.requests) == requests
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert (tmp_path / "ixi" / "fetched.json").read_bytes() == account


def test_another_modality_is_added(ixi: BadServer, tmp_path: Path) -> None:
    run("--source", "ixi", "--modality", "T1", "--output", tmp_path / "ixi")
    run("--source", "ixi", "--modality", "T2", "--output", tmp_path / "ixi")
    account = json.loads((tmp_path / "ixi" / "fetched.json").read_text())
    assert set(account["modalities"]) == {"T1", "T2"}
    assert [path for path, _, _ in ixi.requests] == ["/IXI.xls", "/IXI-T1.tar", "/IXI-T2.tar"]


@pytest.mark.usefixtures("ixi")
def test_a_table_that_was_edited_is_not_overwritten(tmp_path: Path) -> None:
    words = ["--source", "ixi", "--modality", "T1", "--output", tmp_path / "ixi"]
    run(*words)
    (tmp_path / "ixi" / "IXI.xls").write_bytes(b"mine")
    with pytest.raises(UserError, match=r"IXI\.xls: was changed since"):
        run(*words)
    assert (tmp_path / "ixi" / "IXI.xls").read_bytes() == b"mine"


@pytest.mark.parametrize("scheme", ["path", "file"])
def test_a_staged_folder_needs_no_net(scheme: str, ixi: BadServer, tmp_path: Path) -> None:
    staged = tmp_path / "staged folder"
    staged.mkdir()
    for name in ("IXI-T1.tar", "IXI.xls"):
        (staged / name).write_bytes(ixi.content[f"/{name}"])
    mirror = staged if scheme == "path" else staged.as_uri()
    run("--source", "ixi", "--modality", "T1", "--output", tmp_path / "ixi", "--mirror", mirror)
    assert f"T1/{T1[0]}" in tree(tmp_path / "ixi")
    assert ixi.requests == []
    assert {path.name for path in staged.iterdir()} == {"IXI-T1.tar", "IXI.xls"}
    assert not (tmp_path / "ixi" / ".fetch" / "IXI-T1.tar").exists()


def test_archives_put_in_place_by_hand_are_checked(ixi: BadServer, tmp_path: Path) -> None:
    hidden = tmp_path / "ixi" / ".fetch"
    hidden.mkdir(parents=True)
    (hidden / "IXI-T1.tar").write_bytes(packed(T1[:9]))
    words = ["--source", "ixi", "--modality", "T1", "--output", tmp_path / "ixi"]
    with pytest.raises(UserError, match=r"IXI-T1\.tar: its md5 is .*; delete it"):
        run(*words)
    (hidden / "IXI-T1.tar").write_bytes(packed(T1))
    run(*words)
    assert [path for path, _, _ in ixi.requests] == ["/IXI.xls"]


def test_the_next_mirror_and_a_mirror_of_the_user(ixi: BadServer, tmp_path: Path) -> None:
    ixi.moods["/IXI-T1.tar"] = ["404"]
    words = ["--source", "ixi", "--modality", "T1", "--output"]
    run(*words, tmp_path / "one")
    ixi.requests.clear()
    run(*words, tmp_path / "two", "--mirror", ixi.url("/mirror"))
    assert {path for path, _, _ in ixi.requests} == {"/mirror/IXI-T1.tar", "/mirror/IXI.xls"}
    assert tree(tmp_path / "one") == tree(tmp_path / "two")


def test_a_lock_decides_from_then_on(ixi: BadServer, tmp_path: Path) -> None:
    lock = tmp_path / "ixi.lock"
    words = ["--source", "ixi", "--modality", "T1", "--lock", lock, "--output"]
    trusted = b"\xd0\xcf\x11\xe0 re-saved"
    ixi.content["/IXI.xls"] = ixi.content["/mirror/IXI.xls"] = trusted
    with pytest.raises(UserError, match="needs its sha256 in the lock file"):
        run(*words, tmp_path / "one")
    lock.write_text(json.dumps({"IXI.xls": {"sha256": hashlib.sha256(trusted).hexdigest()}}))
    run(*words, tmp_path / "one")
    ixi.content["/IXI.xls"] = XLS  # what is published is not what was locked
    ixi.content["/mirror/IXI.xls"] = XLS
    with pytest.raises(UserError, match="its sha256 is"):
        run(*words, tmp_path / "two")


def test_what_nobody_vouches_for_is_locked_at_the_first_time(
    server: BadServer, tmp_path: Path
) -> None:
    server.content["/set.tar.gz"] = packed(["a/1.nii.gz", "a/2.nii", "run.exe"], "w:gz")
    lock = tmp_path / "mine.lock"
    words = ["--source", "mine", "--url", server.url("/set.tar.gz"), "--lock", lock]
    run(*words, "--output", tmp_path / "one")
    assert tree(tmp_path / "one") == {"fetched.json", "files/a/1.nii.gz", "files/a/2.nii"}
    server.content["/set.tar.gz"] = packed(["a/1.nii.gz"], "w:gz")
    with pytest.raises(UserError, match="its sha256 is"):
        run(*words, "--output", tmp_path / "two")
    assert not (tmp_path / "two" / "files").exists()
    run(*words, "--output", tmp_path / "one")  # what is there is not touched


def test_a_bad_archive_is_never_locked(server: BadServer, tmp_path: Path) -> None:
    server.content["/set.tar.gz"] = packed(["a/1.nii"], "w:gz")[:-9]
    lock = tmp_path / "mine.lock"
    with pytest.raises(UserError, match="damaged"):
        run(
            "--source", "mine", "--url", server.url("/set.tar.gz"), "--lock", lock,
            "--output", tmp_path / "mine",
        )  # fmt: skip
    assert not lock.exists()
    assert tree(tmp_path / "mine") == set()


@pytest.mark.usefixtures("ixi")
def test_what_was_fetched_before_must_match_the_lock(tmp_path: Path) -> None:
    lock = tmp_path / "ixi.lock"
    words = ["--source", "ixi", "--modality", "T1", "--output", tmp_path / "ixi", "--lock", lock]
    run(*words)
    locked = lock.read_bytes()
    lock.unlink()
    run(*words)
    assert lock.read_bytes() == locked
    lock.write_text(json.dumps({"IXI-T1.tar": {"sha256": "0" * 64}}))
    with pytest.raises(UserError, match=r"IXI-T1\.tar had another sha256"):
        run(*words)
    for text in ("{", "[]", '{"IXI-T1.tar": {}}', '{"IXI-T1.tar": {"sha256": "12"}}'):
        lock.write_text(text)
        with pytest.raises(UserError, match="restore it"):
            run(*words)


def test_a_url_with_its_checksum(server: BadServer, tmp_path: Path) -> None:
    server.content["/scan.nii.gz"] = b"\x1f\x8b scan"
    words = ["--source", "mine", "--url", server.url("/scan.nii.gz"), "--output", tmp_path / "mine"]
    with pytest.raises(UserError, match="its sha256 is"):
        run(*words, "--sha256", "0" * 64)
    run(*words, "--md5", hashlib.md5(server.content["/scan.nii.gz"]).hexdigest())
    assert tree(tmp_path / "mine") == {"fetched.json", "scan.nii.gz"}


def test_a_job_must_not_download(
    ixi: BadServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["--source", "ixi", "--modality", "T1", "--output", tmp_path / "ixi"]
    monkeypatch.setenv("HEADSTART_HEAD_JOB", "1")
    with pytest.raises(UserError, match="a job must not do; first run `headstart fetch --prefetch"):
        run(*words)
    assert ixi.requests == []
    monkeypatch.delenv("HEADSTART_HEAD_JOB")
    run(*words)
    monkeypatch.setenv("HEADSTART_HEAD_JOB", "1")
    run(*words)  # all is there


def test_what_is_there_must_be_what_is_asked_for(server: BadServer, tmp_path: Path) -> None:
    content = {f"/{n}.tar": packed([f"{n}.nii"]) for n in "ab"}
    server.content.update(content)
    words = ["--source", "mine", "--output", tmp_path / "mine", "--url"]
    size = len(content["/a.tar"])
    sha256 = hashlib.sha256(content["/a.tar"]).hexdigest()
    with pytest.raises(UserError, match=f"offers {size} bytes, not 7"):
        run(*words, server.url("/a.tar"), "--bytes", 7)
    run(*words, server.url("/a.tar"), "--bytes", size)
    run(*words, server.url("/elsewhere/a.tar"), "--sha256", sha256)
    with pytest.raises(UserError, match=r"was unpacked from another a\.tar: its sha256 is"):
        run(*words, server.url("/a.tar"), "--sha256", "0" * 64)
    with pytest.raises(UserError, match=r"was unpacked from a\.tar, .*; move it away"):
        run(*words, server.url("/b.tar"))
    assert tree(tmp_path / "mine" / "files") == {"a.nii"}
    lock = tmp_path / "mine.lock"
    lock.write_text(json.dumps({"a.tar": {"sha256": "1" * 64}}))
    words = ["--source", "mine", "--output", tmp_path / "other", "--lock", lock, "--url"]
    with pytest.raises(UserError, match="locked with another sha256 than the study"):
        run(*words, server.url("/a.tar"), "--sha256", sha256)


def test_counts_are_asserted(
    ixi: BadServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = packed(T1[:9])
    ixi.content["/IXI-T1.tar"] = data
    file = {"mirrors": [ixi.url("/IXI-T1.tar")], "md5": hashlib.md5(data).hexdigest()}
    table = collections.read_catalogue()["ixi"].files["IXI.xls"].model_dump()
    change(monkeypatch, "ixi", {"IXI-T1.tar": file, "IXI.xls": table}, {"scans": 10})
    with pytest.raises(UserError, match="9 scans were unpacked instead of 10"):
        run("--source", "ixi", "--modality", "T1", "--output", tmp_path / "ixi")
    assert tree(tmp_path / "ixi") == {"IXI.xls"}
    assert not (tmp_path / "ixi" / ".fetch" / "unpacking").exists()


def test_the_published_counts() -> None:
    assert CATALOGUE["ixi"].modalities["T1"].counts["scans"].expected == 581
    for modality in CATALOGUE["oasis1"].modalities.values():
        counts = {what: count.expected for what, count in modality.counts.items()}
        assert counts == {"first sessions": 416, "repeat sessions": 20}
        assert len(modality.archives) == 12


@pytest.mark.usefixtures("ixi")
def test_an_interrupted_unpacking_starts_clean(tmp_path: Path) -> None:
    unpacking = tmp_path / "ixi" / ".fetch" / "unpacking" / "T1"
    unpacking.mkdir(parents=True)
    (unpacking / T1[0]).write_bytes(b"half")
    (unpacking / "IXI999-HH-0999-T1.nii.gz").write_bytes(b"left over")
    run("--source", "ixi", "--modality", "T1", "--output", tmp_path / "ixi")
    assert tree(tmp_path / "ixi" / "T1") == set(T1)
    assert (tmp_path / "ixi" / "T1" / T1[0]).read_bytes() == b"scan"


def test_a_folder_of_the_users_own_is_left_alone(ixi: BadServer, tmp_path: Path) -> None:
    (tmp_path / "ixi" / "T1").mkdir(parents=True)
    (tmp_path / "ixi" / "T1" / "mine.nii").touch()
    with pytest.raises(UserError, match="was not made by fetch"):
        run("--source", "ixi", "--modality", "T1", "--output", tmp_path / "ixi")
    assert ixi.requests == []


SESSIONS = (
    ("disc1", "OAS1_0001_MR1", 4),
    ("disc1", "OAS1_0061_MR2", 3),
    ("disc2", "OAS1_0457_MR1", 5),
)


@pytest.fixture(scope="module")
def discs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Two discs as OASIS-1 packs them: three sessions, of which 4, 3 and 5 scans were averaged."""
    root = tmp_path_factory.mktemp("discs")
    for disc, session, n in SESSIONS:
        top = root / disc / session
        stem = f"{session}_mpr_n{n}_anon"
        for folder, place, name in (
            ("T88_111", "PROCESSED/MPRAGE/T88_111", f"{stem}_111_t88_masked_gfc.hdr"),
            ("FSL_SEG", "FSL_SEG", f"{stem}_111_t88_masked_gfc_fseg.hdr"),
        ):
            (top / place).mkdir(parents=True)
            write_analyze(top / place / name, volume(folder), VOXEL[folder], name=b"DOE")
        (top / "RAW").mkdir()
        (top / "RAW" / f"{session}_mpr-1_anon.img").write_bytes(b"not wanted")
        (top / f"{session}.xml").write_text("<age>74</age>")
    content = {}
    for disc in ("disc1", "disc2"):
        file = io.BytesIO()
        with tarfile.open(fileobj=file, mode="w:gz", compresslevel=1) as tar:
            tar.add(root / disc, arcname=disc)
        content[f"oasis_cross-sectional_{disc}.tar.gz"] = file.getvalue()
    return content


@pytest.fixture
def oasis(server: BadServer, discs: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> BadServer:
    files: dict[str, Any] = {}
    for name in CATALOGUE["oasis1"].files:
        data = discs.get(name, packed([], "w:gz") if name.endswith("gz") else b"PK table")
        server.content[f"/{name}"] = data
        files[name] = {"mirrors": [server.url(f"/{name}")]}
        if name.endswith("gz"):
            files[name]["bytes"] = len(data)
    change(monkeypatch, "oasis1", files, {"first sessions": 2, "repeat sessions": 1})
    return server


def test_oasis_is_refused_without_its_terms(oasis: BadServer, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"oasis-brains\.org.*accept_terms: true"):
        run("--source", "oasis1", "--modality", "masked", "--output", tmp_path / "oasis1")
    assert oasis.requests == []
    assert not (tmp_path / "oasis1").exists()


@pytest.mark.usefixtures("oasis")
def test_oasis_becomes_nifti(tmp_path: Path) -> None:
    lock = tmp_path / "oasis1.lock"
    words = ["--source", "oasis1", "--modality", "masked", "--modality", "tissue", "--accept-terms"]
    run(*words, "--output", tmp_path / "oasis1", "--lock", lock)
    stems = [f"{session}_mpr_n{n}_anon_111_t88_masked_gfc" for _, session, n in SESSIONS]
    tables = {"oasis_cross-sectional.xlsx", "oasis_cross-sectional-reliability.xlsx"}
    assert tree(tmp_path / "oasis1") == {
        "fetched.json",
        *tables,
        *(f"masked/{stem}.nii.gz" for stem in stems),
        *(f"tissue/{stem}_fseg.nii.gz" for stem in stems),
    }
    for path in (tmp_path / "oasis1").rglob("*.nii.gz"):
        image = nib.load(path)
        assert nib.aff2axcodes(image.affine) == ("L", "A", "S")
        assert image.shape == (176, 208, 176)
    account = json.loads((tmp_path / "oasis1" / "fetched.json").read_text())
    assert account["accepted"]["terms"] == CATALOGUE["oasis1"].terms
    assert "by" not in account["accepted"]
    assert account["accepted"]["when"].endswith("+00:00")
    assert "P50 AG05681" in account["cite"]
    assert account["modalities"]["masked"]["counts"] == {"first sessions": 2, "repeat sessions": 1}
    assert set(json.loads(lock.read_text())) == set(CATALOGUE["oasis1"].files)
    before = (tmp_path / "oasis1" / "fetched.json").read_bytes()
    run(*words, "--output", tmp_path / "oasis1", "--lock", lock)
    assert (tmp_path / "oasis1" / "fetched.json").read_bytes() == before


def test_a_disc_that_is_missing_is_noticed(oasis: BadServer, tmp_path: Path) -> None:
    oasis.content["/oasis_cross-sectional_disc2.tar.gz"] = packed([], "w:gz")
    with pytest.raises(UserError, match=r"disc2\.tar\.gz: no mirror has it"):
        run(
            "--source", "oasis1", "--modality", "masked", "--accept-terms",
            "--output", tmp_path / "oasis1",
        )  # fmt: skip
    assert not (tmp_path / "oasis1" / "masked").exists()
    assert not (tmp_path / "oasis1" / "fetched.json").exists()


def test_plan(ixi: BadServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--source", "ixi", "--modality", "T1", "--output", tmp_path / "ixi", "--plan"]
    run(*words)
    text = capsys.readouterr().out
    assert "CC BY-SA 3.0" in text
    assert "IXI-T1.tar: " in text
    assert str(tmp_path / "ixi") in text
    assert "free " in text
    assert ixi.requests == []
    assert not (tmp_path / "ixi").exists()


def test_plan_of_the_real_collections(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {
        "sources": [
            {"source": "ixi", "modality": ["T1", "T2"]},
            {"source": "oasis1", "modality": ["masked"]},
            {"source": "msd-task04"},
        ]
    }
    words = ["--settings", json.dumps(settings), "--data", tmp_path, "--plan", "--prefetch"]
    room = shutil._ntuple_diskusage(10**13, 10**13, 10**12)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: room)
    run(*words)
    text = capsys.readouterr().out
    assert "oasis_cross-sectional_disc12.tar.gz: 1.47 GB" in text
    assert "its terms must be accepted first" in text
    assert "needed 38.2 GB; free 1e+03 GB" in text
    room = shutil._ntuple_diskusage(10**13, 10**13, 10**10)
    with pytest.raises(UserError, match=r"needs 38.2 GB, but there is room for 9.8 GB"):
        run(*words)


def test_all_sources_of_a_study(ixi: BadServer, tmp_path: Path) -> None:
    ixi.content["/x.csv"] = b"id,age\n1,2\n"
    settings = {
        "sources": [
            {"source": "ixi", "modality": ["T1"]},
            {"source": "mine", "url": ixi.url("/x.csv")},
        ]
    }
    words = ["--data", tmp_path / "data", "--locks", tmp_path / "config"]
    run("--settings", json.dumps(settings), *words)
    assert (tmp_path / "data/ixi/fetched.json").exists()
    assert (tmp_path / "data/mine/x.csv").exists()
    assert {path.name for path in (tmp_path / "config").iterdir()} == {"ixi.lock", "mine.lock"}


def test_all_sources_of_a_config(
    ixi: BadServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("IXI-T1.tar", "IXI.xls"):
        (tmp_path / "staged").mkdir(exist_ok=True)
        (tmp_path / "staged" / name).write_bytes(ixi.content[f"/{name}"])
    train = {"network": "sfcn"}
    config: dict[str, Any] = {
        "study": "s",
        "root": "raw",
        "data": [{"source": "ixi", "modality": "T1", "mirrors": "staged"}],
        "experiments": {"age": {"task": "regression", "target": "age", "train": train}},
    }
    Path("s.yaml").write_text(yaml.safe_dump(config))
    run("--config", "s.yaml", "--plan")
    assert "into " + str(tmp_path / "raw/ixi") in capsys.readouterr().out
    run("--config", "s.yaml", "--prefetch")
    assert ixi.requests == []
    assert (tmp_path / "raw/ixi/T1" / T1[0]).exists()
    assert (tmp_path / "config/ixi.lock").exists()
    run("--config", "s.yaml", "--credits", "credits.csv")
    head, row = Path("credits.csv").read_text().splitlines()
    assert head == "source,title,licence,terms,accepted,cite"
    assert "CC BY-SA 3.0,https://brain-development.org/ixi-dataset/,not asked for," in row

    config["data"] = [{"source": "own", "channels": {"T1": "{subject}.nii"}}]
    Path("s.yaml").write_text(yaml.safe_dump(config))
    run("--config", "s.yaml", "--prefetch")
    assert "nothing to fetch" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--source", "ixl", "--output", "o"], "did you mean 'ixi'"),
        (["--source", "adni", "--output", "o"], "known: ixi, oasis1"),
        (["--source", "ixi", "--output", "o"], "say which modality to fetch: T1, T2"),
        (["--source", "ixi", "--modality", "T3", "--output", "o"], "no modality 'T3'; allowed: T1"),
        (["--source", "ixi"], "--source needs --output"),
        (["--plan"], "say what: --config STUDY"),
        (["--config", "nowhere.yaml"], "nowhere.yaml: is not there"),
        (["--settings", '{"sources": []}'], "needs --data"),
        (["--source", "x", "--url", "u.zip", "--md5", "12", "--output", "o"], "md5 = '12'"),
        (["--source", "../x", "--url", "u.zip", "--output", "o"], "source = '../x'"),
        (["--source", "x", "--url", "https://e.org/", "--output", "o"], "the name of a file"),
    ],
)
def test_mistakes(words: list[str], said: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as error:
        run(*words)
    assert said in str(error.value)
    assert list(tmp_path.iterdir()) == []


def start(server: BadServer, output: Path, *words: str, **options: Any) -> subprocess.Popen[bytes]:
    """Start a real process that fetches /big.tar.gz from the server."""
    program = (
        "import argparse; from headstart.commands import fetch; parser = argparse.ArgumentParser();"
        "fetch.add_arguments(parser); fetch.run(parser.parse_args())"
    )
    url = server.url("/big.tar.gz")
    sha256 = hashlib.sha256(server.content["/big.tar.gz"]).hexdigest()
    command = [sys.executable, "-c", program, "--source", "big", "--url", url, "--sha256", sha256]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT / "workflow")}
    return subprocess.Popen([*command, "--output", output, *words], env=environment, **options)


def wait_for(condition: Any, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture
def big(server: BadServer) -> BadServer:
    content = hashlib.shake_256(b"noise").digest(400_000)
    server.content["/big.tar.gz"] = packed([f"{n}.nii" for n in range(5)], "w:gz", content)
    return server


def test_killed_at_any_instant_it_goes_on(big: BadServer, tmp_path: Path) -> None:
    part = tmp_path / "big" / ".fetch" / "big.tar.gz.part"
    big.moods["/big.tar.gz"] = ["slow", "slow"]
    reached = 0
    for _ in range(2):
        process = start(big, tmp_path / "big", stderr=subprocess.DEVNULL)
        goal = reached + 300_000
        wait_for(lambda: part.exists() and part.stat().st_size > goal)  # noqa: B023
        process.send_signal(signal.SIGKILL)
        process.wait()
        reached = part.stat().st_size
        assert not part.with_name("big.tar.gz").exists()
        assert not (tmp_path / "big" / "files").exists()
    assert start(big, tmp_path / "big", stderr=subprocess.DEVNULL).wait() == 0
    assert {path.name for path in (tmp_path / "big/files").glob("*.nii")} == {
        f"{n}.nii" for n in range(5)
    }
    (_, first, _), (_, second, condition), (_, third, _) = big.requests
    assert first is None
    assert int(second.removeprefix("bytes=").removesuffix("-")) > 300_000
    assert third == f"bytes={reached}-"
    assert condition


def test_prefetch_survives_a_dropped_connection(big: BadServer, tmp_path: Path) -> None:
    """The terminal goes away in mid-download, as when ssh breaks."""
    big.moods["/big.tar.gz"] = ["slow"]
    leader, follower = pty.openpty()
    process = start(
        big, tmp_path / "big", "--prefetch",
        stdin=follower, stdout=follower, stderr=follower, start_new_session=True,
        preexec_fn=_own_terminal,
    )  # fmt: skip
    os.close(follower)
    part = tmp_path / "big" / ".fetch" / "big.tar.gz.part"
    wait_for(lambda: part.exists() and part.stat().st_size > 300_000)
    os.close(leader)
    assert process.wait(timeout=60) == 0
    assert (tmp_path / "big" / "fetched.json").exists()
    assert "complete" in (tmp_path / "prefetch.log").read_text()


def _own_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def test_two_at_a_time_take_turns(big: BadServer, tmp_path: Path) -> None:
    big.moods["/big.tar.gz"] = ["slow"]
    first = start(big, tmp_path / "big", stderr=subprocess.DEVNULL)
    wait_for(lambda: big.requests)
    second = start(big, tmp_path / "big", stderr=subprocess.PIPE)
    assert first.wait() == 0
    assert b"waiting for it" in second.communicate()[1]
    assert second.returncode == 0
    assert len(big.requests) == 1
