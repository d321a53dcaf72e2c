"""The numbers in the figures: what lines and marks hold, not how they look."""

from __future__ import annotations

import re
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from drawn import Kept
from drawn import drawn
from drawn import lines_of
from drawn_results import SEX
from drawn_results import result
from matplotlib.figure import Figure
from rows import label_rows

from headstart.common.run_id import RunId
from headstart.evaluation.bootstrap import subject_weights
from headstart.evaluation.controls import ControlRow
from headstart.evaluation.injected import InjectedRow
from headstart.evaluation.results import MetricRow
from headstart.figures import predicted_masks
from headstart.figures import predicted_objects
from headstart.figures.augmentation import always
from headstart.figures.balance import draw_sites
from headstart.figures.contact_sheet import MIDDLE
from headstart.figures.contact_sheet import Tile
from headstart.figures.contact_sheet import draw_contact_sheet
from headstart.figures.contact_sheet import largest_slices
from headstart.figures.contact_sheet import mask_thumbnail
from headstart.figures.controls import draw_controls
from headstart.figures.curves import Curve
from headstart.figures.curves import draw_curves
from headstart.figures.distributions import draw_distributions
from headstart.figures.evaluation import draw_evaluation
from headstart.figures.injected import draw_injected
from headstart.figures.predicted_objects import Seen
from headstart.figures.settings import Keep
from headstart.figures.style import metric_name
from headstart.imaging.scan_rows import CheckRow
from headstart.tasks.instance_segmentation import InstanceSegmentation
from headstart.tasks.metrics import DECISIONS
from headstart.tasks.regression import Regression
from headstart.tasks.segmentation import Segmentation
from headstart.training.history import Epoch
from headstart.training.history import History


def curve(fold: int, seed: int, chosen: int) -> Curve:
    rng = np.random.default_rng(10 * fold + seed)
    values = rng.uniform(1, 9, (4, 3)).tolist()
    epochs = [
        Epoch(number, 0.1, train, val, {"mae": mae})
        for number, (train, val, mae) in enumerate(values, start=1)
    ]
    return Curve(RunId("exp", fold, seed), History("mae", tuple(epochs), chosen))


def test_curves_are_the_history_with_a_circle_at_the_chosen_epoch():
    curves = [curve(0, 0, chosen=3), curve(0, 1, chosen=2)]
    document = Kept()
    draw_curves(document, curves, title="age", unit="years")
    left, right = document.axes("Loss"), document.axes("Metric")
    shown = [
        (left, "train_loss", [[one.train_loss for one in c.history.epochs] for c in curves]),
        (left, "val_loss", [[one.val_loss for one in c.history.epochs] for c in curves]),
        (right, "val_mae", [[one.metrics["mae"] for one in c.history.epochs] for c in curves]),
    ]
    for axes, column, values in shown:
        for one, curve_, chosen in zip(values, curves, (3, 2), strict=True):
            assert curve_.history.table[column].tolist() == one
            assert drawn(axes, [1, 2, 3, 4], one)
            assert drawn(axes, chosen, one[chosen - 1]) == (column != "train_loss")
        assert drawn(axes, [1, 2, 3, 4], np.mean(values, axis=0))


def test_the_metric_of_training_is_drawn_and_named_as_what_it_is():
    def learnt(one: Curve) -> Curve:
        epochs = [
            replace(e, train_metrics={"mae": e.metrics["mae"] / 2}) for e in one.history.epochs
        ]
        return replace(one, history=replace(one.history, epochs=tuple(epochs)))

    plain = [curve(0, 0, chosen=3), curve(1, 0, chosen=2)]
    curves = [learnt(one) for one in plain]
    document = Kept()
    draw_curves(document, curves, title="age", unit="years")
    axes = document.axes("Metric")
    for one in curves:
        values = one.history.table["train_mae"].tolist()
        assert drawn(axes, [1, 2, 3, 4], values)
        chosen = one.history.chosen
        assert not drawn(axes, chosen, values[chosen - 1])
    legend = [text.get_text() for text in axes.get_legend().get_texts()]
    assert legend == ["training, as it is learnt", "validation"]
    assert "from augmented batches" in document.notes[0]
    # of denoising there is none
    document = Kept()
    draw_curves(document, plain, title="age", unit="years")
    legend = [text.get_text() for text in document.axes("Metric").get_legend().get_texts()]
    assert legend == ["validation"]
    assert "augmented" not in document.notes[0]


