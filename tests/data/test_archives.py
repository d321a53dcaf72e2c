from __future__ import annotations

import errno
import gzip
import io
import os
import re
import resource
import stat
import tarfile
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from headstart.common.errors import UserError
from headstart.data import archives as module
from headstart.data.archives import extract
from headstart.data.collections import ANY_SCAN
from headstart.data.collections import read_catalogue

ANY = {"out": re.compile(ANY_SCAN, re.ASCII)}
Add = Callable[[tarfile.TarFile], None]
LINKS = (tarfile.SYMTYPE, tarfile.LNKTYPE)


def member(name: str, data: bytes = b"scan", **fields: object) -> Add:
    def add(tar: tarfile.TarFile) -> None:
        info = tarfile.TarInfo(name)
        info.size = len(data)
        for field, value in fields.items():
            setattr(info, field, value)
        tar.addfile(info, io.BytesIO(data))

    return add


def tarred(path: Path, *adds: Add, **options: object) -> Path:
    mode = "w:gz" if path.name.endswith("gz") else "w"
    with tarfile.open(path, mode, **options) as tar:
        for add in adds:
            add(tar)
    return path


def zipped(path: Path, *entries: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in entries:
            file.writestr(name, data)
    return path


def everything(folder: Path) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.rglob("*")}


@pytest.fixture
def inside(tmp_path: Path) -> Path:
    """A folder to unpack into, beside things that must stay as they are."""
    (tmp_path / "precious").write_text("mine")
    folder = tmp_path / "a" / "b" / "inside"
    folder.mkdir(parents=True)
    return folder


HOSTILE = {
    "absolute path": (member("/etc/evil.nii"), "absolute path"),
    "absolute path, wanted": (member("//evil.nii"), "absolute path"),
    "drive letter": (member("C:evil.nii"), "absolute path"),
    "dots": (member("../../../precious"), "lead out of the folder"),
    "dots within": (member("x/../../../../precious"), "lead out of the folder"),
    "dots at the end": (member("x/..", b"", type=tarfile.DIRTYPE), "lead out of the folder"),
    "backslashes": (member("..\\..\\precious"), "lead out of the folder"),
    "double slash": (member("x//y.nii"), "lead out of the folder"),
    "symlink": (member("a.nii", b"", type=tarfile.SYMTYPE, linkname="/etc/passwd"), "a link to"),
    "symlink within": (member("a.nii", b"", type=tarfile.SYMTYPE, linkname="b.nii"), "a link to"),
    "hard link": (member("a.nii", b"", type=tarfile.LNKTYPE, linkname="../precious"), "a link to"),
    "character device": (member("a.nii", b"", type=tarfile.CHRTYPE), "a device or a pipe"),
    "block device": (member("a.nii", b"", type=tarfile.BLKTYPE), "a device or a pipe"),
    "pipe": (member("a.nii", b"", type=tarfile.FIFOTYPE), "a device or a pipe"),
    "newline": (member("a.nii\n"), "control characters"),
    "escape sequence": (member("\x1b[2Ja.nii"), "control characters"),
    "right to left": (member("a\u202eiin.nii"), "control characters"),
    "not UTF-8": (member(b"caf\xe9.nii".decode("utf-8", "surrogateescape")), "not UTF-8"),
}


