"""The config: what is accepted, and what is said about what is not."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from headstart.common.errors import UserError
from headstart.common.plain_values import without_line_ends
from headstart.common.schema import canonical_json
from headstart.data.collections import read_catalogue
from headstart.study.config import Config
from headstart.study.config import read_config
from headstart.study.slices import Slices

STUDY: dict[str, Any] = {
    "study": "small",
    "data": [{"source": "own", "channels": {"T1": "{subject}.nii.gz"}, "mask": "{subject}_m.nii"}],
    "classes": {1: "grey"},
    "prepare": {"window": [48, 48, 48]},
    "experiments": {
        "age": {"task": "regression", "target": "age", "train": {"network": "sfcn"}},
        "grey": {"task": "segmentation", "target": "mask", "train": {"network": "unet"}},
    },
}

NO_MASK = {"experiments": {"age": STUDY["experiments"]["age"]}}
CATALOGUE = read_catalogue()


def changed(path: str, value: Any) -> dict[str, Any]:
    """Return STUDY with the key at a dotted path set to a value."""
    study = copy.deepcopy(STUDY)
    *above, last = path.split(".")
    section = study
    for key in above:
        section = section[int(key)] if isinstance(section, list) else section.setdefault(key, {})
    section[last] = value
    return study


def sex(words: dict[Any, Any]) -> dict[str, Any]:
    """Return `labels` with a map."""
    return {"sex": {"from": "Sex", "map": words}}


UNSEEN = "holds a character that can't be seen"


def complaint(path: str, value: Any) -> str:
    with pytest.raises(UserError) as caught:
        read_config(changed(path, value))
    return str(caught.value)


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("studdy", 1, "studdy: unknown key; did you mean 'study'? allowed: study, root"),
        ("experiments.age.train.learning_rat", 1, "did you mean 'learning_rate'?"),
        ("prepare.shard", 2, "prepare.shard: unknown key; did you mean 'shards'?"),
        ("data.0.chanels", 2, "data[0].chanels: unknown key; did you mean 'channels'?"),
        ("experiments.age.folds", 1, "experiments.age.folds: 1 is not allowed: must be a list"),
        ("experiments.age.folds", "al", "folds: 'al' is not allowed: must be all, or a list of fo"),
        ("experiments.age.folds", [-1], "experiments.age.folds[0]: -1 is not allowed: must be gre"),
        ("prepare.window", [48], "prepare.window: [48] is not allowed: must be a list of 3"),
        ("check.shape", [], "check.shape: [] is not allowed: must be a list of 2"),
        ("experiments.age.train.budget", 90, "budget: '90' is no time; write e.g. 6h or 90min"),
        ("experiments.age.train.budget", "0.0 h", "'0.0 h' is no time; write e.g. 6h or 90min"),
        ("experiments.age.covariates", ["age"], "age: covariates: 'age' is the target; remove it"),
        ("experiments.age.covariates", ["mask"], "age: covariates: `mask` is no label; remove it"),
        ("experiments.age.covariates", ["sex", "sex"], "covariates: has 'sex' twice; keep one"),
        ("experiments.age.covariates", "sex", "covariates: 'sex' is not allowed: must be a list"),
        ("experiments.grey.covariates", ["sex"], "grey: covariates: a segmentation answers for"),
        (
            "experiments.age.instances",
            True,
            "age: instances: only for segmentation, not regression",
        ),
        ("experiments.grey.instances", "all", "'all' is not allowed: must be ids, or true or fal"),
        (
            "experiments.grey.instances",
            "ids",
            "grey.instances: `ids` are of objects of one class, which any value above 0 belongs to",
        ),
        ("experiments.grey.primary", "pq", "allowed: dice; write `instances: true` for it"),
        ("experiments.age.primary", "dice", "age: primary: 'dice' is no metric that a result"),
        ("study", "My Study", "hyphens, with a letter or digit first, e.g. my-study"),
        ("study", "-", "hyphens, with a letter or digit first, e.g. my-study"),
        ("classes", {1: "grey matter"}, "classes.grey matter: 'grey matter' is not allowed: must "),
        ("classes", {1: "grey matter"}, "underscores, with a letter first, e.g. grey_matter"),
        ("split.test", 1.5, "split.test: 1.5 is not allowed: must be less than 1"),
        ("experiments.age.unit", "years\n\n.. raw:: html", "experiments.age.unit: 'years"),
        ("experiments.age.unit", "a\u2028b", UNSEEN),
        ("experiments.age.unit", "a\ud800", UNSEEN),
        ("data.0.site", "\u202egro", UNSEEN),
        ("data.0.labels", {"age": {"from": "a", "map": {"0": "x\ny", "1": "y"}}}, UNSEEN),
        ("split.sites", ["a", "b\x1b[2J"], "split.sites[1]: 'b\\x1b[2J' holds a character"),
        ("\x1b[2J", 1, "config: '\\x1b[2J' holds a character"),
        ("root", "a\0b", "root: 'a\\x00b' holds a character that can't be seen (NUL)"),
        (
            "prepare.space",
            "affine",
            "prepare: space: affine needs a brain, for the template is one",
        ),
        ("prepare.brain", "given", "prepare.brain: given needs data[0].brain_mask; name the masks"),
        ("prepare.voxel_size", [1, 1, float("inf")], "prepare.voxel_size[2]: inf is not allowed"),
        ("prepare.voxel_size", [1, 1, "inf"], "prepare.voxel_size[2]: 'inf' is not allowed"),
        ("experiments.age.train.network_arguments", {"a": [float("nan")]}, "nan is not allowed"),
        ("experiments.age.train.network_arguments", {"a": 10**400}, "has more than 64 bits"),
        ("experiments.age.seeds", [10**20], "experiments.age.seeds[0]: this number is too large"),
        ("experiments.age.seeds", [2**32], "must be less than 4294967296"),
        ("split.folds", "three", "split.folds: 'three' is not allowed: must be a whole number"),
        ("experiments.age.train.epochs", 10**6, "must be less than or equal to 100000"),
        ("experiments.age.train.iterations", 10**12, "must be less than or equal to 100000000"),
        ("experiments.age.train.save_every", 10**6, "must be less than or equal to 100000"),
        (
            "experiments.age.train.save_every",
            61,
            "experiments.age.train.save_every: no epoch is kept, as there are 60; write a smaller "
            "number, or remove it",
        ),
        (
            "experiments.age.train.epochs",
            True,
            "train.epochs: True is not allowed: must be a whole",
        ),
        (
            "experiments.age.train.learning_rate",
            True,
            "learning_rate: True is not allowed: must be",
        ),
        ("experiments.age.seeds", [1, True], "age.seeds[1]: True is not allowed: must be a whole"),
        ("experiments.age.folds", [False], "experiments.age.folds[0]: False is not allowed: must"),
        ("prepare.voxel_size", [1e-300, 1, 1], "voxel_size[0]: 1e-300 is not allowed: must be gr"),
        ("prepare.voxel_size", [1, 1, 1e9], "prepare.voxel_size[2]: 1000000000.0 is not allowed: "),
        ("check.exclude", [{"subject": "a", "reason": " \n  "}], "check.exclude[0].reason: ' "),
        ("check.accept", [{"subject": "a", "reason": "   "}], "reason: '   ' is not allowed: must"),
        ("split.same", [{"subjects": ["a", "b"], "reason": " \t "}], "split.same[0].reason: ' "),
        ("split.test", False, "split.test: False is not allowed: must be a number"),
        ("split.seed", False, "split.seed: False is not allowed: must be a whole number"),
        ("prepare.voxel_size", [1, True, 1], "prepare.voxel_size[1]: True is not allowed: must be"),
        ("check.shape", [True, 9], "check.shape[0]: True is not allowed: must be a number"),
        ("fetch.demo_subjects", True, "fetch.demo_subjects: True is not allowed"),
        ("data.0.table", {"path": "t.csv", "header": True}, "table.header: True is not allowed"),
        ("experiments.age.train.clip", True, "train.clip: True is not allowed: must be a number"),
        ("experiments.age.unit", True, "experiments.age.unit: True is not allowed: must be text"),
        ("split.folds", 2.5, "split.folds: 2.5 is not allowed: must be a whole number"),
        ("split.test", "much", "split.test: 'much' is not allowed: must be a number"),
        ("experiments.age.train.class_weights", "maybe", "must be true or false"),
        (
            "prepare.window",
            "big",
            "prepare.window: 'big' is not allowed: must be own, or a list of three lengths, e.g.",
        ),
        ("prepare.window", [48, 0, 48], "prepare.window[1]: 0 is not allowed: must be greater"),
        ("prepare.window", "own", "experiments.age.train.sampling: scans of several sizes"),
        (
            "experiments.grey.train.sampling",
            "wohle",
            "grey.train.sampling: 'wohle' is not allowed: must be whole, or a section such as {pat",
        ),
        (
            "experiments.age.train.sampling",
            {"patches": [32, 32, 32]},
            "train.sampling: a regression is of whole scans, not of patches; write `whole`",
        ),
        (
            "experiments.grey.train.sampling",
            {"patches": [48, 64, 48]},
            "grey.train.sampling.patches: [48, 64, 48] is longer than prepare.window, [48, 48, 48]",
        ),
        (
            "experiments.grey.train.sampling",
            {"patches": [48, 24, 48]},
            "needs lengths that 16 divides, but it is [48, 24, 48]; e.g. [48, 32, 48]",
        ),
        (
            "experiments.grey.train.sampling",
            {"patches": [48, 48, 1]},
            "needs lengths that 16 divides, but it is [48, 48, 1]; e.g. [48, 48, 16]",
        ),
        (
            "experiments.grey.train",
            {"network": "unet_slices", "sampling": {"patches": [48, 24, 1]}},
            "needs lengths that [16, 16, 1] divide, but it is [48, 24, 1]; e.g. [48, 32, 1]",
        ),
        (
            "experiments.grey.train",
            {"network": "unet_slices", "network_arguments": {"plane": "frontal"}},
            "train.network_arguments: plane: there is no 'frontal'; allowed: sagittal, coronal",
        ),
        (
            "experiments.grey.train",
            {"network": "unet", "network_arguments": {"strides": [2, 2, [2, 2], 2]}},
            "strides: [2, 2] must be a whole number, or a list of 3, one for each axis",
        ),
        (
            "experiments.grey.train.sampling",
            {"patches": [32, 32, 32], "foreground": 1.5},
            "grey.train.sampling.foreground: 1.5 is not allowed: must be less than or equal to 1",
        ),
        (
            "experiments.grey.train.sampling",
            {"patches": [32, 32]},
            "grey.train.sampling.patches: [32, 32] is not allowed: must be a list of 3",
        ),
        ("experiments.grey.predict", {"flips": 3}, "grey.predict.flips: 3 is not allowed: must"),
        (
            "experiments.grey.predict",
            {"flips": 2},
            "grey.predict.flips: 2 mirror images are along an axis, but train.augment mirrors none",
        ),
        (
            "experiments.grey.predict",
            {"flips": 4},
            "grey.predict.flips: 4 mirror images are along 2 axes, but train.augment mirrors none",
        ),
        ("experiments.grey.predict", {"overlap": 0.9}, "grey.predict.overlap: 0.9 is not allowed"),
        (
            "experiments.grey.predict",
            {"overlap": 0.5},
            "grey.predict.overlap: a network that learnt from whole scans predicts them whole",
        ),
        (
            "experiments.grey.predict",
            {"memory": "2G"},
            "grey.predict.memory: a network that learnt from whole scans predicts them whole",
        ),
        (
            "experiments.grey.predict",
            {"memory": "2 GiB"},
            "'2 GiB' is no amount of memory; write e.g. 2G or 800M",
        ),
        ("prepare", 3, "prepare: 3 is not allowed: must be a section of `key: value` lines"),
        ("experiments.age.learning_rate", 0.1, "did you mean 'train.learning_rate'?"),
        ("voxel_size", [1, 1, 1], "voxel_size: unknown key; did you mean 'check.voxel_size' or"),
        ("experiments.age.train.network", "vgg", "'vgg' is not a network; allowed: densenet121"),
        ("experiments.age.train.network", "unet", "not for regression; allowed: densenet121"),
        ("experiments.age.train.loss", "dice", "allowed: l1, mse, huber"),
        (
            "experiments.age.folds",
            [],
            "experiments.age.folds: names none; write e.g. [0], or `all`",
        ),
        (
            "experiments.age.seeds",
            [],
            "age.seeds: [] is not allowed: must have at least 1 item, not",
        ),
        ("experiments.age.folds", [0, 1, 0], "experiments.age.folds: has 0 twice; keep one"),
        ("experiments.age.seeds", [1, "1"], "experiments.age.seeds: has 1 twice; keep one"),
        ("final", ["age", "grey", "age"], "final: has 'age' twice; keep one"),
        ("split.stratify", ["sitee"], "no source has the label 'sitee' (did you mean 'site'?)"),
        ("split.stratify", ["age"], "no source has the label 'age'; there are: site, source;"),
        ("split.group", "nope", "split.group: no source has the label 'nope'; there are: site"),
        ("data.0.where", "height > 3", "data[0].where: no source has the label 'height'; there"),
        ("data.0.channels", {"T1": "a.nii"}, "it needs the field {subject}"),
        ("data.0.channels", {"T1": "{sub ject}.nii"}, "'{sub ject}' is no field"),
        ("data.0.channels", {"T1": "../{subject}.nii"}, "'../{subject}.nii' of T1 leads out of"),
        ("data.0.channels", {"T1": "/d/{subject}.nii"}, "'/d/{subject}.nii' of T1 leads out of"),
        ("data.0.mask", "a/../../{subject}.nii", "'a/../../{subject}.nii' of mask leads out of"),
        ("data.0.mask", "{subject}.nii.gz", "data[0].T1 and mask are both '{subject}.nii.gz'; ea"),
        ("data.0.mask", "{subject}_{run}.nii.gz", "of mask has the field {run}, but"),
        ("split.stratify", ["sex", "sex"], "split.stratify: has 'sex' twice; keep one"),
        ("split.sites", ["a", "b", "a"], "split.sites: has 'a' twice; keep one"),
        (
            "split.same",
            [{"subjects": ["a", "a"], "reason": "twins"}],
            "split.same[0].subjects: has 'a' twice; keep one",
        ),
        ("experiments.age.folds", [7], "experiments.age.folds: [7] has a fold"),
        ("experiments.age.task", "guess", "experiments.age.task: 'guess' is not allowed"),
        ("experiments.grey.target", "age", "segmentation has the target `mask`"),
        ("prepare.window", [48, 50, 48], "needs lengths that 16 divides, but it is [48, 50, 48]"),
        ("prepare.window", [16, 48, 48], "sfcn in experiments.age needs at least 32 voxels"),
        ("final", "sex", "final: 'sex' is not an experiment; allowed: age, grey"),
        ("data.0.path", "../other", "data[0].path: must lie inside the data root"),
        ("data.0.labels", {"age": "Age"}, "add the key `table`"),
        (
            "data.0.channels.T1",
            {"path": "{subject}.nii.gz", "align": "rigid"},
            "'T1' can't be alig",
        ),
        ("data.0.channels.T1", {"path": "{subject}.nii", "align": "affine"}, "'affine' is not"),
        ("data.0.channels.T1", {"path": "{subject}.nii", "optional": True}, "'T1' can't be option"),
        ("experiments.grey.train.modality_dropout", 0.5, "dropout: no channel is optional; write"),
        ("experiments.grey.train.modality_dropout", 1, "modality_dropout: 1 is not allowed"),
        ("data.0.channels", {"mask": "x"}, "'mask' is a column of labels.csv already"),
        ("data", [{"source": "own"}], "data[0]: the key `channels` is missing, e.g. {T1: "),
        ("data", [{"source": "ixi"}], "data[0].modality: IXI, nearly 600 healthy volunteers at"),
        ("data", [{"source": "ixl"}], "data[0].source: no source 'ixl' (did you mean 'ixi'?)"),
        ("data", [{"source": "ixi", "modality": "T3"}], "no modality 'T3'; allowed: T1, T2, PD"),
        ("data", [{"source": "ixi", "modality": 3}], "data[0].modality: 3 is not allowed"),
        ("data", [{"source": "oasis1", "modality": ["masked", "raw"]}], "both give the channel T1"),
        ("data", [{"source": "ixi", "modality": "T1", "path": "x"}], "the path must begin with"),
        ("data.0.modality", "T1", "data[0].source: no source 'own' (known: ixi, oasis1"),
        ("data", [{"source": "a", "url": "b.tar", "modality": "T1"}], "by its `url` has none"),
        ("data.0.md5", "12", "data[0].md5: '12' is not allowed: must match"),
        ("data.0.mirrors", "staged", "mirrors: only for scans that are fetched; name a collection"),
        ("data", [{"source": "msd-task04", "bytes": 9}], "bytes are those of a `url`; add it"),
        ("classes", {}, "segmentation needs the key `classes`"),
        ("classes", {"grey": [1, 2], "white": 2}, "belongs to 'grey' and to 'white'"),
        ("classes", {0: "air", 1: "grey"}, "background"),
        ("classes", {1: True, 2: False}, "classes: the name of 1 is no text to YAML (True)"),
        ("classes", {1: None}, "classes: the name of 1 is no text to YAML (None); put it in quote"),
        ("classes", {"grey": True}, "'grey' has the value True; must be a whole number"),
        ("classes", {"grey": [2, False]}, "'grey' has the value False; must be a whole number"),
        ("classes", {"grey": []}, "'grey' has no value; e.g. {grey: 1}"),
        ("classes", {1.5: "grey"}, "classes.1.5: '1.5' is not allowed"),
        ("classes", {"1": "grey", "01": "white"}, "1 belongs to 'grey' and to 'white'"),
        ("data.0.labels", sex({"1": "a", "1.0": "b"}), "'1.0' is the number '1' again"),
        ("data.0.labels", sex({"8": "a", "08": "b"}), "'08' is the number '8' again"),
        ("experiments", {}, "experiments: {} is not allowed"),
        ("experiments.age.train.optimizer", "adam", "must be 'adamw', 'sgd' or 'radam'"),
        (
            "experiments.age.train.optimizer",
            "sgd",
            "experiments.age.train: learning_rate, weight_decay: the default is not for sgd; write "
            "e.g. `learning_rate: 0.01`, `weight_decay: 3e-5`",
        ),
        ("experiments.age.train.schedule", "step", "must be 'cosine', 'polynomial' or 'constant'"),
        ("experiments.age.train.loss", "focal", "train.loss 'focal' is not for regression"),
        (
            "experiments.age.train.label_smoothing",
            0.1,
            "train.label_smoothing: the loss l1 has no labels to smooth; remove it",
        ),
        (
            "experiments.grey.train",
            {"network": "unet", "loss": "tversky", "label_smoothing": 0.1},
            "the loss tversky has no labels to smooth; remove it, or take the loss "
            "dice_cross_entropy",
        ),
        (
            "experiments.age.train",
            {"network": "sfcn", "loss": "my.py:Loss", "label_smoothing": 0.1},
            "the loss my.py:Loss has no labels to smooth; remove it",
        ),
        (
            "experiments.sex",
            {
                "task": "classification",
                "target": "sex",
                "train": {"network": "sfcn", "loss": "my.py:Loss", "class_weights": True},
            },
            "train.class_weights: my.py:Loss is not given them; weigh the classes in that file",
        ),
        (
            "experiments.age.train",
            {"network": "net.py:Net", "checkpoint_activations": True},
            "train.checkpoint_activations: nothing is won by it with net.py:Net; write false, or "
            "take a network of densenet121",
        ),
        (
            "experiments.grey.train",
            {"network": "segresnet", "deep_supervision": True},
            "train.deep_supervision: segresnet answers at one resolution; write false, or take the "
            "network dynunet or resenc_unet",
        ),
        ("experiments.age.train.loss", "my.py", "soft_label, or my_loss.py:Loss"),
        ("experiments.age.train.clip", 0, "train.clip: 0 is not allowed: must be greater than 0"),
        ("experiments.age.train.augment", [{"RandomNose": {}}], "did you mean 'RandomNoise'?"),
        ("experiments.age.train.augment", [{"RandomNoise": {"sd": 1}}], "'sd' is not an argument"),
    ],
)
def test_mistake_is_named_with_its_mend(path: str, value: Any, said: str) -> None:
    assert said in complaint(path, value)


def test_a_network_of_slices_takes_any_number_of_them() -> None:
    thick = changed("prepare.window", [48, 48, 23])
    thick["experiments"]["age"]["train"] = {
        "network": "resnet18_slices",
        "network_arguments": {"plane": "axial"},
    }
    thick["experiments"]["grey"]["train"] = {
        "network": "unet_slices",
        "sampling": {"patches": [48, 48, 1]},
    }
    assert read_config(thick).prepare.window == (48, 48, 23)
    thick["experiments"]["age"]["train"]["network_arguments"] = {"plane": "coronal"}
    with pytest.raises(UserError, match=r"age needs at least \[32, 1, 32\] voxels, but it is"):
        read_config(thick)


@pytest.mark.parametrize(
    ("network", "arguments", "key"),
    [
        ("unet", {"channels": -1}, "channels"),
        ("unet", {"channels": "abc"}, "channels"),
        ("unet", {"channels": None}, "channels"),
        ("unet", {"channels": [4, True]}, "channels"),
        ("unet", {"channels": [4, 8, [8]]}, "channels"),
        ("unet_slices", {"strides": 2}, "strides"),
        ("unet", {"strides": ["a", 2, 2, 2]}, "strides"),
        ("unet", {"strides": [2, 2, 0, 2]}, "strides"),
        ("unet", {"strides": [2, 2, [1, -2, 1], 2]}, "strides"),
        ("unet", {"strides": [2, 2, [], 2]}, "strides"),
        ("dynunet", {"strides": 2.5}, "strides"),
        ("resenc_unet", {"channels": {"a": 1}}, "channels"),
        ("resenc_unet", {"strides": True}, "strides"),
        ("segresnet", {"blocks_down": 3}, "blocks_down"),
        ("vit", {"patch_size": 0}, "patch_size"),
        ("vit", {"patch_size": [16, 16, 16]}, "patch_size"),
        ("vit", {"patch_size": "16mm"}, "patch_size"),
    ],
)
def test_the_shape_of_a_network_is_made_of_whole_numbers(
    network: str, arguments: dict[str, Any], key: str
) -> None:
    one = "age" if network == "vit" else "grey"
    train = {"network": network, "network_arguments": arguments}
    told = complaint(f"experiments.{one}.train", train)
    assert told.startswith(f"experiments.{one}.train.network_arguments: {key} must be a ")
    assert "above 0, e.g. " in told


def test_labels_are_asked_for_by_the_names_that_the_config_gives_them() -> None:
    study = changed("split", {"stratify": ["sex", "arm", "site", "source"], "group": "family"})
    study["data"] = [
        {
            "source": "one",
            "channels": {"T1": "{arm}/{subject}_{number}.nii"},
            "mask": "{arm}/{subject}_{number}_m.nii",
            "table": {"path": "t.csv"},
            "labels": {"sex": "Sex", "family": "Fam"},
            "where": "arm == a and sex != M and subject != s1 and session == 1 and site != HH",
        },
        {"source": "two", "channels": {"T1": "{subject}.nii"}, "mask": "{subject}_m.nii"},
    ]
    read_config(study)
    study["data"][1]["where"] = "sex == M"  # of the other source
    with pytest.raises(UserError, match=r"data\[1\]\.where: no source has the label 'sex'"):
        read_config(study)
    study["data"][1]["where"] = "number == 1"
    with pytest.raises(UserError, match=r"data\[1\]\.where"):
        read_config(study)


def test_a_number_in_two_spellings_may_have_one_meaning() -> None:
    study = changed("data.0.labels", sex({"1": "m", "1.0": "m", "2": "f"}))
    study["data"][0]["table"] = {"path": "t.csv"}
    read_config(study)


def test_a_public_collection_needs_nothing_else() -> None:
    config = read_config(changed("data", [{"source": "ixi", "modality": ["T1", "T2"]}]) | NO_MASK)
    (ixi,) = config.data
    assert ixi.templates == {
        "T1": "T1/IXI{subject}-{site}-*-T1.nii.gz",
        "T2": "T2/IXI{subject}-{site}-*-T2.nii.gz",
    }
    assert ixi.table is not None
    assert ixi.table.path == "IXI.xls"
    assert read_config(config.model_dump(mode="json")) == config

    own = {"source": "ixi", "modality": "T1", "labels": {"age": "AGE"}, "site": "London"}
    (ixi,) = read_config(changed("data", [own]) | NO_MASK).data
    assert set(ixi.labels) == {"age"}
    assert ixi.site == "London"


def test_a_folder_of_ones_own_may_have_the_name_of_a_collection() -> None:
    own = {"source": "ixi", "path": ".", "channels": {"T1": "{subject}.nii"}}
    (source,) = read_config(changed("data", [own]) | NO_MASK).data
    assert source.request is None
    assert source.table is None


@pytest.mark.parametrize("name", [name for name in CATALOGUE if name.startswith("msd")])
def test_tasks_of_the_decathlon(name: str) -> None:
    entry = {"source": name}
    if name in ("msd-task01", "msd-task05"):  # several images in one file
        assert "channels" in complaint("data", [entry])
        return
    (task,) = read_config(changed("data", [entry])).data
    assert task.layout == "pairs"
    assert task.folder == f"{name}/{task.modality[0]}"
    assert task.mask == "label"


def test_missing_key() -> None:
    study = copy.deepcopy(STUDY)
    del study["study"]
    with pytest.raises(UserError, match="study: this key is missing"):
        read_config(study)


def test_every_mistake_is_said_once() -> None:
    study = changed("split.folds", 1)
    study["prepare"]["shards"] = 0
    with pytest.raises(UserError) as caught:
        read_config(study)
    assert len(str(caught.value).splitlines()) == 2


def test_not_a_mapping() -> None:
    with pytest.raises(UserError, match="config"):
        read_config(["study"])  # type: ignore[arg-type]


def test_like_overlays_the_other_experiment() -> None:
    like = {"like": "age", "train": {"learning_rate": "1e-4"}}
    config = read_config(changed("experiments.age-slow", like))
    slow, age = config.experiments["age-slow"], config.experiments["age"]
    assert slow.train.learning_rate == 1e-4
    assert slow.train.network == "sfcn"
    assert age.train.learning_rate == 1e-3


BASE = {
    "task": "classification",
    "target": "sex",
    "train": {"network": "sfcn", "network_arguments": {"channels": [8, 16]}, "epochs": 3},
}


@pytest.mark.parametrize(
    ("change", "arguments"),
    [
        ({"network": "resnet18"}, {}),
        ({"network": "resnet18", "network_arguments": {"conv1_t_size": 5}}, {"conv1_t_size": 5}),
        ({"network": "my_net.py:Net"}, {}),
        ({"network": "sfcn"}, {"channels": [8, 16]}),
        ({"network_arguments": {}}, {}),
        ({"network_arguments": {"dropout": 0.1}}, {"channels": [8, 16], "dropout": 0.1}),
        ({"epochs": 5}, {"channels": [8, 16]}),
    ],
)
def test_like_drops_the_arguments_of_another_network(
    change: dict[str, Any], arguments: dict[str, Any]
) -> None:
    experiments = {"a": BASE, "b": {"like": "a", "train": change}, "c": {"like": "b"}}
    config = read_config(changed("experiments", experiments))
    for name in ("b", "c"):
        assert dict(config.experiments[name].train.network_arguments) == arguments
    assert dict(config.experiments["a"].train.network_arguments) == {"channels": [8, 16]}


def test_like_drops_the_deep_supervision_of_another_network() -> None:
    train = {"network": "dynunet", "deep_supervision": True}
    experiments = {
        "a": {"task": "segmentation", "target": "mask", "train": train},
        "b": {"like": "a", "train": {"network": "unet"}},
        "c": {"like": "a", "train": {"epochs": 2}},
        "d": {"like": "a", "train": {"network": "resenc_unet", "deep_supervision": True}},
    }
    config = read_config(changed("experiments", experiments))
    deep = {name: one.train.deep_supervision for name, one in config.experiments.items()}
    assert deep == {"a": True, "b": False, "c": True, "d": True}


@pytest.mark.parametrize(("base", "own"), [("epochs", "iterations"), ("iterations", "epochs")])
def test_like_drops_the_other_way_to_say_how_long(base: str, own: str) -> None:
    first = {"task": "regression", "target": "age", "train": {"network": "sfcn", base: 5}}
    second = {"like": "a", "train": {own: 7}}
    config = read_config(changed("experiments", {"a": first, "b": second}))
    train = config.experiments["b"].train
    assert (train.epochs, train.iterations) == ((7, None) if own == "epochs" else (None, 7))


def test_only_one_way_to_say_how_long_is_taken() -> None:
    both = {"network": "sfcn", "epochs": 5, "iterations": 100}
    said = "experiments.age.train: epochs and iterations both say how long it is; remove one"
    with pytest.raises(UserError, match=said):
        read_config(changed("experiments.age.train", both))


@pytest.mark.parametrize("length", [{"epochs": 5}, {"iterations": 1}])
def test_the_last_epoch_may_be_kept_and_steps_say_nothing_of_epochs(length: dict[str, int]) -> None:
    train = {"network": "sfcn", "save_every": 5, **length}
    config = read_config(changed("experiments.age.train", train))
    assert config.experiments["age"].train.save_every == 5


def test_like_drops_what_another_task_and_target_have_no_use_for() -> None:
    train = {"network": "sfcn", "loss": "cross_entropy", "class_weights": True}
    experiments = {
        "a": BASE | {"train": train},
        "b": {"like": "a", "task": "regression", "target": "age", "unit": "years"},
        "c": {"like": "b", "target": "height"},
        "d": {"like": "b", "train": {"epochs": 2}},
    }
    experiments["a"]["primary"] = "auroc"
    config = read_config(changed("experiments", experiments))
    assert config.experiments["b"].train.loss is None
    assert not config.experiments["b"].train.class_weights
    assert [config.experiments[name].unit for name in "bcd"] == ["years", "", "years"]
    assert [config.primary_metric(name) for name in "abc"] == ["auroc", "mae", "mae"]


def test_objects_are_of_masks_alone_and_may_tell_the_result() -> None:
    grey = STUDY["experiments"]["grey"]
    experiments = {
        "a": grey | {"instances": True, "primary": "lesion_f1"},
        "b": {"like": "a", "task": "regression", "target": "age", "train": {"network": "sfcn"}},
        "c": {"like": "a", "train": {"epochs": 2}},
    }
    config = read_config(changed("experiments", experiments))
    found = {
        name: (one.instances, config.primary_metric(name))
        for name, one in config.experiments.items()
    }
    assert found == {"a": (True, "lesion_f1"), "b": (False, "mae"), "c": (True, "lesion_f1")}
    assert [one.instances for one in config.comparisons] == [True]
    experiments = {"a": grey | {"instances": True}, "b": grey}
    assert [
        one.instances for one in read_config(changed("experiments", experiments)).comparisons
    ] == [False]


def test_objects_with_ids_are_of_one_class_and_the_same_for_all() -> None:
    grey = STUDY["experiments"]["grey"] | {"instances": "ids", "primary": "pq"}

    def read(**other: Any) -> Config:
        experiments = {"a": grey, "b": {"like": "a"} | other}
        return read_config(changed("experiments", experiments) | {"classes": {"lesion": "any"}})

    config = read()
    assert [one.instances for one in config.comparisons] == ["ids"]
    assert config.task_of(config.experiments["a"]).out_channels == 2
    assert "the mask's own ids" in config.experiments["a"].kind.matching
    with pytest.raises(UserError, match=r"b\.instances: is true, but ids for a, .*: ids"):
        read(instances=True)


def test_a_question_has_one_primary_metric() -> None:
    age = BASE | {"task": "regression", "target": "age", "train": {"network": "sfcn"}}
    asked = {"a": age, "b": age | {"primary": "rmse"}, "c": age | {"primary": "mae"}}
    with pytest.raises(UserError, match=r"experiments\.b\.primary: is rmse, but mae for a, .*mae"):
        read_config(changed("experiments", asked))
    asked["b"] = {"like": "a", "target": "height", "primary": "rmse"}
    assert read_config(changed("experiments", asked)).primary_metric("b") == "rmse"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("data.0.source", {}),
        ("data", [{"source": "ixi", "modality": [{"a": 1}]}]),
        ("experiments.age.like", ["b"]),
        ("experiments.age.like", {"b": 1}),
        ("experiments.age.like", None),
        ("data.0.where", "age \ud800"),
        ("study", "9" * 5000),
    ],
)
def test_values_of_any_type_are_refused_in_a_sentence(path: str, value: Any) -> None:
    assert len(complaint(path, value)) < 300


@pytest.mark.parametrize(
    ("experiments", "said"),
    [
        ({"a": {"like": "b"}, "b": {"like": "a"}}, "experiments.a.like: a loop, a -> b -> a"),
        ({"a": {"like": "a"}}, "a loop, a -> a"),
        ({"a": {"like": "z"}, "b": {}}, "'z' is not an experiment; allowed: b"),
    ],
)
def test_like_that_leads_nowhere(experiments: dict[str, Any], said: str) -> None:
    assert said in complaint("experiments", experiments)


def test_numbers_written_as_text_are_understood() -> None:
    # `--config 'prepare={"shards":7}'` hands over every nested value as text
    as_text = read_config(changed("prepare", {"shards": "7", "window": ["48", "48", "48"]}))
    as_numbers = read_config(changed("prepare", {"shards": 7, "window": [48, 48, 48]}))
    assert as_text == as_numbers


def test_final_takes_one_or_many() -> None:
    assert read_config(changed("final", "age")).final == ("age",)
    assert read_config(changed("final", ["age", "grey"])).final == ("age", "grey")


@given(
    st.dictionaries(
        st.text(max_size=8),
        st.recursive(
            st.none() | st.text() | st.integers(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner),
        ),
        max_size=4,
    )
)
def test_anything_else_is_a_user_error(raw: dict[str, Any]) -> None:
    with pytest.raises(UserError):
        read_config(raw)


def test_canonical_json_knows_no_order() -> None:
    config = read_config(STUDY)
    backwards = dict(reversed(list(config.model_dump(mode="json").items())))
    assert canonical_json(backwards) == canonical_json(config.model_dump(mode="json"))
    assert Config.model_validate(config.model_dump(mode="json")) == config


def test_classes_are_weighed_where_there_are_some() -> None:
    assert "only for classification, not regression" in complaint(
        "experiments.age.train.class_weights", True
    )


def test_a_reason_may_have_several_lines():
    why = "a reason\nof two lines\n"
    config = read_config(changed("check.exclude", [{"subject": "s1", "reason": why}]))
    assert config.check.exclude[0].reason == why.strip()


@pytest.mark.parametrize("block", ["|\n  {}\n", ">\n  {}\n", "|+\n  {}\n\n\n", "|\n\n  {}\n"])
def test_the_line_break_that_a_block_of_yaml_ends_in_is_no_part_of_a_text(block: str) -> None:
    for path, value in {
        "experiments.age.unit": "years",
        "study": "my-study",
        "root": "/data/of the/ward",
        "data.0.where": "site == HH",
        "prepare.shards": "7",
    }.items():
        text = yaml.safe_load(f"key: {block.format(value)}")["key"]
        assert text != value
        assert read_config(changed(path, text)) == read_config(changed(path, value))
    assert UNSEEN in complaint("experiments.age.unit", "two\nlines\n")


def test_what_places_of_a_config_share_stays_shared_and_may_lead_in_a_circle() -> None:
    shared: dict[str, Any] = {"a": "b\n"}
    circle: list[Any] = [shared, shared]
    circle.append(circle)
    copy = without_line_ends(circle)
    assert copy[0] == {"a": "b"}
    assert copy[0] is copy[1] is not shared
    assert copy[2] is copy


def test_best_needs_somebody_who_chooses() -> None:
    said = complaint("split.validation", 0)
    assert "experiments.age.train.keep: best needs a validation set" in said
    assert "write `keep: last`, or set split.validation" in said
    last = changed("split.validation", 0)
    for experiment in last["experiments"].values():
        experiment["train"]["keep"] = "last"
    assert read_config(last).split.validation == 0
    last["experiments"]["age"]["train"]["patience"] = 5
    with pytest.raises(UserError, match=r"experiments\.age\.train\.patience: needs a validation"):
        read_config(last)
    # an own split may say who chooses
    own = changed("split", {"validation": 0, "file": "split.csv"})
    assert read_config(own).experiments["age"].train.keep == "best"


@pytest.mark.parametrize(("severe", "fits"), [("2", True), ("severe", False)])
def test_the_order_of_classes_is_asked_of_the_config_where_it_names_them(
    severe: str, fits: bool
) -> None:
    study = changed("data.0.table", {"path": "t.csv"})
    words = {"none": 0, "severe": severe, "unknown": ""}
    study["data"][0]["labels"] = {"grade": {"from": "Grade", "map": words}}
    train = {"network": "sfcn", "loss": "ordinal"}
    study["experiments"]["g"] = {"task": "classification", "target": "grade", "train": train}
    if fits:
        read_config(study)
        return
    with pytest.raises(
        UserError, match=r"experiments\.g\.target: train\.loss ordinal takes .* grade = 's…"
    ):
        read_config(study)


SERIES: dict[str, Any] = {
    "study": "bold",
    "data": [{"source": "own", "channels": {"bold": "{subject}.nii.gz"}}],
    "prepare": {"voxel_size": "own", "window": "own", "series": True},
    "experiments": {
        "clean": {
            "task": "denoising",
            "target": "image",
            "train": {
                "network": "plain_unet",
                "sampling": {"patches": [24, 24, 24]},
                "neighbours": {"before": 3, "after": 1},
            },
        }
    },
}


def test_neighbours_ask_for_series_that_are_long_enough() -> None:
    config = read_config(copy.deepcopy(SERIES))
    experiment = config.experiments["clean"]
    assert experiment.train.loss == "neighbours"
    assert config.primary_metric("clean") == "left_out_error"
    assert Slices(config, Path()).check_scans().volumes == 7
    of_scans = read_config(copy.deepcopy(STUDY))
    assert "volumes" not in Slices(of_scans, Path()).check_scans().model_dump()


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        (("prepare", "series"), False, r"clean\.train\.neighbours: .*write prepare\.series: true"),
        (("experiments", "clean", "train", "neighbours"), None, "3-D scans.*series.* of its own"),
        (("prepare", "voxel_size"), [2, 2, 2], "write voxel_size: own"),
        (("experiments", "clean", "train", "sampling", "foreground"), 0.5, "no classes that patch"),
        (("classes",), {1: "grey"}, "classes: series .* no masks"),
        (("data", 0, "channels", "T1"), "{subject}_T1.nii", "one series, but .* bold, T1"),
        (("experiments", "clean", "predict"), {"noise": 2}, "noise: not for a series"),
        (("experiments", "clean", "predict"), {"edges": "one-sided"}, "train one that does"),
        (("experiments", "clean", "train", "loss"), "blind_spot", "neighbours alone"),
        (("experiments", "clean", "train", "neighbours"), {"before": 0, "after": 0}, "both 0"),
    ],
)
def test_what_does_not_go_with_series_is_refused(path: Any, value: Any, says: str) -> None:
    study = copy.deepcopy(SERIES)
    section: Any = study
    for key in path[:-1]:
        section = section[key] if isinstance(section, list) else section.setdefault(key, {})
    section[path[-1]] = value
    with pytest.raises(UserError, match=says):
        read_config(study)


@pytest.mark.parametrize(
    ("predict", "series", "air"),
    [({}, False, True), ({"noise": 20}, False, False), ({}, True, False)],
)
def test_air_is_asked_for_where_the_noise_is_estimated_from_it(predict, series, air) -> None:
    study = copy.deepcopy(SERIES)
    study["experiments"]["clean"]["predict"] = predict
    if not series:
        study["prepare"].pop("series")
        study["experiments"]["clean"]["train"].pop("neighbours")
    assert Slices(read_config(study), Path()).gather().air == air
    assert not Slices(read_config(copy.deepcopy(STUDY)), Path()).gather().model_dump()


def test_ends_are_of_series_alone() -> None:
    assert "predict.edges: not for" in complaint("experiments.age.predict.edges", "truncate")


@pytest.mark.parametrize(
    ("channels", "primary", "told_by"),
    [
        ({"T1": "{subject}.nii"}, "", "sure"),
        ({"T1": "{subject}.nii", "reference": "{subject}_clean.nii"}, "", "psnr"),
        ({"T1": "{subject}.nii"}, "spots", "spots"),
    ],
)
def test_without_a_reference_denoising_is_told_by_another_metric(channels, primary, told_by):
    asked = {"task": "denoising", "target": "image", "primary": primary}
    asked |= {"train": {"network": "plain_unet", "sampling": {"patches": [16, 16, 16]}}}
    study = {"study": "small", "data": [{"source": "own", "channels": channels}]}
    study |= {"prepare": {"voxel_size": "own", "window": "own"}, "experiments": {"clean": asked}}
    assert read_config(study).primary_metric("clean") == told_by