def test_the_metric_of_training_is_drawn_where_nobody_validates():
    learnt = [Epoch(n, 0.1, 1 / n, train_metrics={"mae": 9.0 / n}) for n in range(1, 5)]
    one = replace(curve(0, 0, chosen=4), history=History("mae", tuple(learnt), 4))
    document = Kept()
    draw_curves(document, [one], title="age", unit="years", keep="ema")
    axes = document.axes("Metric")
    assert drawn(axes, [1, 2, 3, 4], [9.0, 4.5, 3.0, 2.25])
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        "training, as it is learnt"
    ]
    assert "from augmented batches" in document.notes[0]


@pytest.mark.parametrize(
    ("keep", "validates", "said"),
    [
        ("best", True, "as its validation metric was best"),
        ("last", True, "Circles: the last epoch, whose weights were kept"),
        ("ema", True, "the moving average of the weights was kept"),
        ("last", False, "The weights of the last epoch were kept"),
        ("ema", False, "The moving average of the weights at the end of the last epoch was kept"),
    ],
)
def test_the_curves_say_which_weights_were_kept(keep: Keep, validates: bool, said: str):
    curves = [curve(fold, 0, chosen=4) for fold in (0, 1)]
    if not validates:
        epochs = tuple(Epoch(number, 0.1, 1.0) for number in range(1, 5))
        curves = [replace(one, history=History("mae", epochs, 4)) for one in curves]
    document = Kept()
    draw_curves(document, curves, title="age", keep=keep)
    first, second = document.notes
    assert said in first
    assert not validates or said in second


def test_scatter_has_every_scan_and_the_mean_of_those_that_were_learnt_from():
    truth, said = [20.0, 30.0, 70.0], np.array([25.0, 28.0, 60.0])
    document = Kept()
    draw_evaluation(document, result(Regression(), truth, said))
    axes = document.axes("Predicted against true")
    assert drawn(axes, truth, said)
    identity, mean = lines_of(axes)[:2]
    assert (identity[:, 0] == identity[:, 1]).all()
    assert mean[:, 1].tolist() == [25.0, 25.0]


def test_errors_are_over_the_truth_with_the_line_that_fits_them():
    truth, said = [20.0, 30.0, 70.0], np.array([25.0, 28.0, 60.0])
    document = Kept()
    draw_evaluation(document, result(Regression(), truth, said))
    axes = document.axes("Error against true")
    assert drawn(axes, truth, said - truth)
    slope, level = np.polyfit(truth, said - truth, 1)
    assert drawn(axes, [20, 70], [level + 20 * slope, level + 70 * slope])
    assert axes.get_ylabel() == "predicted \u2212 true (years)"


def test_r_and_r2_stand_in_the_scatter_with_their_intervals():
    one = result(Regression(), [20.0, 30.0], np.array([21.0, 33.0]))
    of = replace(one.metrics[0], value=0.5, ci_low=0.25, ci_high=0.75)
    rows = [*one.metrics, replace(of, metric="r"), replace(of, metric="r2", ci_low=None)]
    document = Kept()
    draw_evaluation(document, replace(one, metrics=rows))
    (text,) = document.axes("Predicted against true").texts
    assert text.get_text() == "r = 0.500 [0.250, 0.750]\nR\u00b2 = 0.500"


def test_models_are_named_in_words_and_their_numbers_rounded_alike():
    document = Kept()
    one = result(Regression(), [20.0, 30.0], np.array([21.0, 33.0]))
    rows = [replace(row, value=123.456) if row.model == "mean" else row for row in one.metrics]
    draw_evaluation(document, replace(one, metrics=rows))
    axes = document.axes("Mean absolute error (years)")
    names = [label.get_text().replace("\n", " ") for label in axes.get_yticklabels()]
    assert names == ["network", "mean of the other folds' subjects"]
    written = [text.get_text() for text in axes.texts]
    assert written == ["1.00 [0.50, 1.25]", "123.46 [5.50, 6.25]"]


def test_intervals_are_those_of_the_tables():
    document = Kept()
    draw_evaluation(document, result(Regression(), [20.0, 30.0], np.array([21.0, 33.0])))
    (numbers,) = [a for p in document.pages for a in p.axes if "ean absolute" in a.get_title()]
    ends = sorted(
        tuple(x[0] for x in path)
        for collection in numbers.collections
        for path in collection.get_segments()
    ) or sorted((xy[:, 0].min(), xy[:, 0].max()) for xy in lines_of(numbers) if len(xy) == 2)
    assert (0.5, 1.25) in ends
    assert (5.5, 6.25) in ends


