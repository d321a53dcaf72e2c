from __future__ import annotations

import math
import statistics
import sys

import numpy as np
import pytest
import torch
from scipy.special import rel_entr

from headstart.common.errors import UserError
from headstart.tasks import TASKS
from headstart.tasks.classification import Classification
from headstart.tasks.classification import inverse_frequency
from headstart.tasks.denoising import Denoising
from headstart.tasks.regression import BinnedRegression
from headstart.tasks.regression import Regression
from headstart.tasks.segmentation import Segmentation
from headstart.training.losses import cross_entropy
from headstart.training.losses import dice
from headstart.training.losses import dice_cross_entropy
from headstart.training.losses import l1
from headstart.training.losses import make_loss
from headstart.training.losses import over_scales

OUTPUTS = {
    "regression": (torch.tensor([[1.0], [3.0]]), torch.tensor([1.0, 1.0])),
    "classification": (torch.eye(2), torch.tensor([0, 1])),
    "segmentation": (torch.rand(2, 3, 4, 4, 4), torch.randint(3, (2, 1, 4, 4, 4))),
    # a voxel of each was hidden, the others have no truth
    "denoising": (
        torch.rand(2, 1, 4, 4, 4),
        torch.full((2, 1, 4, 4, 4), torch.nan).index_fill(2, torch.tensor([1]), 2.0),
    ),
}
FITTED = {
    "regression": Regression(),
    "classification": Classification(("a", "b")),
    "segmentation": Segmentation(("a", "b")),
    "denoising": Denoising(),
}
CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("task", "name"),
    [(t, n) for t, kind in TASKS.items() for n in (None, *kind.losses) if n != "soft_label"],
)
def test_every_loss_of_the_config(task, name):
    output, truth = OUTPUTS[task]
    if name == "neighbours":  # of a series every voxel is told
        truth = torch.rand(truth.shape)
    loss = make_loss(name, FITTED[task], CPU)(output, truth)
    assert loss.ndim == 0
    assert loss > 0


def test_values():
    output, truth = OUTPUTS["regression"]
    assert make_loss(None, Regression(), CPU)(output, truth) == 1
    assert make_loss("mse", Regression(), CPU)(output, truth) == 2


def test_a_perfect_mask_has_no_dice_loss():
    truth = OUTPUTS["segmentation"][1]
    sure = torch.nn.functional.one_hot(truth[:, 0], 3).movedim(-1, 1) * 100.0
    assert dice_cross_entropy(None)(sure, truth) < 1e-4


def test_class_weights_balance():
    weights = inverse_frequency(["b", "a", "a", "a"], ["a", "b"])
    assert weights == (2 / 3, 2)
    assert inverse_frequency(["a", "b", "c"], ["a", "b", "c"]) == (1, 1, 1)
    with pytest.raises(UserError, match="b has no training scan"):
        inverse_frequency(["a", "a"], ["a", "b"])


def test_weighted_cross_entropy_by_hand():
    output, truth = torch.zeros(3, 2), torch.tensor([0, 0, 1])
    output[2, 1] = 1
    loss = cross_entropy(torch.tensor([0.75, 1.5]))(output, truth)
    by_hand = (0.75 * math.log(2) * 2 + 1.5 * math.log(1 + math.exp(-1))) / 3
    assert loss.item() == pytest.approx(by_hand)


@pytest.mark.parametrize("size", [1, 2, 4, 20])
def test_every_batch_size_weighs_the_classes_alike(size):
    """The mean gradient of an epoch is that of the weighted sum over all scans."""
    torch.manual_seed(0)
    features, truth = torch.randn(20, 3), torch.tensor([1, *[0] * 9] * 2)
    weights = torch.tensor(inverse_frequency([str(t.item()) for t in truth], ["0", "1"]))
    network = torch.nn.Linear(3, 2)
    loss_of = cross_entropy(weights)
    for start in range(0, 20, size):
        part = slice(start, start + size)
        (loss_of(network(features[part]), truth[part]) * size / 20).backward()
    gradient = network.weight.grad.clone()
    network.zero_grad()
    single = torch.nn.functional.cross_entropy(network(features), truth, reduction="none")
    (single * weights[truth]).sum().div(20).backward()
    torch.testing.assert_close(gradient, network.weight.grad)


def test_dice_is_taken_over_the_batch_and_without_the_background():
    """The second scan lacks the class: by itself it would have a Dice of 0, whatever is said."""
    said = torch.tensor([[0.8, 0.4], [0.2, 0.4]]).reshape(2, 1, 1, 1, 2)
    output = torch.cat([1 - said, said], dim=1).log()
    truth = torch.tensor([[1, 0], [0, 0]]).reshape(2, 1, 1, 1, 2)
    expected = 1 - 2 * 0.8 / (1 + 0.8 + 0.4 + 0.2 + 0.4)
    entropy = -(2 * math.log(0.8) + 2 * math.log(0.6)) / 4
    assert dice(None)(output, truth).item() == pytest.approx(expected, rel=1e-4)
    both = dice_cross_entropy(None)(output, truth).item()
    assert both == pytest.approx(expected + entropy, rel=1e-4)


