"""What a prediction does to keep to its memory, and that its answer stays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from cards import make_card
from cards import make_run
from pydantic import ValidationError
from tile_scans import filters
from tile_scans import noise
from tile_scans import scan_like
from torch import nn

from headstart.cohort.new_scans import list_new_scans
from headstart.common.errors import UserError
from headstart.tasks.denoising import Denoising
from headstart.training import predict_memory
from headstart.training.config import Predict
from headstart.training.config import Train
from headstart.training.inference import TrainedNetwork
from headstart.training.inference import predict_slabs
from headstart.training.plain_unet import PlainUNet
from headstart.training.predict_memory import ScanSize
from headstart.training.predict_memory import WithinMemory
from headstart.training.predict_new import _sizes
from headstart.training.predictor import make_predictor
from headstart.training.predictor import tiled_of

CPU = torch.device("cpu")
MB = 10**6


@pytest.fixture(autouse=True)
def tried(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A process of 300 MB, tiles of 1 kB a voxel; the edges of those that were tried."""
    edges: list[int] = []

    def taken(see: Any) -> int:
        tiled = see.func.__self__
        edges.append(tiled.size[0])
        return int(1000 * np.prod(tiled.size))

    monkeypatch.setattr(predict_memory, "resident", lambda: 200 * MB)
    monkeypatch.setattr(predict_memory, "taken_at_most", taken)
    return edges


def trained(memory: str, network: nn.Module, name: str = "plain_unet") -> TrainedNetwork:
    train = Train(network=name, sampling={"patches": [24, 24, 24]}, threads=1)
    run = make_run(task="denoising", target="image", train=train)
    card = make_card(run).model_copy(update={"predict": Predict(memory=memory)})
    predictor = make_predictor(network.eval(), train, card.predict).eval()
    return TrainedNetwork(card, Denoising(), predictor, CPU)


def fitted(memory: str, network: nn.Module, edge: int = 128, **kind: Any) -> TrainedNetwork:
    scan = ScanSize("scan.nii", (edge,) * 3, (edge,) * 3, new=True)
    limit = WithinMemory([trained(memory, network, **kind)])
    limit.check([scan])
    (found,) = limit.fitted(scan)
    return found


@pytest.mark.parametrize(
    ("memory", "tile", "scratch", "looked_at"),
    [
        # 300 MB are held, 22 MB take 10.5 bytes for each of 128³ voxels, 111 MB a tile of 48³,
        # 14 MB one of 24³; rows of these 19 and 9 MB; the output is 8 MB
        ("1G", 48, False, [24, 48]),
        ("436M", 48, True, [24, 48]),
        ("420M", 24, False, [24]),
        ("330M", 24, True, [24]),
    ],
)
def test_tiles_and_where_the_output_lies_follow_from_the_memory(
    tried: list[int], memory: str, tile: int, scratch: bool, looked_at: list[int]
) -> None:
    found = fitted(memory, PlainUNet(1, 1, [2, 2]))
    assert (tiled_of(found.network).size, found.scratch) == ((tile,) * 3, scratch)
    assert tried == looked_at  # what can't fit is not even tried


def test_without_a_setting_nothing_is_measured(tried: list[int]) -> None:
    network = trained("1G", PlainUNet(1, 1, [2, 2]))
    card = network.card.model_copy(update={"predict": Predict()})
    free = TrainedNetwork(card, network.task, network.network, CPU)
    scan = ScanSize("scan.nii", (900,) * 3, (900,) * 3, new=True)
    limit = WithinMemory([free])
    limit.check([scan])
    assert limit.fitted(scan) == [free]
    assert not tried


