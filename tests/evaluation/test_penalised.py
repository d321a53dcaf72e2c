from __future__ import annotations

import warnings

import numpy as np
import pytest

from headstart.evaluation import penalised
from headstart.evaluation.session_weights import session_weights


def people(n: int) -> np.ndarray:
    return np.array([f"s{i:03d}" for i in range(n)])


def test_what_is_linear_in_few_columns_is_found_and_of_many_that_tell_nothing_the_mean_is_left():
    rng = np.random.default_rng(0)
    columns = rng.normal(size=(160, 5)) / np.sqrt(5)
    target = 50 + columns @ [10, -20, 5, 0, 8]
    found = penalised.ridge(columns[:120], target[:120], people(120), columns[120:])
    np.testing.assert_allclose(found.answers, target[120:], atol=0.05)
    assert found.error < 0.05

    noise = rng.normal(size=(160, 300)) / np.sqrt(300)
    target = rng.normal(50, 10, 160)
    nothing = penalised.ridge(noise[:120], target[:120], people(120), noise[120:])
    np.testing.assert_allclose(nothing.answers, target[:120].mean(), atol=1.5)


def test_a_class_that_columns_tell_is_found_and_noise_has_the_frequencies():
    rng = np.random.default_rng(1)
    columns = rng.normal(size=(160, 4)) / 2
    target = (columns[:, 1] > 0.3).astype(int)
    found = penalised.logistic(columns[:120], target[:120], people(120), columns[120:], 2)
    assert (found.answers.argmax(axis=1) == target[120:]).mean() > 0.9
    np.testing.assert_allclose(found.answers.sum(axis=1), 1)

    noise = rng.normal(size=(160, 300)) / np.sqrt(300)
    nothing = penalised.logistic(noise[:120], target[:120], people(120), noise[120:], 2)
    np.testing.assert_allclose(nothing.answers[:, 1], target[:120].mean(), atol=0.05)


def test_a_penalty_is_chosen_on_people_whose_other_sessions_are_not_learnt_from():
    """Two sessions of each alike to the last digit: by scans, no penalty at all would be best."""
    rng = np.random.default_rng(2)
    noise = rng.normal(size=(60, 200)) / np.sqrt(200)
    target = rng.normal(50, 10, 60)
    twice = np.repeat(noise, 2, axis=0)
    asked = rng.normal(size=(40, 200)) / np.sqrt(200)
    found = penalised.ridge(twice, np.repeat(target, 2), np.repeat(people(60), 2), asked)
    once = penalised.ridge(noise, target, people(60), asked)
    np.testing.assert_allclose(found.answers, once.answers)
    assert found.error == pytest.approx(once.error)
    assert found.error > 5


def test_sessions_share_their_subjects_weight():
    subjects = np.array(["a", "a", "a", "b"])
    assert session_weights(subjects).tolist() == [1 / 3] * 3 + [1]
    columns = np.zeros((4, 1))
    mean = penalised.ridge(columns, np.array([10.0, 10, 10, 20]), subjects, columns)
    np.testing.assert_allclose(mean.answers, 15)


def test_from_one_person_or_of_one_class_nothing_is_learnt_but_the_mean():
    columns = np.array([[0.0], [1.0]])
    found = penalised.ridge(columns, np.array([3.0, 4.0]), np.array(["a", "a"]), columns)
    np.testing.assert_allclose(found.answers, 3.5, atol=1e-3)
    one = penalised.logistic(columns, np.array([1, 1]), np.array(["a", "b"]), columns, 3)
    assert one.answers.tolist() == [[0, 1, 0]] * 2


def test_a_class_that_nobody_known_has_is_impossible():
    rng = np.random.default_rng(3)
    columns = rng.normal(size=(40, 2))
    target = np.where(columns[:, 0] > 0, 2, 0)
    found = penalised.logistic(columns, target, people(40), columns, 4)
    assert (found.answers[:, [1, 3]] == 0).all()
    assert (found.answers.argmax(axis=1) == target).all()


def test_three_classes_are_told_apart_and_the_optimum_is_reached_without_a_warning():
    rng = np.random.default_rng(4)
    columns = rng.normal(size=(150, 100)) / 10
    target = np.digitize(columns[:, 0], [-0.05, 0.05])
    columns[:, 0] *= 20
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = penalised.logistic(columns[:120], target[:120], people(120), columns[120:], 3)
    np.testing.assert_allclose(found.answers.sum(axis=1), 1)
    assert (found.answers.argmax(axis=1) == target[120:]).mean() > 0.8


def test_columns_are_standardised_by_the_known_scans_alone():
    known = np.array([[1.0, 10, 5], [3, 30, 5]])
    ours, theirs = penalised.standardised(known, np.array([[5.0, 20, 6]]))
    np.testing.assert_allclose(ours * np.sqrt(3), [[-1, -1, 0], [1, 1, 0]])
    np.testing.assert_allclose(theirs * np.sqrt(3), [[3, 0, 1]])
