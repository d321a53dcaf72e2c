from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import socket
import urllib.error
from collections.abc import Iterator
from pathlib import Path

import pytest
from badserver import BadServer
from badserver import serving

from headstart.common import disk
from headstart.common import meter
from headstart.common.disk import check_space
from headstart.common.disk import space
from headstart.common.errors import UserError
from headstart.data import download as module
from headstart.data.download import download
from headstart.data.file_checks import Checks
from headstart.data.file_checks import MirrorError

CONTENT = random.Random(1).randbytes(300_000)
MD5 = hashlib.md5(CONTENT).hexdigest()
SHA256 = hashlib.sha256(CONTENT).hexdigest()
KNOWN = Checks(md5=MD5)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STALL_SECONDS", 0.3)
    monkeypatch.setattr(module, "WAIT_SECONDS", 0.01)
    monkeypatch.setattr(module, "WORTH_HAVING", 1000)
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture
def server() -> Iterator[BadServer]:
    with serving() as server:
        server.content["/a.bin"] = CONTENT
        server.content["/b.bin"] = CONTENT
        yield server


def is_whole(path: Path) -> bool:
    beside = [other.name for other in path.parent.iterdir() if other.name.startswith(path.name)]
    return path.read_bytes() == CONTENT and beside == [path.name]


@pytest.mark.parametrize(
    "moods",
    [
        ["good"],
        ["drop"],
        ["drop", "drop", "drop", "drop", "drop", "drop"],
        ["drop-no-range", "no-range"],
        ["stall"],
        ["trickle"],
        ["slow"],
        ["no-range"],
        ["chunked"],
        ["chunked-drop", "chunked-drop"],
        ["unsized"],
        ["busy", "reset"],
        ["drop", "no-range"],
        ["drop", "gone"],
        ["drop", "shifted"],
        ["drop", "wrong"],
        ["weak"],
    ],
)
def test_ends_with_the_right_bytes(moods: list[str], server: BadServer, tmp_path: Path) -> None:
    server.moods["/a.bin"] = moods
    urls = [server.url("/a.bin"), server.url("/b.bin")]
    receipt = download(urls, tmp_path / "a.bin", KNOWN)
    assert is_whole(tmp_path / "a.bin")
    assert receipt.digests.sha256 == SHA256
    assert receipt.digests.bytes == len(CONTENT)