def test_an_interval_far_beyond_all_values_is_cut_and_the_page_says_so():
    """It would leave no room for the others; its numbers stand beside it."""
    one = result(Regression(), [20.0, 30.0], np.array([21.0, 33.0]))
    near = Kept()
    draw_evaluation(near, one)
    assert "arrow" not in near.notes[0]
    sites = [
        replace(one.metrics[0], group=f"site={name}", value=value, ci_low=value - 1, ci_high=high)
        for name, value, high in (("A", 5.0, 7.0), ("B", 7.0, 103.0))
    ]
    far = Kept()
    draw_evaluation(far, replace(one, metrics=[*one.metrics, *sites]))
    axes = far.axes("Network, by site (n \u2265 5)")
    assert drawn(axes, [6, 21], [0, 0])  # three times the largest value
    assert drawn(axes, 21, 0)
    assert axes.get_xlim()[1] < 25
    assert [text.get_text() for text in axes.texts][1] == "7.00 [6.00, 103.00]"
    assert "arrow" in far.notes[0]


def test_the_spread_of_the_truth_is_that_of_subjects():
    """As in the table of parts: who has two sessions counts once."""
    one = result(Regression(), [20.0, 20.0, 40.0], np.array([21.0, 22.0, 33.0]))
    keys = (("a", "1"), ("a", "2"), ("b", "1"))
    pooled = replace(one.pooled, keys=keys)
    scans = dict(zip(keys, one.scans.values(), strict=False))
    rest = {key: scan for key, scan in one.scans.items() if not scan.test}
    document = Kept()
    sites = dict.fromkeys([*keys, *rest], "A")
    draw_evaluation(document, replace(one, pooled=pooled, scans=scans | rest, sites=sites))
    assert "from 20 to 40 years (standard deviation 14.1 years)" in document.notes[0]


def test_nothing_speaks_of_intervals_where_there_is_none():
    """From one subject there is none: not in the note, not about the curve."""
    alone = result(SEX, ["F"], np.array([[0.8, 0.2]]))
    without = [replace(row, ci_low=None, ci_high=None) for row in alone.metrics]
    alone = replace(alone, metrics=without)
    document = Kept()
    draw_evaluation(document, alone)
    assert not any("95 %" in note or "Band" in note for note in document.notes)
    assert not document.axes("ROC curve").collections


def methods_of_pages(rows: dict[str, str], **of_result: Any) -> list[str]:
    """What pages of an evaluation of sexes say of intervals, where metrics have such."""
    one = result(SEX, ["F", "M"], np.array([[0.8, 0.2], [0.3, 0.7]]))
    metrics = [replace(row, ci_method=rows.get(row.metric, "no")) for row in one.metrics]
    document = Kept()
    draw_evaluation(document, replace(one, metrics=metrics, **of_result))
    return [re.findall(r"subjects the unit: (.*?)\. ", note)[0] for note in document.notes]


def test_a_page_names_the_methods_of_its_own_metrics_in_short_words():
    folds = "; variance x 2.5 for folds"
    own = {
        "log_loss": f"jackknife-t (log scale){folds}",
        "auroc": f"Newcombe{folds}",
        "brier": f"jackknife-t (logit scale), unless rare failures were missed{folds}",
        "balanced_accuracy": f"mid-P by class{folds}",
    }
    first, second = methods_of_pages(own)
    assert first == "jackknife-t; variance x 2.5 for folds"
    assert second.startswith("Newcombe, mid-P by class, jackknife-t; variance x 2.5 for folds")
    first, second = methods_of_pages(own, primary="auroc")
    assert first == "Newcombe; variance x 2.5 for folds"
    assert "Newcombe" not in second


@pytest.mark.parametrize("primary", ["log_loss", "auroc", "balanced_accuracy"])
def test_the_first_page_of_classes_draws_the_primary_metric_and_the_second_does_not(primary: str):
    one = result(SEX, ["F", "M"], np.array([[0.8, 0.2], [0.3, 0.7]]))
    document = Kept()
    draw_evaluation(document, replace(one, primary=primary))
    name = metric_name(primary)
    first, second = ([axes.get_title() for axes in page.axes] for page in document.pages)
    assert name in [title[:1].lower() + title[1:] for title in first]
    assert not any(name in title.lower().replace("\n", " ") for title in second)