def test_huber_is_square_within_one_deviation_and_straight_beyond():
    loss = make_loss("huber", Regression(), CPU)
    assert loss(torch.tensor([[0.5]]), torch.tensor([0.0])).item() == pytest.approx(0.125)
    assert loss(torch.tensor([[3.0]]), torch.tensor([0.0])).item() == pytest.approx(2.5)


def test_focal_loss_by_hand():
    output, truth = torch.tensor([[0.0, math.log(3)], [0.0, 0.0]]), torch.tensor([1, 0])
    scans = [0.25**2 * -math.log(0.75), 0.5**2 * math.log(2)]
    loss = make_loss("focal", Classification(("a", "b")), CPU)
    assert loss(output, truth).item() == pytest.approx(sum(scans) / 2)
    weighed = make_loss("focal", Classification(("a", "b"), (0.5, 2.0)), CPU)
    assert weighed(output, truth).item() == pytest.approx((2 * scans[0] + 0.5 * scans[1]) / 2)


def test_ranked_probability_score_by_hand():
    output = torch.tensor([[0.2, 0.3, 0.5], [0.1, 0.1, 0.8]]).log()
    truth = torch.tensor([0, 2])
    scans = [0.8**2 + 0.5**2, 0.1**2 + 0.2**2]
    loss = make_loss("ordinal", Classification(("0", "1", "2")), CPU)
    assert loss(output, truth).item() == pytest.approx(sum(scans) / 2)
    weighed = make_loss("ordinal", Classification(("0", "1", "2"), (0.5, 1.0, 2.0)), CPU)
    assert weighed(output, truth).item() == pytest.approx((0.5 * scans[0] + 2 * scans[1]) / 2)


def test_tversky_losses_by_hand():
    """Over the batch, without the background; what is missed counts more than what is too much."""
    said = torch.tensor([[0.8, 0.4], [0.2, 0.4]]).reshape(2, 1, 1, 1, 2)
    output = torch.cat([1 - said, said], dim=1).log()
    truth = torch.tensor([[1, 0], [0, 0]]).reshape(2, 1, 1, 1, 2)
    expected = 1 - 0.8 / (0.8 + 0.3 * (0.4 + 0.2 + 0.4) + 0.7 * 0.2)
    task = Segmentation(("a",))
    assert make_loss("tversky", task, CPU)(output, truth).item() == pytest.approx(
        expected, rel=1e-4
    )
    focal = make_loss("focal_tversky", task, CPU)
    assert focal(output, truth).item() == pytest.approx(expected**0.75, rel=1e-4)


def test_focal_tversky_is_taken_class_by_class():
    task, truth = Segmentation(("a", "b")), torch.tensor([0, 1, 2, 2]).reshape(1, 1, 1, 1, 4)
    p = torch.tensor([[0.2, 0.3, 0.5], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4], [0.6, 0.2, 0.2]])
    a = 1 - 0.8 / (0.8 + 0.3 * 0.8 + 0.7 * 0.2)
    b = 1 - 0.6 / (0.6 + 0.3 * 0.6 + 0.7 * 1.4)
    loss = make_loss("focal_tversky", task, CPU)(p.T.reshape(1, 3, 1, 1, 4).log(), truth)
    assert loss.item() == pytest.approx((a**0.75 + b**0.75) / 2, rel=1e-4)


def test_lower_resolutions_count_half_as_much_each():
    def mean_error(output, truth):
        assert output.shape == truth.shape
        return (output - truth).abs().mean()

    truth = torch.zeros(1, 1, 8, 8, 8, dtype=torch.uint8)
    truth[..., 4:] = 3  # blocks that every resolution has
    outputs = [truth + error for error in (0.0, 1.0, 5.0)]
    outputs[1:] = [outputs[1][..., ::2, ::2, ::2], outputs[2][..., ::4, ::4, ::4]]
    loss = over_scales(mean_error, outputs, truth)
    assert loss.item() == pytest.approx((0 + 1 / 2 + 5 / 4) / (1 + 1 / 2 + 1 / 4))


def test_one_resolution_is_its_own_loss_to_the_bit():
    output, truth = torch.randn(5, 1), torch.randn(5)
    assert over_scales(l1(None), [output], truth).item() == l1(None)(output, truth).item()


def test_a_perfect_mask_has_a_finite_slope():
    truth = OUTPUTS["segmentation"][1]
    sure = torch.nn.functional.one_hot(truth[:, 0], 3).movedim(-1, 1) * 1000.0
    sure.requires_grad_()
    loss = make_loss("focal_tversky", FITTED["segmentation"], CPU)(sure, truth)
    loss.backward()
    assert loss < 1e-4
    assert sure.grad.isfinite().all()


@pytest.mark.parametrize("weights", [(), (0.5, 2.0)])
def test_smoothed_labels_by_hand(weights):
    """A tenth of each label goes to both classes; a class's weight stays with its part."""
    loss = make_loss("cross_entropy", Classification(("a", "b"), weights), CPU, smoothing=0.1)
    one, two = weights or (1.0, 1.0)
    expected = 0.95 * one * math.log(4) + 0.05 * two * -math.log(0.75)
    output = torch.tensor([[0.0, math.log(3)]])
    assert loss(output, torch.tensor([0])).item() == pytest.approx(expected)


