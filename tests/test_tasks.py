from __future__ import annotations

import numpy as np
import pytest
import torch
from small_study import SmallStudy

from headstart.parts.cohort import read_cohort
from headstart.parts.errors import UserError
from headstart.parts.tasks import fit_task


@pytest.fixture
def study(tmp_path):
    return SmallStudy(tmp_path / "study")


def read(study, target, task):
    return read_cohort(**study.inputs, target=target, task=task)


def test_regression_goes_in_standardised_and_comes_out_in_years(study):
    training = read(study, "age", "regression").training(0)
    task = fit_task("regression", (), training)
    truths = torch.stack([task.truth(scan) for scan in training])
    assert truths.mean().item() == pytest.approx(0, abs=1e-6)
    assert truths.std(correction=0).item() == pytest.approx(1)
    ages = [float(scan.target) for scan in training]
    np.testing.assert_allclose(task.read(truths[:, None]), ages, rtol=1e-6)
    assert task.out_channels == 1


def test_classes_are_known_by_their_place(study):
    cohort = read(study, "sex", "classification")
    task = fit_task("classification", cohort.classes, cohort.training(0))
    assert [task.truth(s).item() for s in cohort.scans[:4]] == [0, 0, 1, 0]
    np.testing.assert_allclose(task.read(torch.zeros(1, 2)), [[0.5, 0.5]])
    assert task.out_channels == 2


def test_masks_have_a_background(study):
    scans = read(study, "mask", "segmentation").training(0)
    task = fit_task("segmentation", ("left", "right"), scans)
    truth = task.truth(scans[0])
    assert truth.shape == (1, 8, 8, 8)
    assert task.out_channels == 3
    output = torch.nn.functional.one_hot(truth.long(), 3).movedim(-1, 1)
    np.testing.assert_array_equal(task.read(output), truth)


def test_equal_targets_teach_nothing(study):
    study.change_table("age", dict.fromkeys(range(21), "50"))
    with pytest.raises(UserError, match="the target is 50 in all"):
        fit_task("regression", (), read(study, "age", "regression").training(0))
