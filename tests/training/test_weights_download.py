"""Weights of the catalogue, from a server that behaves badly."""

from __future__ import annotations

import hashlib

import pytest
from badserver import serving

from headstart.common.errors import UserError
from headstart.data import download
from headstart.training import weights_download
from headstart.training.weights_catalogue import read_weights_catalogue
from headstart.training.weights_download import fetch_weights

CONTENT = b"\x80weights" * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def catalogue(monkeypatch):
    """An entry on a server that breaks off first, and one with other bytes."""
    monkeypatch.setattr(download, "WAIT_SECONDS", 0.01)
    with serving() as server:
        server.content["/w.pth"] = CONTENT
        server.moods["/w.pth"] = ["drop", "good"]
        some = read_weights_catalogue()["medicalnet-resnet18"]
        entry = some.model_copy(
            update={"mirrors": (server.url("/w.pth"),), "sha256": SHA256, "bytes": len(CONTENT)}
        )
        monkeypatch.setattr(weights_download, "read_weights_catalogue", lambda: {"w": entry})
        yield server


def test_weights_come_whole_and_once(catalogue, tmp_path):
    fetch_weights("w", SHA256, tmp_path / "w.pth")
    assert (tmp_path / "w.pth").read_bytes() == CONTENT
    assert [path.name for path in tmp_path.iterdir()] == ["w.pth"]
    catalogue.content.clear()
    fetch_weights("w", SHA256, tmp_path / "w.pth")


def test_other_bytes_are_refused(catalogue, tmp_path):
    catalogue.moods["/w.pth"] = ["good"]
    with pytest.raises(UserError, match=f"its sha256 is {SHA256}, not {'ab' * 32}"):
        fetch_weights("w", "ab" * 32, tmp_path / "w.pth")
    assert not list(tmp_path.iterdir())


def test_a_mirror_of_one_s_own_comes_first(catalogue, tmp_path):
    (tmp_path / "copy.pth").write_bytes(CONTENT)
    fetch_weights("w", SHA256, tmp_path / "w.pth", ((tmp_path / "copy.pth").as_uri(),))
    assert (tmp_path / "w.pth").read_bytes() == CONTENT
    assert not catalogue.requests


def test_a_job_of_a_cluster_does_not_download(catalogue, tmp_path, monkeypatch):
    monkeypatch.setenv(weights_download.HEAD_JOB, "1")
    with pytest.raises(UserError, match="headstart fetch --weights w --sha256"):
        fetch_weights("w", SHA256, tmp_path / "w.pth")
    assert not catalogue.requests


def test_an_unknown_name_is_told_what_there_is(tmp_path):
    with pytest.raises(UserError, match="known: medicalnet-resnet18, sfcn"):
        fetch_weights("other", SHA256, tmp_path / "w")