def test_masks_are_drawn_and_ordered_by_the_primary_metric(monkeypatch: pytest.MonkeyPatch):
    """The scan with the best Dice is the worst by lesions."""
    task = InstanceSegmentation(("lesion",))
    columns = {kind: np.full(3, 0.5) for kind in task.measures}
    columns |= {"dice": np.array([0.9, 0.5, 0.7]), "lesion_f1": np.array([0.1, 0.8, 0.4])}
    one = result(task, ["a", "b", "c"], np.column_stack([*columns.values()]))
    mean_mask = replace(row_of("lesion_f1"), model="mean-mask")
    one = replace(one, primary="lesion_f1", metrics=[row_of("lesion_f1"), mean_mask])
    axes = Figure().subplots()
    predicted_masks._by_class(axes, one)
    assert axes.get_title() == "Lesion-wise F1"
    assert sorted(axes.lines[0].get_ydata()) == [0.1, 0.4, 0.8]
    assert "interval" not in axes.get_legend().get_texts()[0].get_text()
    assert "judged on each scan's own grid" in predicted_masks.DOTS  # as evaluate does
    monkeypatch.setattr(predicted_masks, "_overlay", lambda *_: "")
    document = Kept()
    predicted_masks._draw_overlays(document, one)
    titles = [title for axes in document.pages[0].axes if (title := axes.get_title())]
    assert titles == [
        "best: s1, session 1, lesion-wise F1 0.800",
        "median: s2, session 1, lesion-wise F1 0.400",
        "worst: s0, session 1, lesion-wise F1 0.100",
    ]


@pytest.mark.parametrize("known", [True, False])
def test_captions_of_controls_speak_of_intervals_only_where_one_is_drawn(known: bool):
    ends = (0.4, 0.6) if known else (None, None)
    curve_ = [
        ControlRow(name, "network", "dice", "test", 0.5, *ends, "", 8)
        for name in ("quarter", "half", "none")
    ]
    document = Kept()
    draw_controls(document, curve_, title="exp")
    subjects = 12 if known else 8
    answers = [
        InjectedRow(f"s{n}", "1", 0, "lesion", dose, "mask", 0.5 - dose * n / 40)
        for n in range(subjects)
        for dose in (0.0, 1.0)
    ]
    draw_injected(document, answers, Segmentation, title="exp")
    assert [("95 %" in note) for note in document.notes] == [known, known]
    assert "Dashed" not in document.notes[0]  # of what must fail, which there is none of


def test_true_objects_are_counted_by_point_and_scans_without_any_are_told():
    sizes = np.geomspace(0.3, 0.4, 17)
    seen = [Seen((f"s{n}", "1"), 1, "found", n, ml) for n, ml in enumerate(sizes)]
    seen.append(Seen(("f", "1"), 1, "false", 1, 0.2))
    assert "lesion 9, 8." in predicted_objects._of_points(seen, ["lesion", "core"])
    keys = [*(one.key for one in seen), ("none", "1")]
    of = SimpleNamespace(pooled=SimpleNamespace(keys=keys))
    said = predicted_objects._counts(seen, of)  # type: ignore[arg-type]
    assert "1 scan without any, true or predicted" in said


def test_roc_goes_through_its_rates_inside_a_band_of_95_per_cent():
    rng = np.random.default_rng(0)
    truth = ["F", "M"] * 20
    score = np.clip(rng.normal(np.array([0.4, 0.6] * 20), 0.2), 0.01, 0.99)
    document = Kept()
    draw_evaluation(document, result(SEX, truth, np.column_stack([1 - score, score])))
    axes = document.axes("ROC curve, 95 % band")
    positive = np.array(truth) == "M"
    cuts = [np.inf, *sorted(score, reverse=True)]
    rates = [[(score[of] >= cut).mean() for cut in cuts] for of in (~positive, positive)]
    assert drawn(axes, *rates)
    (band,) = axes.collections
    corners = band.get_paths()[0].vertices
    weights = subject_weights([f"s{n}" for n in range(40)], "exp/roc")[1:]
    at = 0.5  # of the false positive rate
    true = []
    for row in weights:
        order = np.argsort(-score)
        x = np.cumsum((row * ~positive)[order]) / (row * ~positive).sum()
        y = np.cumsum((row * positive)[order]) / (row * positive).sum()
        true.append(np.interp(at, np.append(0, x), np.append(0, y)))
    band_at = sorted(corners[np.isclose(corners[:, 0], at), 1])
    assert band_at[0] == pytest.approx(np.percentile(true, 2.5))
    assert band_at[-1] == pytest.approx(np.percentile(true, 97.5))