@pytest.mark.parametrize("kind", ["bad.tar", "bad.tar.gz"])
@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_tar(case: str, kind: str, inside: Path, tmp_path: Path) -> None:
    add, words = HOSTILE[case]
    archive = tarred(
        tmp_path / kind, member("fine.nii"), add, format=tarfile.GNU_FORMAT, encoding="utf-8",
        errors="surrogateescape",
    )  # fmt: skip
    before = everything(tmp_path)
    with pytest.raises(UserError, match="nothing of it was kept") as error:
        extract(archive, ANY, inside)
    assert str(error.value).startswith(f"{archive}: ")
    assert words in str(error.value)
    assert str(error.value).isprintable()
    assert everything(tmp_path) - before <= {"a/b/inside/out", "a/b/inside/out/fine.nii"}
    assert (tmp_path / "precious").read_text() == "mine"


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["a.nii", "a.nii"], "comes twice"),
        (["a.nii", "./a.nii"], "comes twice"),
        (["a.nii", "A.nii"], "comes twice"),
        (["\u00e9.nii", "e\u0301.nii"], "comes twice"),
        (["disc1/a.nii", "disc2/a.nii"], "comes twice"),
        (["a.nii", "a.nii/b.nii"], "a file and a folder"),
        (["a.nii/b.nii", "a.nii"], "a file and a folder"),
    ],
)
def test_duplicate_names(names: list[str], words: str, inside: Path, tmp_path: Path) -> None:
    wanted = {"out": re.compile(r"(?:disc\d/)?(?P<path>.+)")}
    with pytest.raises(UserError, match=words):
        extract(tarred(tmp_path / "bad.tar", *map(member, names)), wanted, inside)
    archive = zipped(tmp_path / "bad.zip", *((name, b"scan") for name in names))
    with pytest.raises(UserError, match=r"twice|file and a folder"):
        extract(archive, {"other": wanted["out"]}, inside)


def entry(name: str, mode: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    return info


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("/etc/evil.nii", "absolute path"),
        ("../../../precious", "lead out of the folder"),
        ("..\\precious", "lead out of the folder"),
        (entry("a.nii", stat.S_IFLNK | 0o777), "a link"),
        (entry("a.nii", stat.S_IFCHR | 0o666), "a device or a pipe"),
        ("a\x7f.nii", "control characters"),
    ],
)
def test_hostile_zip(name: str | zipfile.ZipInfo, words: str, inside: Path, tmp_path: Path) -> None:
    archive = zipped(tmp_path / "bad.zip", ("fine.nii", b"scan"), (name, b"/etc/passwd"))
    before = everything(tmp_path)
    with pytest.raises(UserError, match=words):
        extract(archive, ANY, inside)
    assert everything(tmp_path) - before <= {"a/b/inside/out", "a/b/inside/out/fine.nii"}


def test_encrypted_zip(inside: Path, tmp_path: Path) -> None:
    archive = zipped(tmp_path / "bad.zip", ("a.nii", b"scan"))
    data = bytearray(archive.read_bytes())
    data[data.index(b"PK\1\2") + 8] |= 1
    archive.write_bytes(data)
    with pytest.raises(UserError, match="encrypted"):
        extract(archive, ANY, inside)


