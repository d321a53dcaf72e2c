from __future__ import annotations

import pytest
import torch

from headstart.parts.config import LOSSES
from headstart.parts.errors import UserError
from headstart.parts.losses import inverse_frequency
from headstart.parts.losses import make_loss

OUTPUTS = {
    "regression": (torch.tensor([[1.0], [3.0]]), torch.tensor([1.0, 1.0])),
    "classification": (torch.eye(2), torch.tensor([0, 1])),
    "segmentation": (torch.rand(2, 3, 4, 4, 4), torch.randint(3, (2, 1, 4, 4, 4))),
}


@pytest.mark.parametrize(("task", "name"), [(t, n) for t in LOSSES for n in (None, *LOSSES[t])])
def test_every_loss_of_the_config(task, name):
    loss = make_loss(task, name)(*OUTPUTS[task])
    assert loss.ndim == 0
    assert loss > 0


def test_values():
    output, truth = OUTPUTS["regression"]
    assert make_loss("regression", None)(output, truth) == 1
    assert make_loss("regression", "mse")(output, truth) == 2


def test_a_perfect_mask_has_no_dice_loss():
    truth = OUTPUTS["segmentation"][1]
    sure = torch.nn.functional.one_hot(truth[:, 0], 3).movedim(-1, 1) * 100.0
    assert make_loss("segmentation", "dice_cross_entropy")(sure, truth) < 1e-4


def test_class_weights_balance():
    weights = inverse_frequency([0, 0, 0, 1], 2)
    assert (weights * torch.tensor([3, 1])).tolist() == [2, 2]
    with pytest.raises(UserError, match="no training scan"):
        inverse_frequency([0, 0], 2)