def with_sessions(one, *names: str):
    """A result whose scans are of these subjects, who may have several."""
    keys = tuple((name, str(n)) for n, name in enumerate(names))
    own = dict(zip(keys, one.scans.values(), strict=False))
    pooled, sites = replace(one.pooled, keys=keys), dict.fromkeys(keys, "A")
    return replace(one, pooled=pooled, scans=one.scans | own, sites=sites)


def test_the_sessions_of_a_subject_share_its_weight_in_the_roc_curve():
    p_male = np.array([0.1, 0.7, 0.8, 0.9, 0.3, 0.2])
    one = result(SEX, ["F", "F", "F", "M", "M", "M"], np.column_stack([1 - p_male, p_male]))
    document = Kept()
    draw_evaluation(document, with_sessions(one, "a", "a", "b", "c", "d", "d"))
    axes = document.axes("ROC curve, 95 % band")
    # from the highest score down: c, b, a's second, d's two, a's first
    false, true = [0, 0, 0.5, 0.75, 0.75, 0.75, 1], [0, 0.5, 0.5, 0.5, 0.75, 1, 1]
    assert drawn(axes, false, true)


def test_confusion_counts_subjects_by_the_most_probable_classes_of_their_scans():
    truth = ["F", "F", "F", "M", "M", "M"]
    p_male = np.array([0.1, 0.2, 0.9, 0.8, 0.6, 0.4])
    one = result(SEX, truth, np.column_stack([1 - p_male, p_male]))
    document = Kept()
    draw_evaluation(document, with_sessions(one, "a", "b", "b", "c", "d", "d"))
    axes = document.axes("Confusion: subjects, % of row")
    texts = {text.get_position(): text.get_text() for text in axes.texts}
    assert texts[0, 0] == "1.5\n75 %"  # a, and b by one of two scans
    assert texts == texts | {(1, 0): "0.5\n25 %", (0, 1): "0.5\n25 %", (1, 1): "1.5\n75 %"}


def test_confusion_of_single_scans_has_whole_numbers():
    truth = ["F", "F", "F", "M", "M"]
    p_male = np.array([0.1, 0.2, 0.9, 0.8, 0.6])
    document = Kept()
    draw_evaluation(document, result(SEX, truth, np.column_stack([1 - p_male, p_male])))
    axes = document.axes("Confusion: subjects, % of row")
    texts = {text.get_position(): text.get_text() for text in axes.texts}
    assert texts == {(0, 0): "2\n67 %", (1, 0): "1\n33 %", (0, 1): "0\n0 %", (1, 1): "2\n100 %"}


def test_a_contact_sheet_shows_the_slices_that_hold_most_of_the_mask():
    mask = np.zeros((48, 48, 48), np.uint8)
    mask[32, 8, 4], mask[32:36, 8:12, 4:8] = 1, 2
    at = largest_slices(mask)
    picture = mask_thumbnail(mask, (2, 2, 2), at)
    assert set(np.unique(picture)) == {0, 2}
    axial, sagittal = np.split(picture, 2)
    assert np.argwhere(axial).min(axis=0).tolist() == [16, 4]
    assert np.argwhere(sagittal).min(axis=0).tolist() == [4, 2]
    assert largest_slices(np.zeros_like(mask)) == MIDDLE


def test_masks_lie_on_their_scans_and_the_legend_names_the_classes():
    mask = np.zeros((4, 3), np.uint8)
    mask[1, 1] = 2
    tiles = [Tile(("a", "1"), np.zeros((4, 3), np.float32), None, mask)]
    document = Kept()
    draw_contact_sheet(document, tiles, study="s", classes=("rim", "core"))
    (page,) = document.pages
    veil = page.axes[0].images[1].get_array()
    assert np.argwhere(veil[..., 3]).tolist() == [[1, 1]]
    legend = page.axes[5].get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["rim", "core"]


def test_what_is_the_same_in_all_scans_is_no_panel():
    def scans(*sizes: int) -> list[CheckRow]:
        rest = {"voxel_size": (1.0,) * 3, "orientation": "RAS", "p01": 0, "p50": 5, "p99": 9}
        return [
            CheckRow(str(n), "1", path="", hash=str(n), shape=(size, 8, 8), **rest)
            for n, size in enumerate(sizes)
        ]

    for sizes, panels in (((8, 9, 10), 2), ((8, 8), 0)):
        document = Kept()
        draw_distributions(document, study="s", summary=scans(*sizes), similarity=[], marks={})
        (page,) = document.pages
        assert sum(axes.axison for axes in page.axes) == panels


