"""Sentences of the methods that would be wrong if they said more than was seen."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cards import make_card
from cards import make_run
from cards import make_start
from docutils.core import publish_parts
from hypothesis import given
from hypothesis import strategies as st
from reported import make_finished

from headstart.cohort.config import Split
from headstart.cohort.covariates import ClassCovariate
from headstart.cohort.covariates import Covariates
from headstart.cohort.covariates import NumberCovariate
from headstart.cohort.mask_report import MaskRow
from headstart.cohort.rates import OfRescans
from headstart.cohort.rates import Rates
from headstart.common.records import write_rows
from headstart.common.run_id import RunId
from headstart.evaluation.intervals import few
from headstart.evaluation.results import AnswerRow
from headstart.evaluation.results import DifferenceRow
from headstart.evaluation.results import MetricRow
from headstart.figures.near_duplicates import tell_simulated
from headstart.imaging.config import Preparation
from headstart.imaging.template import origin
from headstart.study.methods import chapters
from headstart.study.methods import citations
from headstart.study.methods import data
from headstart.study.methods import phrases
from headstart.study.methods import results
from headstart.study.methods import split
from headstart.study.methods import study_files
from headstart.study.methods import training
from headstart.study.methods.chapters import Chapter
from headstart.study.methods.chapters import TextTable
from headstart.study.methods.tell import tell
from headstart.study.report import checklist_answers
from headstart.tasks import TASKS
from headstart.tasks.denoising import Denoising
from headstart.tasks.instance_segmentation import InstanceSegmentation
from headstart.tasks.regression import Regression
from headstart.training.card import Count
from headstart.training.card import ModelCard
from headstart.training.config import Predict
from headstart.training.config import Train
from headstart.training.spent import Spent


def card(network: str, task: str = "regression", **more: Any) -> ModelCard:
    run = make_run(task=task, train=Train(network=network, **more))
    return make_card(run, network_digest="ab" * 32)


def test_only_a_network_of_ours_is_known_to_start_from_random_weights():
    assert training._network(card("sfcn")) == "the SFCN, from random weights"
    own = training._network(card("my_net.py:Net"))
    assert "random" not in own
    assert "my_net.py:Net (sha256 abababababababab), whose own code sets the weights" in own


def test_what_networks_see_of_a_channel_that_scans_lack_is_told():
    assert training._dropped(card("sfcn")) == ""
    optional = {"channels": ("T1", "FLAIR"), "optional": ("FLAIR",)}
    run = make_run(train=Train(network="sfcn", modality_dropout=0.3)).model_copy(update=optional)
    assert training._dropped(make_card(run)) == (
        "FLAIR, where a scan lacks it, was seen as 0, with a flag that says so beside the "
        "channels; 30 % of the training scans that have it, drawn for each epoch, were shown "
        "without (modality dropout)."
    )
    assert any("ModDrop" in cited for cited in citations.of_training([run]))
    assert not any("ModDrop" in cited for cited in citations.of_training([make_run()]))


@pytest.mark.parametrize(
    ("channels", "optional", "said"),
    [
        (("T1",), (), "T1 was used"),
        (("T1", "T2"), (), "T1 and T2 were used"),
        (("T1", "FLAIR"), ("FLAIR",), "T1 was used, and FLAIR where it has it"),
    ],
)
def test_what_is_used_of_each_scan_is_what_it_has(
    channels: tuple[str, ...], optional: tuple[str, ...], said: str
) -> None:
    config: Any = SimpleNamespace(channels=channels, optional=optional)
    assert data.used(config) == said


@pytest.mark.parametrize(
    ("start", "said"),
    [
        (
            {"kind": "experiment", "name": "age", "known": True, "frozen": ("features.0",)},
            "the SFCN, beginning from the experiment age's network of the same fold and seed "
            "(100 % of its weights, features.0 unchanged in training), which has seen no subject "
            "that is held out here",
        ),
        (
            {"new": {"head.bias": "another output"}, "share": 0.9, "adapted": {"a": "b"}},
            "beginning from w.pt (sha256 cdcdcdcdcdcdcdcd) (90 % of its weights, 1 tensor adapted, "
            "1 tensor random), trained on unknown scans, so that it may have seen subjects that "
            "are held out here",
        ),
        ({"known": True}, "which has seen no scan that is held out here"),
        (
            {"kind": "catalogue", "name": "x", "cohorts": "UK Biobank"},
            "trained on UK Biobank; which subjects these are is not known here",
        ),
    ],
)
def test_what_a_network_began_from_is_told_with_whom_that_had_seen(start, said):
    begun = card("sfcn").model_copy(update={"start": make_start(**start)})
    told = training._network(begun)
    assert said in told
    assert "random weights" not in told


def test_weights_of_the_catalogue_are_cited():
    begun = make_start(kind="catalogue", cite="Chen et al. 2019, Med3D")
    study = SimpleNamespace(
        folder=Path(),
        synthetic=False,
        config=SimpleNamespace(data=(), split=Split(), experiments={}, comparisons=()),
    )
    cards = [card("sfcn").model_copy(update={"start": begun})] * 2
    cited = list(citations.citations(study, cards))  # type: ignore[arg-type]
    assert cited.count("Chen et al. 2019, Med3D, weights that a training began from") == 1


def test_nothing_is_said_of_a_time_that_depends_on_the_machine_s_load():
    assert training.tell_common([card("sfcn")]).endswith("1 network was trained on AMD EPYC.")


@pytest.mark.parametrize(
    ("choices", "said"),
    [
        ({"age": "last"}, "; they show how the training went, and decided nothing"),
        (
            {"age": "best", "sex": "best"},
            ", and the epoch whose weights are kept was chosen on them",
        ),
        (
            {"age": "best", "sex": "last"},
            ", and the epoch of age whose weights are kept was chosen on them",
        ),
    ],
)
def test_subjects_choose_an_epoch_only_where_one_is_chosen(choices, said):
    experiments = {
        k: SimpleNamespace(train=SimpleNamespace(keep=v), control_of="") for k, v in choices.items()
    }
    assert split._choosers(SimpleNamespace(experiments=experiments)) == said  # type: ignore[arg-type]


@pytest.mark.parametrize("keep", ["best", "last"])
def test_a_training_says_which_epoch_was_kept(keep):
    some = make_card(make_run()).counts
    counts = some.model_copy(
        update={"training": Count(scans=1, subjects=1), "validation": Count(scans=2, subjects=2)}
    )
    run = make_run(train=Train(network="sfcn", keep=keep, batch_size=1, epochs=1))
    by = "mae" if keep == "best" else None
    said = training._training([make_card(run, counts=counts, chosen_epoch=7, chosen_by=by)])
    assert (
        "1 network (fold 0 held out, seed 0) was trained on 1 scan, with 2 for validation." in said
    )
    assert "1 scan a step, for 1 epoch;" in said
    assert "none for validation" not in said
    assert "without a target" not in said
    assert ("the last epoch" in said) == (keep == "last")
    assert ("(epoch 7)" in said) == (keep == "best")
    assert not {"val_loss", "keep"} & set(said.split())


def test_activations_that_were_not_kept_are_told():
    run = make_run(train=Train(network="unet", checkpoint_activations=True))
    assert "activations computed again" in training._training([make_card(run)])


def test_deep_supervision_is_told_and_cited():
    run = make_run(train=Train(network="dynunet", deep_supervision=True))
    assert "also at lower resolutions (deep supervision)" in training._training([make_card(run)])
    assert any("Lee et al. 2015" in line for line in citations.of_training([run]))
    plain = make_run(train=Train(network="dynunet"))
    assert "supervision" not in training._training([make_card(plain)])
    assert not any("Lee et al. 2015" in line for line in citations.of_training([plain]))


@pytest.mark.parametrize(
    ("reasons", "said"),
    [
        ([], "none was rejected"),
        (["truncated"], "1 was rejected (file ends too early: 1)"),
        (
            ["crc", "truncated", "crc"],
            "3 were rejected (damaged compression: 2; file ends too early: 1)",
        ),
    ],
)
def test_rejected_scans_are_counted_in_good_grammar(reasons, said):
    assert data._rejected(reasons) == said


def test_it_is_told_how_many_masks_hold_a_class() -> None:
    of = [("a", 1.5, 0), ("b", 0, 0), ("c", 0.2, 0)]
    rows = [
        MaskRow(who, "1", name, volume, volume, lost=False)
        for who, lesion, hole in of
        for name, volume in (("lesion", lesion), ("black_hole", hole))
    ]
    assert data.of_masks(rows) == "Of 3 masks, 2 hold lesion and 0 hold black_hole."


def test_one_source_has_all_scans_and_several_have_each_their_own():
    assert data._sources(["own"] * 3) == "the source 'own'"
    both = data._sources(["own", "ixi", "own"])
    assert both == "the sources 'own' (2 scans) and 'ixi' (1 scan)"


def test_what_was_simulated_and_found_is_told_plainly():
    said = tell_simulated(OfRescans(scans=14, certain=0, listed=12, lowest=0.5, median=0.6))
    assert "simulated (copies of 14 scans, rotated, shifted, shaded, mirrored or cropped)" in said
    assert "it found 12 of 14, none of them beyond doubt." in said


def test_a_search_that_was_not_made_is_not_told_as_made():
    unknown = "fewer than two subjects: there is nothing to compare"
    (said,) = split._near_duplicates(Rates(scans=1, unknown=unknown))
    assert said == f"Near-duplicates were not looked for: {unknown}."


@pytest.mark.parametrize(
    ("subjects", "word"), [(1, "no interval"), (9, "No interval from 9"), (10, "")]
)
def test_intervals_of_few_subjects_come_with_a_word_of_caution(subjects, word):
    assert word in few(subjects)
    assert bool(few(subjects)) == bool(word)


@pytest.mark.parametrize("people", [1, 12])
def test_intervals_are_explained_only_where_there_are_some(people, tmp_path):
    low, high = (1.5, 4.0) if people > 1 else (None, None)
    rest = {"ci_low": low, "ci_high": high, "ci_method": "", "n": people}
    metrics = [
        MetricRow(model, "mae", "all", "test", 2.5, **rest, seed_sd=None)
        for model in ("network", "mean")
    ]
    write_rows(tmp_path / "evaluate/age/metrics.csv", MetricRow, metrics)
    against = DifferenceRow("mae", "test", "mean", -1.0, **rest)
    write_rows(tmp_path / "evaluate/age/comparison.csv", DifferenceRow, [against])
    answers = [AnswerRow(f"s{n}", "1", "test", (), 1, "40", {}) for n in range(people)]
    write_rows(tmp_path / "evaluate/age/answers.csv", AnswerRow, answers)
    runs = [RunId("age", 0, 0)]
    age = SimpleNamespace(kind=Regression, unit="years", seeds=[0])
    config = SimpleNamespace(
        experiments={"age": age},
        comparisons=(),
        classes={},
        folds=lambda _: [0],
        split=Split(),
        runs=lambda _: runs,
        is_reported=lambda _: True,
        primary_metric=lambda _: "mae",
    )
    make_card(make_run()).write(tmp_path / runs[0].trained)
    tables = study_files.StudyFiles(tmp_path, config, synthetic=False)  # type: ignore[arg-type]
    said = chapters.as_text([Chapter("Results", list(results.tell_results(tables)))])
    assert ("Brackets give 95 %" in said) == ("[1.50, 4.00]" in said) == (people > 1)
    assert ("no interval" in said) == (people == 1)


def test_the_rule_by_which_objects_match_is_told_once() -> None:
    one = SimpleNamespace(kind=InstanceSegmentation)
    config: Any = SimpleNamespace(
        experiments={"a": one, "b": one},
        primary_metric=lambda _: "lesion_f1",
        classes={"lesion": (1,)},
    )
    found: Any = [SimpleNamespace(experiment=name, defined={"dice"}) for name in "abb"]
    metrics, rule = results.primary_metrics(config, found)
    assert metrics.startswith("Primary metric of a and b: lesion-wise F1")
    assert "(26 neighbours)" in rule
    assert "an IoU of 0.1 or more" in rule
    assert "an IoU above 0.5" in rule
    config.classes = {"rim": (1,), "core": (2,)}
    _, over_classes, _ = results.primary_metrics(config, found)
    assert "means over classes" in over_classes


def test_metrics_without_a_value_are_no_secondary_ones() -> None:
    config: Any = SimpleNamespace(
        experiments={"clean": SimpleNamespace(kind=Denoising)},
        primary_metric=lambda _: "sure",
        classes={},
    )
    defined = {"sure", "spots", "removed"}
    found: Any = [SimpleNamespace(experiment="clean", defined=defined)]
    (said,) = results.primary_metrics(config, found)
    assert said == (
        "Primary metric of clean: squared error relative to the noise's variance, estimated "
        "without a reference (SURE); secondary metrics: contrast kept of planted spots and "
        "spread of what was removed, relative to the noise's."
    )
    known: Any = SimpleNamespace(study=SimpleNamespace(config=config), results=found)
    named = checklist_answers._metrics(known)
    assert named is not None
    assert ("SURE" in named.text, "PSNR" in named.text) == (True, False)


@pytest.mark.parametrize(("metric", "cited"), [("lesion_f1", True), ("pq", True), ("dice", False)])
def test_metrics_of_objects_are_cited_where_they_have_a_value(monkeypatch, metric, cited) -> None:
    row = SimpleNamespace(model="network", ci_low=None, ci_method="none")
    found = SimpleNamespace(protocol="test", defined={metric}, models=[row], told=[row])
    for name, said in (("outcomes", [found]), ("explained", {}), ("compared", [])):
        monkeypatch.setattr(citations, name, lambda _, said=said: said)
    nothing = SimpleNamespace(file="mine.csv", stable=False)
    study: Any = SimpleNamespace(synthetic=False, config=SimpleNamespace(data=(), split=nothing))
    told = [*citations.citations(study, [card("unet", "segmentation")])]
    assert (citations.REFERENCES.get(metric) in told) == cited


@pytest.mark.parametrize(
    ("network", "task", "monai"),
    [
        ("sfcn", "regression", False),
        ("densenet121", "regression", True),
        ("my_net.py:Net", "classification", False),
        ("my_net.py:Net", "segmentation", True),  # its loss is MONAI's
    ],
)
def test_monai_is_cited_where_it_was_used(network, task, monai):
    cited = list(citations.of_training([card(network, task).run]))
    assert (citations.REFERENCES["monai"] in cited) == monai


@pytest.mark.parametrize(
    ("task", "folds", "seeds", "fold_says", "test_says"),
    [
        ("regression", (0,), (0,), "by one network", "by one network"),
        ("regression", (0, 1, 2), (0,), "by one network", "the mean prediction of 3 networks"),
        *[
            (task, (0, 1, 2), (0, 1), f"mean {what} of 2 networks", f"mean {what} of 6 networks")
            for task, what in (("classification", "prediction"), ("segmentation", "Dice"))
        ],
    ],
)
def test_one_network_and_the_mean_of_several_are_told_apart(
    task, folds, seeds, fold_says, test_says
):
    experiment = SimpleNamespace(kind=TASKS[task], seeds=seeds)
    config: Any = SimpleNamespace(experiments={"a": experiment}, folds=lambda _: folds)
    assert fold_says in results.who_predicts(config, "a", "cross-validation")
    assert test_says in results.who_predicts(config, "a", "test")


@given(
    st.lists(
        st.sampled_from(
            [
                ".. include::",
                "/etc/hostname",
                ".. raw:: html",
                "\n",
                " ",
                "   ",
                "__",
                "a_",
                "- ",
                "<script>",
                "javascript:alert(5)",
                "`x <data:x>`_",
                "|a|",
                ":math:",
                "*b",
                "::",
                "x",
            ]
        ),
        max_size=12,
    ).map("".join)
)
def test_no_text_is_a_command_of_the_report(text):
    page = publish_parts(
        chapters.as_markup(text),
        writer="html",
        # 4: a file that can't be read; 3 is an indentation, which a line of ours never has
        settings_overrides={"report_level": 2, "halt_level": 4, "warning_stream": False},
    )["body"]
    assert "<script>" not in page
    assert 'href="' not in page
    assert Path("/etc/hostname").read_text().strip() not in page


def test_a_text_of_several_lines_is_one():
    assert phrases.one_line("years\n\n.. raw:: html\n\u2028", "x") == "years .. raw:: html x"
    assert (
        len(chapters._columns(TextTable("t", ["model\n=", "b"], [["c\n\nd", "e"]])).splitlines())
        == 5
    )


def test_a_training_without_validation_says_so():
    counts = make_card(make_run()).counts
    counts = counts.model_copy(update={"training": Count(scans=3, subjects=3)})
    run = make_run(train=Train(network="sfcn", keep="last", epochs=1))
    said = training._training([make_card(run, counts=counts, chosen_by=None)])
    assert "was trained on 3 scans, with none for validation. " in said


def test_what_is_seen_beside_the_scan_is_told():
    age = NumberCovariate(name="age", mean=40.26, standard_deviation=9.871, least=20, most=60)
    sex = ClassCovariate(name="sex", classes=("F", "M"), shares=(0.4, 0.6))
    beside = make_card(make_run(), covariates=Covariates(fitted=(age, sex)))
    said = training._training([beside])
    assert (
        "from random weights, with age (mean 40.3, standard deviation 9.87) and sex (F, M) as "
        "covariates, standardised by the training scans: a perceptron of them with one hidden "
        "layer adds to the network's output. 1 network"
    ) in said
    counts = beside.counts.model_copy(update={"without_covariate": 3})
    said = training._training([beside.model_copy(update={"counts": counts})])
    assert "output (3 scans without one of them left out). 1 network" in said
    assert "covariates" not in training._training([make_card(make_run())])


def test_a_training_says_how_its_weights_were_changed():
    def said(**train: Any) -> str:
        return training._optimization([make_card(make_run(train=Train(network="sfcn", **train)))])

    assert said(epochs=1) == (
        "Weights were optimised by AdamW (weight decay 0.01), 4 scans a step, for 1 epoch; the "
        "learning rate rose linearly to 0.001 over the first 5 % of the steps and then fell to 0 "
        "along half a cosine."
    )
    sgd = {"optimizer": "sgd", "learning_rate": 0.01, "weight_decay": 3e-5}
    told = said(schedule="constant", clip=12, **sgd)
    assert (
        "Nesterov's momentum of 0.99 (weight decay 3e-05, gradients scaled down to a norm of at "
        "most 12)"
    ) in told
    assert told.endswith("then stayed there.")


def test_a_training_says_what_changed_its_scans_and_how():
    def said(*augment: dict[str, dict[str, Any]]) -> str:
        return training._augmentation(Train(network="sfcn", augment=augment))

    assert said() == "No augmentation was used."
    assert said({"RandomFlip": {}}, {"RandomNoise": {"std": 0.1, "p": 0.5}}) == (
        "Training scans were augmented by TorchIO's transforms: RandomFlip; RandomNoise (p 0.5, "
        "std 0.1). Neighbouring spatial transforms shared one interpolation."
    )
    assert said({"RandomFlip": {}}).endswith("transforms: RandomFlip.")
    assert said({"RandomGamma": {}}).endswith(
        "RandomGamma. Bias fields and gammas acted on the signal above the scan's minimum, which "
        "was then normalised again."
    )


def test_an_optimizer_and_a_schedule_are_cited_where_they_were_used():
    def cited(**train: Any) -> str:
        return " ".join(citations.of_training([make_run(train=Train(network="sfcn", **train))]))

    assert "AdamW" in cited()
    assert "SGDR" in cited()
    assert "RAdam" in cited(optimizer="radam", schedule="polynomial")
    assert "polynomial schedule" in cited(optimizer="radam", schedule="polynomial")
    assert not {"AdamW,", "SGDR,"} & set(cited(optimizer="radam", schedule="constant").split())


def test_a_training_says_what_its_loss_was():
    def said(task: str, **train: Any) -> str:
        run = make_run(task=task, train=Train(network="sfcn", **train))
        return training._training([make_card(run)])

    assert "The loss was l1 (mean absolute error). " in said("regression")
    assert "The loss was cross entropy, labels smoothed by 0.1. " in said(
        "classification", label_smoothing=0.1
    )
    assert "loss was focal (gamma 2, which" in said("classification", loss="focal")
    assert "false negatives weigh 0.7" in said("segmentation", loss="tversky")
    assert "was dice cross entropy (Dice loss plus cross-entropy). " in said("segmentation")


def test_a_loss_of_ones_own_is_told_by_its_digest_and_cites_nothing():
    run = make_run(train=Train(network="sfcn", loss="my_loss.py:Loss"))
    said = training._training([make_card(run, loss_digest="cd" * 32)])
    assert "The loss was my_loss.py:Loss (sha256 cdcdcdcdcdcdcdcd). " in said
    assert not [one for one in citations.of_training([run]) if "MONAI" in one]
    assert [one for one in citations.of_training([run]) if "SFCN" in one]


def test_patches_and_mirror_images_are_told() -> None:
    sampling = {"patches": [96, 80, 64], "per_scan": 3, "foreground": 0.5}
    train = Train(network="unet", batch_size=2, sampling=sampling)
    run = make_run(task="segmentation", target="mask", window="own", train=train)
    said = training._training([make_card(run, predict=Predict(flips=8))])
    assert "2 patches a step" in said
    assert "patches of 96 x 80 x 64 voxels, 3 per scan and epoch, 50 % of them centred" in said
    assert said.endswith("means of the outputs for 8 mirror images.")
    assert any("foreground" in line for line in citations.of_training([run]))
    prepared = training.tell_preparation(make_card(run))
    assert "cropped to the head, the largest part above air, and 8 mm around it" in prepared
    whole = make_run(train=Train(network="sfcn"))
    assert "patch" not in training._training([make_card(whole)])


def denoiser(predict: Predict, **how: Any) -> ModelCard:
    sampling = {"patches": [48, 48, 48], "per_scan": 3}
    train = Train(network="plain_unet", sampling=sampling, **how)
    run = make_run(task="denoising", target="image", window="own", train=train)
    return make_card(run, predict=predict)


def test_patches_of_scans_without_masks_are_centred_on_no_class() -> None:
    made = denoiser(Predict())
    said = training._training([made])
    assert "patches of 48 x 48 x 48 voxels, 3 per scan and epoch. Predictions" in said
    assert "class" not in said
    assert not any("foreground" in line for line in citations.of_training([made.run]))


@pytest.mark.parametrize(
    ("predict", "how", "said", "cited"),
    [
        (
            {"noise": 20},
            {},
            "The noise's standard deviation was taken to be 20, as the study gives it.",
            False,
        ),
        ({}, {}, "The noise of each scan was estimated from its air.", True),
        ({}, {"neighbours": {"before": 3, "after": 3}}, "", False),
    ],
)
def test_how_strong_noise_was_taken_to_be_is_told(predict, how, said, cited) -> None:
    made = denoiser(Predict(**predict), **how)
    told = training._training([made])
    assert said in told
    assert ("noise" in told.replace("denoising", "").replace("Noise2Void", "")) == bool(said)
    study: Any = SimpleNamespace(
        folder=Path(),
        synthetic=False,
        config=SimpleNamespace(data=(), split=Split(), experiments={}, comparisons=()),
    )
    assert any("Gudbjartsson" in one for one in citations.citations(study, [made])) == cited


def test_the_steps_of_preparation_are_told() -> None:
    assert "N4" not in training.tell_preparation(make_card(make_run()))
    corrected = Preparation(bias="n4")
    told = training.tell_preparation(make_card(make_run(), prepare=corrected, brain_masks="all"))
    assert told.startswith("The bias field was estimated by N4 within the brain mask")
    placed = Preparation(brain="deepbet", space="rigid")
    told = training.tell_preparation(make_card(make_run(), prepare=placed, template=origin()))
    assert f"as nilearn {version('nilearn')} ships it; copyright 1993-2009" in told
    assert "extracted by deepbet" in told
    assert "registered to the MNI152 template" in told
    assert "by a rigid transform" in told
    assert "standard deviation 1 over the brain" in told
    assert "head" not in told


@pytest.mark.parametrize(
    ("done", "train", "said"),
    [
        ([3, 3], {"iterations": 20}, "20 steps (3 epochs)"),
        ([3, 2], {"iterations": 20, "patience": 1}, "2 to 3 epochs of at most 20 steps (patience"),
        ([2, 2], {"iterations": 20, "budget": "1h"}, "2 epochs of at most 20 steps (budget of 1h)"),
        ([5, 5], {"epochs": 5}, "5 epochs"),
        ([5, 5], {"epochs": 9, "patience": 2}, "5 epochs of at most 9 (patience of 2 epochs)"),
    ],
)
def test_how_long_trainings_were(done: list[int], train: dict[str, Any], said: str) -> None:
    """Of 32 scans, four at a time: eight steps an epoch."""
    run = make_run(train=Train(network="sfcn", **train))
    counts = make_card(run).counts.model_copy(update={"training": Count(scans=32, subjects=32)})
    cards = [make_card(run, counts=counts, spent=[Spent()] * number) for number in done]
    assert training._epochs(cards).startswith(said)


def test_who_lacks_a_target_is_told() -> None:
    counts = make_card(make_run()).counts.model_copy(update={"without_target": 2})
    said = training._training([make_card(make_run(), counts=counts)])
    assert "for validation; 2 scans without a target were left out." in said


def test_targets_are_told_to_be_standardised_where_they_are() -> None:
    def said(task: str, **train: Any) -> str:
        run = make_run(task=task, train=Train(network="sfcn", **train))
        return training._training([make_card(run)])

    assert "Targets were standardised by the mean and standard deviation" in said("regression")
    assert "standardised" not in said("classification")


def test_a_network_is_told_with_its_number_of_parameters() -> None:
    told = training._network(make_card(make_run(), parameters=2951040))
    assert told == "the SFCN (2,951,040 parameters), from random weights"


def test_the_kernel_and_the_masks_are_told_as_they_are() -> None:
    told = training.tell_preparation(make_card(make_run()))
    assert "linear interpolation, whose kernel was widened where the new voxels are larger" in told
    assert "a tenth of the way from the 2nd to the 98th percentile" in told
    masks: Any = SimpleNamespace(classes={"1": "rim"}, prepare=Preparation())
    assert "each connected structure keeps its volume" in training.tell_masks(masks)
    own: Any = SimpleNamespace(
        classes={"1": "rim"}, prepare=Preparation(voxel_size="own", window="own")
    )
    none: Any = SimpleNamespace(classes={}, prepare=Preparation())
    assert not training.tell_masks(own)
    assert not training.tell_masks(none)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> str:
    study = make_finished(tmp_path_factory.mktemp("results"))
    return tell(study.folder, study.slices)


@pytest.mark.parametrize(
    "said",
    [
        "exp, on the test set (10 subjects, 12 scans), of each scan the mean prediction of 4 "
        "networks:",
        "A subject with several scans counts once: they share its weight in all metrics",
        "every scan weighs the same.",
        "all above Otsu's threshold in the prepared scan",
        "fitted to the subjects of the other folds, including those for validation",
        "SD over seeds",
        "SD over folds (n)",
        "The standard deviation (SD) over folds is that of the values of n folds",
        "In single folds, in order: ",
        "not corrected for the number of metrics",
        "depend on the spread of the target",
        "de Lange et al. 2022, metrics and the range",
        "Linear models are ridge regressions",
        "jackknife-t (Fisher's z)",
        "r of the gap (predicted minus true) with the truth",
        "The ensemble does not beat the best baseline",
        "of each, t1 was used.",
        "fold 0, without those for validation",
    ],
)
def test_what_reviewers_missed_is_told(told: str, said: str) -> None:
    assert said in told


def test_what_was_not_done_is_not_cited(told: str) -> None:
    assert "stratified" not in told
    assert "Sechidis" not in told


def test_every_metric_is_told_with_its_interval_and_how_that_was_made(told: str) -> None:
    rows = [line for line in told.splitlines() if line.startswith("Pearson's r ")]
    assert len(rows) == 2
    assert all("[" in row and "Fisher" in row for row in rows)
    assert "Hall 1992" in told
    assert "Satterthwaite 1946" in told


def test_metrics_of_surfaces_are_explained(tmp_path: Path) -> None:
    study = make_finished(tmp_path, "segmentation")
    said = tell(study.folder, study.slices)
    assert "NSD is the share of both surfaces that lies within 1 mm of the other one" in said
    assert "segmentation of the masks (rim and core) by" in said
    assert "Primary metric of exp: Dice; secondary metrics: NSD, HD95 (mm) and" in said
    assert "each connected structure keeps its volume" in said
    assert "Dice, core " in said
    assert said.count("rare failures") == 1  # before the tables, not in each of their rows
    assert "Linear models" not in said


def test_tiles_are_told_as_large_as_they_are() -> None:
    def said(network: str) -> str:
        train = Train(network=network, sampling={"patches": [48, 48, 32]})
        run = make_run(task="segmentation", target="mask", window="own", train=train)
        return " ".join(training._predicted(make_card(run)))

    assert "in tiles of 48 x 48 x 32 voxels" in said("unet")
    # the larger a tile, the less of it is margin
    assert "in tiles of 96 x 96 x 64 voxels" in said("plain_unet")