def test_a_scan_has_the_tiles_that_it_has_by_itself_whatever_is_beside_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Its answer must not hang on the share that it is in, nor on a scan that is added later."""
    limit = WithinMemory([trained("480M", PlainUNet(1, 1, [2, 2]))])
    fine = ScanSize("fine.nii", (50,) * 3, (50,) * 3)
    coarse = ScanSize("coarse.nii", (40,) * 3, (400,) * 3)
    limit.check([fine, coarse])
    said = capsys.readouterr().err
    assert "480M holds tiles of 24x24x24 voxels in place of 48x48x48" in said
    assert said.count("\n") == 1
    # rows of the coarse one take 184 MB of tiles of 48³ and 92 MB of 24³, its output 256 MB
    for scan, tile in ((fine, 48), (coarse, 24), (fine, 48)):
        (found,) = limit.fitted(scan)
        assert (tiled_of(found.network).size, found.scratch) == ((tile,) * 3, tile == 24)


def test_how_much_longer_smaller_tiles_take_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """Of a network that sees 6 far: 12³ voxels of 24³ are told, and of larger tiles 36³ of 48³."""
    see = nn.Sequential(nn.Conv3d(1, 1, 13, padding=6))
    assert tiled_of(fitted("420M", see, edge=120).network).size == (24, 24, 24)
    assert "take some 3.4 times as long" in capsys.readouterr().err


def test_tiles_that_are_nearly_all_margin_are_refused() -> None:
    """Of 24 voxels along each axis, a network that sees 11 far tells 2; of 48 it tells 26."""
    far = nn.Sequential(nn.Conv3d(1, 1, 23, padding=11))
    with pytest.raises(UserError, match=r"420M is too little: .* takes 0\.5G at the least"):
        fitted("420M", far)
    assert tiled_of(fitted("1G", far).network).size == (48, 48, 48)


def test_scans_that_are_no_heads_are_left_to_their_rejection(tmp_path: Path) -> None:
    """A wrong unit in one header is no reason to answer for nobody."""
    for name, edge in (("good", 4.0), ("metres", 4000.0)):
        image = nib.Nifti1Image(np.ones((30, 30, 30), np.float32), np.diag([edge] * 3 + [1]))
        nib.save(image, tmp_path / f"{name}.nii")
    (tmp_path / "text.nii").write_text("no scan")
    card = make_card(make_run())
    sizes = [*_sizes(list_new_scans([tmp_path], ["T1"]), card)]
    assert [size.name for size in sizes] == ["good.nii"]


def test_too_little_is_told_with_the_least_that_goes() -> None:
    said = (
        "^predict.memory: 900M is too little: scan.nii, of 512x512x512 voxels, takes 1.8G at the "
        "least$"
    )
    with pytest.raises(UserError, match=said):
        fitted("900M", PlainUNet(1, 1, [2, 2]), edge=512)
    assert fitted("1800M", PlainUNet(1, 1, [2, 2]), edge=512).scratch


def test_tiles_that_would_change_the_answer_stay() -> None:
    """Of a network that normalises each tile by itself."""
    tied = nn.Sequential(nn.Conv3d(1, 1, 3, padding=1), nn.InstanceNorm3d(1))
    with pytest.raises(UserError, match=r"takes 0\.5G at the least"):
        fitted("420M", tied)
    assert tiled_of(fitted("460M", tied).network).size == (48, 48, 48)


@pytest.mark.parametrize("network", [filters(layers=2), PlainUNet(1, 2, [2, 2])])
def test_a_scan_that_is_shorter_than_usual_tiles_lies_in_smaller_ones_as_in_those(
    tmp_path: Path, network: nn.Module
) -> None:
    """Its first voxel is the same one of those that the network takes together."""
    scan = scan_like(tmp_path, noise(1, 37, 60, 23).half().numpy())
    told = []
    for memory in ("1G", "330M"):
        found = fitted(memory, network)
        told.append(predict_slabs(found.network, scan, CPU, scratch=found.scratch).whole())
    np.testing.assert_allclose(told[0], told[1], atol=1e-6)


@pytest.mark.parametrize("network", [filters(layers=2), PlainUNet(1, 2, [2, 2])])
def test_an_answer_does_not_hang_on_the_memory(tmp_path: Path, network: nn.Module) -> None:
    scan = scan_like(tmp_path, noise(1, 70, 51, 60).half().numpy())
    told = []
    for memory in ("1G", "330M"):
        found = fitted(memory, network)
        told.append(predict_slabs(found.network, scan, CPU, scratch=found.scratch).whole())
    with torch.inference_mode():
        whole = network(torch.from_numpy(scan.volume()).float()[None, :, :, :50])[0]
    for one in told:
        np.testing.assert_allclose(one[:, :60, :30, :50], whole[:, :60, :30, :50], atol=1e-5)
    np.testing.assert_allclose(told[0], told[1], atol=1e-6)
    assert np.abs(told[0]).max() > 0.1


def test_what_holds_no_library_is_refused_before_the_training() -> None:
    with pytest.raises(ValidationError, match="'1M' does not hold the libraries alone, some 300M"):
        Predict(memory="1M")
    assert Predict(memory="330M").memory_bytes == 330 * MB