def test_smoothed_labels_reach_the_cross_entropy_of_masks_alone():
    output = torch.tensor([0.25, 0.75]).log().reshape(1, 2, 1, 1, 1)
    truth = torch.ones(1, 1, 1, 1, 1, dtype=torch.uint8)
    task = Segmentation(("a",))
    plain = make_loss(None, task, CPU)(output, truth)
    smoothed = make_loss(None, task, CPU, smoothing=0.1)(output, truth)
    moved = 0.05 * (math.log(4) + math.log(0.75))
    assert (smoothed - plain).item() == pytest.approx(moved, rel=1e-4)


def _normal(place: float) -> np.ndarray:
    """Share of a normal distribution around a place in each of 40 bins of width 1."""
    ends = [statistics.NormalDist(place, 1).cdf(edge - 0.5) for edge in range(41)]
    return np.diff(ends) / (ends[-1] - ends[0])


def test_soft_labels_by_hand():
    loss = make_loss("soft_label", BinnedRegression(), CPU)
    places, said = [0.0, 3.0, 20.4, 39.0], np.full(40, 1 / 40)
    labels = [_normal(place) for place in places]
    expected = np.mean([rel_entr(label, said).sum() for label in labels])
    output = torch.zeros(4, 40)
    assert loss(output, torch.tensor(places)).item() == pytest.approx(expected, rel=1e-5)
    right = torch.tensor(np.array(labels)).clamp_min(1e-30).log().float()
    assert loss(right, torch.tensor(places)).item() == pytest.approx(0, abs=1e-6)


def test_a_network_that_says_the_soft_label_says_the_target():
    for place in (3.0, 3.4, 17.8, 36.0):
        assert _normal(place) @ np.arange(40) == pytest.approx(place, abs=1e-3)


def test_a_target_beyond_the_bins_is_one_at_their_end():
    loss = make_loss("soft_label", BinnedRegression(), CPU)
    output = torch.randn(1, 40)
    for beyond, end in ((-50.0, 0.0), (90.0, 39.0)):
        assert loss(output, torch.tensor([beyond])) == loss(output, torch.tensor([end]))


OWN = """
import torch
from torch import nn
from powers import POWER

class Loss:
    def __call__(self, output, truth):
        return (output[:, 0] - truth).abs().pow(POWER).mean()

class Scaled(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("scale", torch.tensor(4.0))

    def forward(self, output, truth):
        return self.scale * (output[:, 0] - truth).mean()

class Learns(nn.Linear):
    def __init__(self):
        super().__init__(1, 1)

class Asks:
    def __init__(self, classes):
        pass

class Many(Loss):
    def __call__(self, output, truth):
        return output

class Plain(Loss):
    def __call__(self, output, truth):
        return 1.0

class Slips(Loss):
    def __call__(self, output, truth):
        return truth[5]

class Row(Loss):
    def __call__(self, output, truth):
        return output[:, 0]

class Writes:
    def __call__(self, output, truth):
        output -= truth[:, None]
        loss = output.square().mean()
        truth *= 0
        return loss
"""


@pytest.fixture
def own(tmp_path):
    (tmp_path / "my_loss.py").write_text(OWN)
    (tmp_path / "powers.py").write_text("POWER = 3\n")
    return lambda name: make_loss(f"my_loss.py:{name}", Regression(), CPU, folder=tmp_path)


def test_a_loss_of_ones_own(own):
    output, truth = OUTPUTS["regression"]
    assert own("Loss")(output, truth).item() == 4  # of 0 and 2 cubed
    assert own("Scaled")(output, truth).item() == 4
    assert "powers" not in sys.modules


def test_a_loss_of_ones_own_may_write_into_what_it_is_given(own):
    """The metrics are told from the same output and truths."""
    output, truth = OUTPUTS["regression"]
    given = output.clone(), truth.clone()
    assert own("Writes")(*given).item() == (output[:, 0] - truth).square().mean()
    assert torch.equal(given[0], output)
    assert torch.equal(given[1], truth)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("Away", "has no class Away"),
        ("Learns", "has weights of its own, which no optimizer changes; register them as buffers"),
        ("Asks", r"can't be made without arguments: TypeError: .*'classes'"),
        ("Many", r"gives shape \(2, 1\) where a tensor of one number is needed"),
        ("Row", r"gives shape \(2,\) where a tensor of one number is needed"),
        ("Plain", "gives <class 'float'> where a tensor of one number"),
        ("Slips", r"of shape \(2, 1\) and truths of \(2,\): IndexError.*my_loss\.py, line 3\d"),
    ],
)
def test_a_fault_in_ones_own_loss_is_one_sentence_about_it(own, name, why):
    with pytest.raises(UserError, match=rf"^train\.loss: my_loss\.py.*{why}"):
        own(name)(*OUTPUTS["regression"])