@pytest.mark.parametrize(
    "mood", ["404", "html", "html-disguised", "wrong", "truncate", "busy", "reset", "drop-no-range"]
)
def test_the_next_mirror_is_tried(
    mood: str, server: BadServer, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    server.moods["/a.bin"] = [mood] * 10
    urls = [server.url("/a.bin"), server.url("/b.bin")]
    receipt = download(urls, tmp_path / "a.bin", KNOWN)
    assert is_whole(tmp_path / "a.bin")
    assert receipt.url == urls[1]
    assert server.url("/a.bin") in capfd.readouterr().err


@pytest.mark.parametrize(
    ("mood", "words"),
    [
        ("404", "404"),
        ("html", "a web page"),
        ("html-disguised", "a web page"),
        ("wrong", "its md5 is"),
        ("truncate", "its md5 is"),
        ("busy", "503"),
        ("reset", "broke off"),
        ("drop-no-range", "broke off after 150000 of 300000 bytes, 4 times"),
        ("chunked-drop", "broke off"),
        ("stall", "stalled"),
        ("trickle", "stalled"),
        ("gone", "416"),
    ],
)
def test_never_ends_with_a_wrong_file(
    mood: str, words: str, server: BadServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WORTH_HAVING", 1_000_000)
    server.moods["/a.bin"] = [mood] * 20
    with pytest.raises(UserError, match=r"^a\.bin: no mirror has it") as error:
        download([server.url("/a.bin")], tmp_path / "a.bin", KNOWN)
    assert words in str(error.value)
    assert "--mirror" in str(error.value)
    assert not (tmp_path / "a.bin").exists()


@pytest.mark.parametrize("mood", ["html", "html-disguised", "unsized", "chunked-drop"])
def test_without_a_checksum_what_can_be_told_is_told(
    mood: str, server: BadServer, tmp_path: Path
) -> None:
    server.moods["/a.bin"] = [mood] * 20
    with pytest.raises(UserError):
        download([server.url("/a.bin")], tmp_path / "a.bin", Checks())
    assert not (tmp_path / "a.bin").exists()


def test_a_known_size_is_checked_before_anything_comes(server: BadServer, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="offers 300000 bytes, not 300001"):
        download([server.url("/a.bin")], tmp_path / "a.bin", Checks(size=300_001))
    assert list(tmp_path.iterdir()) == []


def test_goes_on_where_it_broke_off(server: BadServer, tmp_path: Path) -> None:
    server.moods["/a.bin"] = ["drop"]
    download([server.url("/a.bin")], tmp_path / "a.bin", Checks())
    assert is_whole(tmp_path / "a.bin")
    (_, first, _), (_, second, condition) = server.requests
    assert first is None
    assert second == "bytes=150000-"
    assert condition.startswith('"')


@pytest.mark.parametrize(
    "checks", [Checks(), Checks(sha256=hashlib.sha256(CONTENT[::-1]).hexdigest())]
)
def test_a_file_that_changes_in_between_is_begun_again(
    checks: Checks, server: BadServer, tmp_path: Path
) -> None:
    server.moods["/a.bin"] = ["changes"]
    download([server.url("/a.bin")], tmp_path / "a.bin", checks)
    assert (tmp_path / "a.bin").read_bytes() == CONTENT[::-1]


def test_a_server_that_hides_the_change_is_found_out_by_the_checksum(
    server: BadServer, tmp_path: Path
) -> None:
    server.moods["/a.bin"] = ["changes", "blind"]
    checks = Checks(sha256=hashlib.sha256(CONTENT[::-1]).hexdigest())
    download([server.url("/a.bin")], tmp_path / "a.bin", checks)
    assert (tmp_path / "a.bin").read_bytes() == CONTENT[::-1]
    assert [asked for _, asked, _ in server.requests] == [None, "bytes=150000-", None]


@pytest.mark.parametrize("moods", [["changes", "other"], ["drop", "shifted"], ["drop", "gone"]])
def test_an_answer_that_does_not_fit_the_part_is_not_taken(
    moods: list[str], server: BadServer, tmp_path: Path
) -> None:
    server.moods["/a.bin"] = list(moods)
    download([server.url("/a.bin")], tmp_path / "a.bin", Checks())
    assert (tmp_path / "a.bin").read_bytes() == server.content["/a.bin"]
    assert [asked for _, asked, _ in server.requests] == [None, "bytes=150000-", None]


def test_a_weak_etag_does_not_vouch_for_bytes(server: BadServer, tmp_path: Path) -> None:
    server.moods["/a.bin"] = ["weak"]
    download([server.url("/a.bin")], tmp_path / "a.bin", Checks())
    assert [asked for _, asked, _ in server.requests] == [None, None]


def test_a_part_of_another_address_is_not_gone_on_from(server: BadServer, tmp_path: Path) -> None:
    server.moods["/a.bin"] = ["drop", *["404"] * 9]
    with pytest.raises(UserError):
        download([server.url("/a.bin")], tmp_path / "a.bin", KNOWN)
    download([server.url("/b.bin")], tmp_path / "a.bin", KNOWN)
    assert is_whole(tmp_path / "a.bin")
    assert server.requests[-1] == ("/b.bin", None, None)


def test_a_part_that_is_complete_needs_no_server(server: BadServer, tmp_path: Path) -> None:
    """Killed between the last byte and the renaming."""
    url = server.url("/a.bin")
    (tmp_path / "a.bin.part").write_bytes(CONTENT)
    note = {"url": url, "total": len(CONTENT), "etag": '"x"', "modified": None}
    (tmp_path / "a.bin.part.json").write_text(json.dumps(note))
    download([url], tmp_path / "a.bin", KNOWN)
    assert is_whole(tmp_path / "a.bin")
    assert server.requests == []


@pytest.mark.parametrize("note", ["", "{", "[]", '{"url": 1}', None])
def test_a_damaged_note_is_no_reason_to_go_on(
    note: str | None, server: BadServer, tmp_path: Path
) -> None:
    (tmp_path / "a.bin.part").write_bytes(b"x" * 1000)
    if note is not None:
        (tmp_path / "a.bin.part.json").write_text(note)
    download([server.url("/a.bin")], tmp_path / "a.bin", Checks())
    assert is_whole(tmp_path / "a.bin")


@pytest.mark.parametrize("damage", [bytes(100_000), CONTENT[:99_999] + b"?"])
def test_a_damaged_part_is_found_out(damage: bytes, server: BadServer, tmp_path: Path) -> None:
    url = server.url("/a.bin")
    server.moods["/a.bin"] = ["blind"]
    (tmp_path / "a.bin.part").write_bytes(damage)
    note = {"url": url, "total": len(CONTENT), "etag": '"x"', "modified": None}
    (tmp_path / "a.bin.part.json").write_text(json.dumps(note))
    download([url], tmp_path / "a.bin", KNOWN)
    assert is_whole(tmp_path / "a.bin")
    assert len(server.requests) == 2


@pytest.mark.parametrize("name", ["a.tar.gz", "a.zip", "a.xlsx", "a.xls"])
def test_a_file_that_begins_as_another_kind_is_refused(
    name: str, server: BadServer, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="doesn't begin as a"):
        download([server.url("/a.bin")], tmp_path / name, Checks())
    assert not (tmp_path / name).exists()


def test_local_files_are_checked_where_they_lie(tmp_path: Path) -> None:
    staged = tmp_path / "staged folder" / "a.bin"
    staged.parent.mkdir()
    staged.write_bytes(CONTENT)
    urls = [(tmp_path / "nowhere").as_uri(), staged.as_uri()]
    receipt = download(urls, tmp_path / "a.bin", KNOWN)
    assert receipt.path == staged
    assert not (tmp_path / "a.bin").exists()
    staged.write_bytes(CONTENT[:-1])
    with pytest.raises(UserError, match="its md5 is"):
        download(urls, tmp_path / "a.bin", KNOWN)


def test_http_needs_a_checksum_and_https_is_never_given_up(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="http:// proves nothing"):
        download(["http://example.org/a.bin"], tmp_path / "a.bin", Checks())
    with pytest.raises(UserError, match="no way to download from 'ftp:'"):
        download(["ftp://example.org/a.bin"], tmp_path / "a.bin", KNOWN)
    request = module.urllib.request.Request("https://example.org/a")
    with pytest.raises(MirrorError, match="not encrypted"):
        module._SafeRedirects().redirect_request(
            request, None, 302, "Found", None, "http://example.org/a"
        )


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/a.bin"
    with pytest.raises(UserError, match=r"can't be reached .*, 4 times"):
        download([url], tmp_path / "a.bin", KNOWN)


def test_a_certificate_that_can_not_be_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = module.ssl.SSLCertVerificationError()
    error.verify_message = "self-signed certificate"

    def fail(*_: object, **__: object) -> None:
        raise urllib.error.URLError(error)

    monkeypatch.setattr(module.urllib.request.OpenerDirector, "open", fail)
    with pytest.raises(UserError, match=r"self-signed certificate.*SSL_CERT_FILE"):
        download(["https://example.org/a.bin"], tmp_path / "a.bin", KNOWN)


def test_a_full_disk_is_seen_before_the_download(
    server: BadServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil._ntuple_diskusage(10**12, 10**12, disk.RESERVE + 100_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(UserError, match=r"needs 300 kB, but there is room for 100 kB"):
        download([server.url("/a.bin")], tmp_path / "a.bin", KNOWN)
    assert not (tmp_path / "a.bin").exists()


@pytest.mark.parametrize(
    ("numbers", "left"),
    [
        ("900 1000 2000", 1_126_400),
        ("900 1000 0", 102_400),
        ("2500* 1000 2000", 0),
        ("9 0 0", None),
    ],
)
def test_the_quota_is_asked(
    numbers: str, left: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = disk._device(tmp_path)
    command = tmp_path / "quota"
    command.write_text(
        "#!/bin/sh\necho 'Disk quotas for user me (uid 1000):'\n"
        "echo '  Filesystem blocks quota limit grace files quota limit grace'\n"
        f"echo '  other:/home 1 2 3 0 4 5 6 0'\necho '  {device} {numbers} 0 10 0 0 0'\n"
    )
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert space(tmp_path / "not" / "there").quota == left
    if left is not None:
        with pytest.raises(UserError, match="quota leaves"):
            check_space(tmp_path, 2_000_000, "it")


def test_progress_is_told_in_lines(
    server: BadServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(meter, "LINE_SECONDS", 0.5)
    server.moods["/a.bin"] = ["slow"]
    download([server.url("/a.bin")], tmp_path / "a.bin", KNOWN)
    lines = capfd.readouterr().err.splitlines()
    assert 2 <= len(lines) <= 5
    assert "of 300 kB" in lines[0]
    assert "kB/s, " in lines[0]
    assert lines[0].endswith(" s left")
