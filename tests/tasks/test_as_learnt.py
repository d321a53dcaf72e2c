"""What tasks keep of a batch that is learnt from: the metrics are those of what was said."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from headstart.tasks.base import Task
from headstart.tasks.classification import Classification
from headstart.tasks.denoising import Denoising
from headstart.tasks.mask_counts import most_likely
from headstart.tasks.regression import Regression
from headstart.tasks.segmentation import Segmentation

SHAPE = (5, 6, 7)


def batch(task: Task) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(1)
    if isinstance(task, Segmentation):
        # the last class is in no mask, and said nowhere in the first scan
        output = torch.randn(4, task.out_channels, *SHAPE, generator=draw)
        output[0, -1] = -99
        return torch.randint(task.out_channels - 1, (4, 1, *SHAPE), generator=draw).byte(), output
    output = torch.randn(4, task.out_channels, generator=draw)
    return torch.tensor([0, 1, 1, 0]), output


@pytest.mark.parametrize(
    "task", [Regression(50.0, 10.0), Classification(("F", "M")), Segmentation(("a", "b", "c"))]
)
def test_metrics_are_the_same_later(task: Task) -> None:
    targets, output = batch(task)
    later = task.for_metrics_later(targets, output)
    assert later is not None
    at_once = task.for_metrics(targets.numpy(), output)
    for one, other in zip(later(), at_once, strict=True):
        np.testing.assert_array_equal(one, other)
    assert task.score(*later())[task.key_metric()] > 0


def test_masks_are_measured_in_some_steps_and_images_never() -> None:
    assert Regression().measured_steps == 1
    assert Segmentation(("a", "b")).measured_steps == 6
    assert (
        Denoising().for_metrics_later(torch.zeros(1, 1, *SHAPE), torch.zeros(1, 1, *SHAPE)) is None
    )


def test_of_classes_that_are_as_likely_it_is_the_first() -> None:
    output = torch.randint(3, (2, 4, *SHAPE), generator=torch.Generator().manual_seed(0)).float()
    assert torch.equal(most_likely(output), output.argmax(dim=1).byte())