@pytest.mark.slow
def test_a_million_entries(inside: Path, tmp_path: Path) -> None:
    """512 MB of headers, 3 MB packed: stopped early, in little memory."""
    info = tarfile.TarInfo("folder/")
    info.type = tarfile.DIRTYPE
    with gzip.open(tmp_path / "bad.tar.gz", "wb", compresslevel=1) as file:
        for _ in range(100):
            file.write(info.tobuf() * 10_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(UserError, match="has more than 100000 entries"):
        extract(tmp_path / "bad.tar.gz", ANY, inside)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # kB


def test_too_many_entries_in_a_zip(
    inside: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_ENTRIES", 10)
    archive = zipped(tmp_path / "bad.zip", *((f"{n}.nii", b"") for n in range(11)))
    with pytest.raises(UserError, match="has more than 10 entries"):
        extract(archive, ANY, inside)


@pytest.mark.parametrize("kind", ["bad.tar.gz", "bad.zip"])
@pytest.mark.parametrize("name", ["bomb.nii", "unwanted.exe"])
def test_bomb(
    name: str, kind: str, inside: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RATIO_FROM", 1_000_000)
    zeros = bytes(20_000_000)
    if kind == "bad.zip":
        archive = zipped(tmp_path / kind, (name, zeros))
    else:
        archive = tarred(tmp_path / kind, member(name, zeros))
    with pytest.raises(UserError, match="as a bomb does"):
        extract(archive, ANY, inside)
    assert sum(p.stat().st_size for p in inside.rglob("*") if p.is_file()) < 15_000_000


def test_claims_of_size(inside: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    huge = tarfile.TarInfo("a.nii")
    huge.size = 10**13
    (tmp_path / "huge.tar").write_bytes(huge.tobuf() + bytes(2048))
    with pytest.raises(UserError, match="more than 200 GB"):
        extract(tmp_path / "huge.tar", ANY, inside)
    monkeypatch.setattr(module, "MAX_BYTES", 1000)
    archive = tarred(tmp_path / "many.tar", *(member(f"{n}.nii", bytes(400)) for n in range(3)))
    with pytest.raises(UserError, match="unpacks to more than"):
        extract(archive, ANY, inside)
    negative = tarfile.TarInfo("a.nii")
    negative.size = -512
    (tmp_path / "back.tar").write_bytes(negative.tobuf(tarfile.GNU_FORMAT) + bytes(2048))
    with pytest.raises(UserError, match=r"unpacks to more|leads back|damaged"):
        extract(tmp_path / "back.tar", ANY, inside)


def test_a_header_that_would_fill_the_memory(inside: Path, tmp_path: Path) -> None:
    name = tarfile.TarInfo("././@LongLink")
    name.type = tarfile.GNUTYPE_LONGNAME
    name.size = 10**9
    with gzip.open(tmp_path / "bad.tar.gz", "wb", compresslevel=1) as file:
        file.write(name.tobuf())
        for _ in range(40):
            file.write(bytes(1 << 20))
    with pytest.raises(UserError, match="header of more than 16 MB"):
        extract(tmp_path / "bad.tar.gz", ANY, inside)


def test_sparse_file(inside: Path, tmp_path: Path) -> None:
    info = tarfile.TarInfo("a.nii")
    info.type = tarfile.GNUTYPE_SPARSE
    (tmp_path / "bad.tar").write_bytes(info.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
    with pytest.raises(UserError, match=r"sparse|more than"):
        extract(tmp_path / "bad.tar", ANY, inside)


@pytest.mark.parametrize("name", ["good.tar", "good.tar.gz"])
def test_truncated_anywhere(name: str, inside: Path, tmp_path: Path) -> None:
    adds = [member(f"{n}.nii", bytes([n]) * 700) for n in range(3)]
    archive = tarred(tmp_path / name, *adds)
    whole = archive.read_bytes()
    end = 3 * 1536 if name.endswith("tar") else len(whole)
    steps = {*range(1, end, 97), *range(512, end, 512), end if name.endswith("tar") else end - 1}
    for number, length in enumerate(sorted(steps)):
        archive.write_bytes(whole[:length])
        (inside / str(number)).mkdir()
        with pytest.raises(UserError, match="damaged"):
            extract(archive, ANY, inside / str(number))


@pytest.mark.parametrize("name", ["good.tar.gz", "good.zip"])
def test_flipped_byte(name: str, inside: Path, tmp_path: Path) -> None:
    data = bytes(range(256)) * 100
    if name.endswith("zip"):
        archive = zipped(tmp_path / name, ("a.nii", data))
    else:
        archive = tarred(tmp_path / name, member("a.nii", data))
    damaged = bytearray(archive.read_bytes())
    damaged[-8 if name.endswith("gz") else len(damaged) // 4] ^= 255
    archive.write_bytes(damaged)
    with pytest.raises(UserError, match="damaged"):
        extract(archive, ANY, inside)


@pytest.mark.parametrize("name", ["page.tar", "page.tar.gz", "page.zip"])
@pytest.mark.parametrize("content", [b"", b"<html>not found</html>" * 100])
def test_no_archive_at_all(name: str, content: bytes, inside: Path, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match="damaged or not an archive"):
        extract(tmp_path / name, ANY, inside)


def test_only_the_wanted_files_come_out(inside: Path, tmp_path: Path) -> None:
    archive = tarred(
        tmp_path / "good.tar.gz",
        member("./", b"", type=tarfile.DIRTYPE),
        member("./sub/", b"", type=tarfile.DIRTYPE),
        member("./sub/a.nii.gz", b"1" * 1024),
        member("./sub/run.sh"),
        member("._a.nii", b"resource fork"),
        member("./IXI\u0661.nii.gz"),
        member("b.nii", b"2", mode=0o6777),
    )
    wanted = {
        "plain": re.compile(r"(?:sub/)?(?P<path>[ab]\.nii)", re.ASCII),
        "packed": re.compile(r"sub/(?P<path>a\.nii\.gz)|IXI\d", re.ASCII),
    }
    written = extract(archive, wanted, inside)
    assert written == {"plain": ["b.nii"], "packed": ["a.nii.gz"]}
    assert everything(inside) == {"plain", "plain/b.nii", "packed", "packed/a.nii.gz"}
    assert (inside / "packed/a.nii.gz").read_bytes() == b"1" * 1024
    assert (inside / "plain/b.nii").stat().st_mode & 0o7111 == 0


@pytest.mark.parametrize("modality", ["T1", "T2", "PD", "MRA", "DTI"])
def test_names_of_ixi(modality: str, inside: Path, tmp_path: Path) -> None:
    """Flat; the members of IXI-DTI.tar begin with './'."""
    start, end = ("./", "-07") if modality == "DTI" else ("", "")
    names = [
        f"IXI{i:03}-{site}-{i:04}-{modality}{end}.nii.gz" for i, site in ((2, "Guys"), (50, "IOP"))
    ]
    archive = tarred(
        tmp_path / "IXI.tar", *(member(start + name) for name in (*names, "IXI1-Guys-1-T1.nii"))
    )
    pattern = read_catalogue()["ixi"].modalities[modality].pattern
    assert extract(archive, {modality: pattern}, inside) == {modality: names}


def test_names_of_oasis(inside: Path, tmp_path: Path) -> None:
    """Between three and six scans were averaged: n3 to n6."""
    names = []
    for session, n in (("OAS1_0001_MR1", 4), ("OAS1_0061_MR2", 3)):
        top = f"disc1/{session}"
        for base in (
            f"RAW/{session}_mpr-1_anon",
            f"PROCESSED/MPRAGE/SUBJ_111/{session}_mpr_n{n}_anon_sbj_111",
            f"PROCESSED/MPRAGE/T88_111/{session}_mpr_n{n}_anon_111_t88_gfc",
            f"PROCESSED/MPRAGE/T88_111/{session}_mpr_n{n}_anon_111_t88_masked_gfc",
            f"FSL_SEG/{session}_mpr_n{n}_anon_111_t88_masked_gfc_fseg",
        ):
            names += [f"{top}/{base}.{kind}" for kind in ("hdr", "img", "gif")]
        names += [f"{top}/{session}.xml", f"{top}/PROCESSED/MPRAGE/T88_111/t4_files/{session}_t4"]
    archive = tarred(tmp_path / "disc1.tar.gz", *map(member, names))
    modalities = read_catalogue()["oasis1"].modalities
    wanted = {name: modality.pattern for name, modality in modalities.items()}
    written = extract(archive, wanted, inside)
    assert written["masked"] == [
        f"{session}_anon_111_t88_masked_gfc.{kind}"
        for session in ("OAS1_0001_MR1_mpr_n4", "OAS1_0061_MR2_mpr_n3")
        for kind in ("hdr", "img")
    ]
    assert {name: len(files) for name, files in written.items()} == dict.fromkeys(modalities, 4)


def test_names_of_neurite_oasis_and_the_decathlon(inside: Path, tmp_path: Path) -> None:
    folder = "OASIS_OAS1_0001_MR1"
    kinds = ("orig", "norm", "aligned_norm", "aligned_orig", "seg4", "seg35", "aligned_seg35")
    archive = tarred(
        tmp_path / "neurite.tar",
        member("./seg4_labels.txt"),
        *(member(f"./{folder}/{kind}.nii.gz") for kind in kinds),
    )
    modalities = read_catalogue()["neurite-oasis"].modalities
    wanted = {name: modality.pattern for name, modality in modalities.items()}
    written = extract(archive, wanted, inside)
    assert written["norm"] == [f"{folder}/norm.nii.gz"]
    assert written["aligned-seg4"] == ["seg4_labels.txt"]
    assert written["seg4"] == [f"{folder}/seg4.nii.gz"]
    assert written["seg35"] == [f"{folder}/seg35.nii.gz"]
    assert written["aligned-seg35"] == [f"{folder}/aligned_seg35.nii.gz"]

    task = "Task04_Hippocampus"
    names = ["dataset.json", "imagesTr/hippocampus_367.nii.gz", "labelsTr/hippocampus_367.nii.gz"]
    others = ["imagesTr/._hippocampus_367.nii.gz", "imagesTs/hippocampus_001.nii.gz"]
    archive = tarred(tmp_path / "task.tar", *(member(f"{task}/{n}") for n in (*others, *names)))
    pattern = read_catalogue()["msd-task04"].modalities[task].pattern
    assert extract(archive, {task: pattern}, inside) == {task: names}


def _zip_with(method: int) -> bytes:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", method) as file:
        file.writestr("a/T1.nii", b"scan" * 50)
        file.writestr("ü/T2.nii", b"\0" * 99)
    return whole.getvalue()


SEEDS = {
    **{f"{n}.zip": _zip_with(n) for n in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)},
    **{f"{n}.zip": _zip_with(n) for n in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)},
}


@pytest.mark.parametrize("name", sorted(SEEDS))
@settings(max_examples=120)
@given(changes=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=4))
def test_any_bytes_are_unpacked_or_named(
    name: str, changes: list[tuple[int, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """zipfile has many types of error for a damaged file; each is the archive's fault."""
    data = bytearray(SEEDS[name])
    for place, value in changes:
        data[place % len(data)] = value
    folder = tmp_path_factory.mktemp("any")
    (folder / name).write_bytes(data)
    (folder / "inside").mkdir()
    with suppress(UserError):
        extract(folder / name, ANY, folder / "inside")


def test_a_member_without_a_name_is_the_archives_fault(inside: Path) -> None:
    archive = inside.parent / "nameless.zip"
    archive.write_bytes(SEEDS["0.zip"].replace(b"a/T1.nii", b"\0/T1.nii"))
    with pytest.raises(UserError, match=r"nameless\.zip: "):
        extract(archive, ANY, inside)


@settings(max_examples=200)
@given(
    name=st.text("a./\\", min_size=1, max_size=9),
    link=st.text("a./", max_size=9),
    kind=st.sampled_from([tarfile.REGTYPE, tarfile.DIRTYPE, *LINKS, tarfile.CHRTYPE]),
)
def test_what_the_data_filter_of_tarfile_refuses_does_not_come_out(
    name: str, link: str, kind: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("any")
    archive = tarred(folder / "any.tar", member(name, b"", type=kind, linkname=link))
    (folder / "inside").mkdir()
    with tarfile.open(archive) as tar:
        info = tar.next()
        assert info is not None
        try:
            tarfile.data_filter(info, str(folder / "inside"))
            refused = False
        except tarfile.FilterError:
            refused = True
    with pytest.raises(UserError) if refused else suppress(UserError):
        extract(archive, ANY, folder / "inside")


@pytest.mark.parametrize(
    ("place", "value"),
    [(8, 99), (4, 99), (6, 8)],  # the method, the version, a name that claims to be UTF-8
)
def test_a_zip_of_a_kind_that_nobody_knows(inside: Path, place: int, value: int) -> None:
    data = bytearray(_zip_with(zipfile.ZIP_DEFLATED).replace(b"a/T1", b"\xff/T1"))
    central = data.index(b"PK\x01\x02")
    data[place], data[central + place + 2] = value, value
    if place == 6:
        data[7], data[central + 9] = 8, 8
    archive = inside.parent / "odd.zip"
    archive.write_bytes(data)
    with pytest.raises(UserError, match=r"odd\.zip: "):
        extract(archive, ANY, inside)


@pytest.mark.parametrize(
    ("number", "fix"), [(errno.EIO, "same command again"), (errno.ENOSPC, "larger disk")]
)
def test_the_mend_is_that_of_the_computer_s_own_fault(
    inside: Path, monkeypatch: pytest.MonkeyPatch, number: int, fix: str
) -> None:
    archive = tarred(inside.parent / "a.tar", member("a/T1.nii.gz"))

    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(module, "_write", fail)
    with pytest.raises(UserError, match=rf"a\.tar: .*{os.strerror(number)}.*; .*{fix}"):
        extract(archive, ANY, inside)
