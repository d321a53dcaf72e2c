"""A network whose answer depends on one known place: maps find it, and lose it when shuffled."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from cards import make_card
from cards import make_run
from prepared_shards import write_shard
from torch import nn

from headstart.cohort.prepared import Scan
from headstart.cohort.prepared import scan_of
from headstart.cohort.shards import ShardCard
from headstart.explanation.config import Explain
from headstart.explanation.explained import Explained
from headstart.explanation.grad_cam import grad_cam
from headstart.explanation.grad_cam import layer_of
from headstart.explanation.occlusion import occlusion
from headstart.explanation.occlusion_grid import lay_out
from headstart.explanation.shuffle import shuffled
from headstart.explanation.shuffle import similarity
from headstart.imaging.config import Preparation
from headstart.imaging.geometry import Grid
from headstart.tasks.classification import Classification
from headstart.tasks.regression import BinnedRegression
from headstart.tasks.regression import Regression
from headstart.training.inference import TrainedNetwork

WINDOW = (20, 24, 16)
MARK = (14, 6, 10)  # its first voxel; 3 voxels each way
CENTRE = np.array(MARK) + 1
PATTERN = np.random.default_rng(7).choice([-1.0, 1.0], (3, 3, 3)).astype(np.float32)
YEARS = 10.0  # what the mark adds to the age


class Detector(nn.Module):
    """Finds the mark by its pattern, wherever it is; its seven other features count for nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv3d(1, 8, 3, padding=1), nn.ReLU(inplace=True))
        self.head = nn.Linear(8, 1)
        with torch.no_grad():
            self.features[0].weight.copy_(torch.randn(8, 1, 3, 3, 3) / 5)
            self.features[0].weight[0, 0] = torch.from_numpy(PATTERN)
            self.features[0].bias.fill_(-20.0)
            self.head.weight.zero_()
            # of the mark's sum of 27, 7 are above the bias
            self.head.weight[0, 0] = np.prod(WINDOW) / 7
            self.head.bias.zero_()

    def forward(self, volumes: torch.Tensor) -> torch.Tensor:
        return self.head(self.features(volumes).mean((2, 3, 4)))


@pytest.fixture
def scan(tmp_path: Path) -> Scan:
    volume = np.random.default_rng(0).normal(0, 0.3, WINDOW).astype(np.float16)
    place = tuple(slice(first, first + 3) for first in MARK)
    volume[place] = PATTERN
    path = tmp_path / "shard-0.json"
    prepare = Preparation(voxel_size=(2, 2, 2), window=WINDOW, normalise="none")
    grid = Grid(WINDOW, np.diag([2.0, 2, 2, 1]))
    masks = np.zeros((1, *WINDOW), np.uint8)
    key = [("s", "1")]
    write_shard(
        path, key, volume[None, None], masks, prepare=prepare, affine=grid.affine, source=grid
    )
    return scan_of(path, ShardCard.read(path).scans[0], target="30")


@pytest.fixture
def explained(scan: Scan) -> Explained:
    torch.manual_seed(0)
    task = Regression(30.0, YEARS)
    network = TrainedNetwork(make_card(make_run()), task, Detector().eval(), torch.device("cpu"))
    return Explained(network, scan, "")


def distance(found: np.ndarray) -> float:
    """Voxels from the mark's centre to that of what is largest."""
    largest = np.argwhere(np.abs(found) >= 0.999 * np.abs(found).max())
    return float(np.linalg.norm(largest.mean(axis=0) - CENTRE))


def shuffle(explained: Explained, share: float = 1.0) -> Explained:
    trained = explained.trained
    other = shuffled(trained.network, share, seed=1)
    made = TrainedNetwork(trained.card, trained.task, other, trained.place)
    return Explained(made, explained.scan, explained.group)


def test_occlusion_finds_the_place_and_what_it_is_worth(explained: Explained) -> None:
    patches = lay_out(WINDOW, (2, 2, 2), Explain(patch=10, stride=4))
    found = occlusion(explained, patches, batch=5)
    assert distance(found) <= 3  # half a patch and a half
    # a patch that holds the whole mark takes all of its ten years
    assert found.max() == pytest.approx(YEARS, abs=0.2)
    far = np.linalg.norm(np.indices(WINDOW).T - CENTRE, axis=-1).T > 10
    assert np.abs(found[far]).max() < 0.01


def test_occlusion_does_not_depend_on_how_many_are_seen_at_once(explained: Explained) -> None:
    patches = lay_out(WINDOW, (2, 2, 2), Explain(patch=12, stride=12))
    one, many = (occlusion(explained, patches, batch) for batch in (1, 64))
    assert np.allclose(one, many, atol=1e-5)


def test_grad_cam_finds_the_place(explained: Explained) -> None:
    layer, shape = layer_of(explained)
    assert shape == WINDOW
    found = grad_cam(explained, layer)
    assert distance(found) <= 1
    assert (found.min(), found.max()) == (0, 1)


@pytest.mark.parametrize("method", ["occlusion", "grad-cam++"])
def test_maps_of_a_shuffled_network_lose_it(explained: Explained, method: str) -> None:
    patches = lay_out(WINDOW, (2, 2, 2), Explain(patch=6, stride=6))
    made, other = (
        occlusion(one, patches, 16)
        if method == "occlusion"
        else grad_cam(one, layer_of(explained)[0])
        for one in (explained, shuffle(explained))
    )
    everywhere = np.ones(WINDOW, bool)
    assert similarity(made, made, everywhere) == pytest.approx(1)
    assert similarity(made, other, everywhere) < 0.5
    assert distance(other) > 3 or np.ptp(other) == 0


def test_two_maps_that_show_no_place_are_alike() -> None:
    shown, nothing = np.arange(27.0).reshape(3, 3, 3), np.zeros((3, 3, 3))
    everywhere = np.ones((3, 3, 3), bool)
    assert similarity(nothing, nothing, everywhere) == 1
    assert similarity(shown, nothing, everywhere) == similarity(nothing, shown, everywhere) == 0


def test_shuffling_the_last_layer_leaves_the_others(explained: Explained) -> None:
    before, after = explained.trained.network, shuffle(explained, 0.0).trained.network
    assert torch.equal(before.features[0].weight, after.features[0].weight)
    assert not torch.equal(before.head.weight, after.head.weight)
    assert torch.equal(before.head.weight.sort().values, after.head.weight.sort().values)


def test_a_mirrored_answer_is_occluded_as_it_is_given(explained: Explained) -> None:
    from headstart.training.predictor import Mirrored

    trained = explained.trained
    mirrored = TrainedNetwork(
        trained.card, trained.task, Mirrored(trained.network, [0]), trained.place
    )
    one = Explained(mirrored, explained.scan, "")
    assert layer_of(one) == layer_of(explained)
    patches = lay_out(WINDOW, (2, 2, 2), Explain(patch=10, stride=4))
    # the mirror image does not have the pattern: half of the answer
    assert occlusion(one, patches, 8).max() == pytest.approx(YEARS / 2, abs=0.2)


def test_scores_before_they_are_probabilities() -> None:
    logits = torch.tensor([[1.0, 3.0, 2.0]])
    assert Classification(("a", "b", "c")).score_of(logits, "c").tolist() == [2.0]
    bins = BinnedRegression(tuple(float(n) for n in range(40)))
    certain = torch.full((1, 40), -100.0)
    certain[0, 12] = 100.0
    assert bins.score_of(certain, "").tolist() == pytest.approx([12.0])