@pytest.mark.parametrize("n", [4, 10])
def test_the_age_of_a_few_subjects_is_a_number_by_site_too(n: int):
    labels = pd.DataFrame(
        {
            "subject": [str(i) for i in range(n)],
            "session": "1",
            "source": "own",
            "site": ["A", "B"] * (n // 2),
            "t1": "x.nii",
            "mask": "",
            "brain_mask": "",
            "age": [str(20.35 + 3 * i) for i in range(n)],
        }
    )
    document = Kept()
    draw_sites(document, label_rows(labels, "t1"), study="s", units={"age": "years"})
    axes = document.axes("age")
    assert axes.get_xlabel() == "age (years)"


def test_a_transform_is_shown_each_time_whatever_its_probability():
    shown = always({"RandomFlip": {"axes": ["LR"], "p": 0.3}})
    assert shown == {"RandomFlip": {"axes": ["LR"], "p": 1, "flip_probability": 1}}
    assert always({"RandomNoise": {"std": 0.2}}) == {"RandomNoise": {"std": 0.2}}


def test_the_calibration_curve_has_a_point_for_each_bin_with_scans():
    p_male = np.array([0.05, 0.08, 0.75, 0.72, 0.78])
    document = Kept()
    truth = ["F", "M", "F", "M", "M"]
    draw_evaluation(document, result(SEX, truth, np.column_stack([1 - p_male, p_male])))
    (axes,) = [a for page in document.pages for a in page.axes if "Calibr" in a.get_title()]
    assert drawn(axes, [0.065, 0.75], [0.5, 2 / 3])
    assert axes.get_xlabel() == "mean predicted probability of M"
    assert axes.get_ylabel() == "observed share of M"


def test_decisions_at_a_threshold_have_a_page_of_their_own():
    one = result(SEX, ["F", "M"], np.array([[0.8, 0.2], [0.3, 0.7]]))
    for values, pages in (((0.8, 0.7, 0.6, 0.9), 3), ((None,) * 4, 2)):
        rows = [
            replace(one.metrics[0], metric=f"{name}_M", value=value, ci_low=None)
            for name, value in zip(DECISIONS, values, strict=True)
        ]
        threshold = replace(rows[0], metric="threshold_M", value=values[0] and 0.45)
        document = Kept()
        draw_evaluation(document, replace(one, metrics=[*one.metrics, threshold, *rows]))
        assert len(document.pages) == pages
        if pages == 3:
            (axes,) = document.pages[2].axes
            names = [label.get_text() for label in axes.get_yticklabels()]
            assert names[0] == "Sensitivity, of M (n = 2)"
            assert names[3] == "Negative predictive value, of those called F (n = 2)"
            written = [text.get_text() for text in axes.texts]
            assert written == ["0.800", "0.700", "0.600", "0.900"]
            assert "At a threshold of about 0.45" in document.notes[2]
            assert "baseline" not in document.notes[2]
            assert "threshold" not in document.notes[1]


def test_volumes_are_drawn_as_bland_and_altman_have_it():
    task = Segmentation(("lesion",))
    found, true = np.array([5.0, 0.0, 7.0]), np.array([4.0, 2.0, 7.0])
    said = np.column_stack([*[np.full(3, 0.5)] * 4, found, true])
    asked = result(task, ["a", "b", "c"], said)
    asked = replace(asked, metrics=[row_of(f"volume_{k}_lesion") for k in ("bias", "low", "high")])
    axes = Figure().subplots()
    predicted_masks._volumes(axes, asked)
    assert drawn(axes, (found + true) / 2, found - true)
    assert "lesion missed in 1 scan" in predicted_masks._empty(asked)


def test_where_no_scan_has_a_dice_none_is_shown():
    task = Segmentation(("lesion",))
    nothing = np.column_stack([*[np.full(3, np.nan)] * 4, *[np.zeros(3)] * 2])
    document = Kept()
    predicted_masks._draw_overlays(document, result(task, ["a", "b", "c"], nothing))
    assert document.pages == []


def row_of(metric: str) -> MetricRow:
    return MetricRow("network", metric, "all", "test", 1.0, None, None, "", 3, None)
