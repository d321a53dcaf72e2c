"""Scans that are fetched: a small IXI from a server on this machine, through Snakemake."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from badserver import BadServer
from badserver import serving
from study import Checkout
from study import write_scan

pytestmark = pytest.mark.slow

LABELS = "tiny/label/labels.csv"
CREDITS = "tiny/fetch/credits.csv"
SITES = ("Guys", "HH", "IOP")


def archive(folder: Path, kind: str) -> bytes:
    """Pack twelve scans as IXI does: flat, named by subject, site, a number and the kind."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for number in range(2, 14):
            name = f"IXI{number:03}-{SITES[number % 3]}-{800 + number:04}-{kind}.nii.gz"
            write_scan(folder / name, seed=number + 100 * len(kind) + ord(kind[1]))
            tar.add(folder / name, name)
    return file.getvalue()


def spreadsheet() -> bytes:
    rows = [f"{n},{1 + n % 2},170,70,1950-01-{n:02},{20 + 2.5 * n}" for n in range(1, 15)]
    return "\n".join(['IXI_ID,"SEX_ID (1=m, 2=f)",HEIGHT,WEIGHT,DOB,AGE', *rows, ""]).encode()


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[BadServer]:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    with serving() as server:
        for kind in ("T1", "T2"):
            server.content[f"/IXI-{kind}.tar"] = archive(tmp_path / "packed", kind)
        server.content["/IXI.csv"] = spreadsheet()
        yield server


@pytest.fixture
def fetching(new_checkout: Checkout, server: BadServer) -> Checkout:
    """A study of IXI, in a checkout whose catalogue knows the server's small copy of it."""
    path = new_checkout.folder / "workflow/headstart/data/collections.yaml"
    catalogue = yaml.safe_load(path.read_text())
    ixi = catalogue["ixi"]
    ixi["tables"], ixi["study"]["table"]["path"] = ["IXI.csv"], "IXI.csv"
    ixi["files"] = {
        name.removeprefix("/"): {
            "mirrors": [server.url(name)],
            "md5": hashlib.md5(content).hexdigest(),
        }
        for name, content in server.content.items()
    }
    ixi["modalities"] = {kind: ixi["modalities"][kind] for kind in ("T1", "T2")}
    ixi["modalities"]["T1"]["counts"]["scans"]["expected"] = 12
    path.write_text(yaml.safe_dump(catalogue))
    configure(new_checkout, source="ixi", modality="T1")
    return new_checkout


def configure(checkout: Checkout, **source: Any) -> None:
    checkout.configure(checkout.config() | {"root": "data", "data": [source]})


def asked_for(server: BadServer) -> list[str]:
    paths = [path for path, _, _ in server.requests]
    server.requests.clear()
    return paths


def test_from_the_server_to_labels(fetching: Checkout, server: BadServer) -> None:
    assert fetching.planned(LABELS, CREDITS) == Counter(fetch_ixi=1, label=1, credits=1)
    assert asked_for(server) == []
    assert fetching.done(LABELS, CREDITS) == Counter(fetch_ixi=1, label=1, credits=1)
    assert asked_for(server) == ["/IXI.csv", "/IXI-T1.tar"]

    labels = (fetching.study / "label/labels.csv").read_text().splitlines()
    assert len(labels) == 13
    assert "T1/IXI002-IOP-0802-T1.nii.gz" in labels[1]
    assert "25.0" in labels[1]
    credit = (fetching.study / "fetch/credits.csv").read_text()
    assert "CC BY-SA 3.0" in credit
    assert "Imperial College London" in credit
    locked = json.loads((fetching.folder / "config/ixi.lock").read_text())
    assert set(locked) == {"IXI.csv", "IXI-T1.tar"}
    assert fetching.done(LABELS, CREDITS) == Counter()

    # a second modality leaves the first where it is
    one = fetching.folder / "data/ixi/T1/IXI002-IOP-0802-T1.nii.gz"
    before = one.stat()
    configure(fetching, source="ixi", modality=["T1", "T2"])
    assert fetching.done(LABELS) == Counter(fetch_ixi=1, label=1)
    assert asked_for(server) == ["/IXI-T2.tar"]
    assert one.stat() == before
    configure(fetching, source="ixi", modality="T1")
    assert fetching.done(LABELS) == Counter(label=1)

    # what fails leaves alone what is there
    (fetching.folder / "data/ixi/IXI.csv").write_text("mine")
    failed = fetching.snakemake(LABELS, "--forcerun", "fetch_ixi")
    assert failed.code != 0
    assert "IXI.csv: was changed since it was fetched" in failed.text
    assert (fetching.folder / "data/ixi/T1/.fetched.json").exists()
    assert (fetching.folder / "data/ixi/fetched.json").exists()


def test_an_archive_by_its_address(
    new_checkout: Checkout, server: BadServer, tmp_path: Path
) -> None:
    whole = io.BytesIO(server.content["/IXI-T1.tar"])
    with tarfile.open(fileobj=whole, mode="a") as tar:
        info = tarfile.TarInfo("people.csv")
        info.size = len(spreadsheet())
        tar.addfile(info, io.BytesIO(spreadsheet()))
    server.content["/set.tar"] = whole.getvalue()
    configure(
        new_checkout,
        source="mine",
        url=server.url("/set.tar"),
        sha256=hashlib.sha256(whole.getvalue()).hexdigest(),
        mirrors="staged",
        channels={"T1": "files/IXI{subject}-{site}-*-T1.nii.gz"},
        table={"path": "files/people.csv", "column": "IXI_ID"},
        labels={"age": "AGE", "sex": "SEX_ID (1=m, 2=f)"},
    )
    # the main process may be a job of the cluster, which must not download
    refused = new_checkout.snakemake(LABELS, HEADSTART_HEAD_JOB="1")
    assert refused.code != 0
    assert "set.tar must be downloaded, which a job must not do" in refused.text
    assert "headstart fetch --prefetch" in refused.text
    assert asked_for(server) == []
    assert new_checkout.done(LABELS) == Counter(fetch_mine=1, label=1)
    assert asked_for(server) == ["/set.tar"]
    labels = (new_checkout.study / "label/labels.csv").read_bytes()
    assert labels.count(b"\n") == 13
    assert new_checkout.done(LABELS) == Counter()

    # a folder of archives needs no net, and a job may read it
    (new_checkout.folder / "data").rename(tmp_path / "away")
    (new_checkout.folder / "staged").mkdir()
    (new_checkout.folder / "staged/set.tar").write_bytes(whole.getvalue())
    again = new_checkout.done(LABELS, "--forcerun", "label", HEADSTART_HEAD_JOB="1")
    assert again == Counter(fetch_mine=1, label=1)
    assert asked_for(server) == []
    assert (new_checkout.study / "label/labels.csv").read_bytes() == labels


def test_terms_that_nobody_accepted(new_checkout: Checkout) -> None:
    configure(new_checkout, source="oasis1", modality="masked")
    planned = new_checkout.snakemake("-n", LABELS)
    refused = new_checkout.snakemake(LABELS)
    assert planned.code == 0
    assert refused.code != 0
    for run in (planned, refused):
        assert "oasis1: its terms must be accepted first: read https://www.oasis" in run.text
    assert not (new_checkout.folder / "data/oasis1/.fetch").exists()
