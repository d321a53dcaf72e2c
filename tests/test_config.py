"""The config: what is accepted, and what is said about what is not."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headstart.parts.config import Config
from headstart.parts.config import canonical_json
from headstart.parts.config import read_config
from headstart.parts.errors import UserError
from headstart.parts.sources import read_catalogue

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
        ("data.0.chanels", 2, "data.0.chanels: unknown key; did you mean 'channels'?"),
        ("study", "My Study", "study: 'My Study' is not allowed: must match"),
        ("split.test", 1.5, "split.test: 1.5 is not allowed: input should be less than 1"),
        ("split.folds", "three", "split.folds: 'three' is not allowed"),
        ("experiments.age.train.network", "vgg", "'vgg' is not a network; allowed: densenet121"),
        ("experiments.age.train.network", "unet", "not for regression; allowed: densenet121"),
        ("experiments.age.train.loss", "dice", "allowed: l1, mse, huber"),
        ("experiments.age.folds", [7], "experiments.age.folds: [7] has a fold"),
        ("experiments.age.task", "guess", "experiments.age.task: 'guess' is not allowed"),
        ("experiments.grey.target", "age", "segmentation has the target `mask`"),
        ("prepare.window", [48, 50, 48], "needs lengths that 16 divides, but it is [48, 50, 48]"),
        ("prepare.window", [16, 48, 48], "sfcn in experiments.age needs at least 32 voxels"),
        ("final", "sex", "final: 'sex' is not an experiment; allowed: age, grey"),
        ("data.0.path", "../other", "data.0.path: must lie inside the data root"),
        ("data.0.labels", {"age": "Age"}, "add the key `table`"),
        ("data.0.channels", {"mask": "x"}, "'mask' is a column of labels.csv already"),
        ("data", [{"source": "own"}], "data.0: the key `channels` is missing, e.g. {T1: "),
        ("data", [{"source": "ixi"}], "data.0.modality: IXI, nearly 600 healthy volunteers at"),
        ("data", [{"source": "ixl"}], "data.0.source: no source 'ixl' (did you mean 'ixi'?)"),
        ("data", [{"source": "ixi", "modality": "T3"}], "no modality 'T3'; allowed: T1, T2, PD"),
        ("data", [{"source": "ixi", "modality": 3}], "data.0.modality: 3 is not allowed"),
        ("data", [{"source": "oasis1", "modality": ["masked", "raw"]}], "both give the channel T1"),
        ("data", [{"source": "ixi", "modality": "T1", "path": "x"}], "the path must begin with"),
        ("data.0.modality", "T1", "data.0.source: no source 'own' (known: ixi, oasis1"),
        ("data", [{"source": "a", "url": "b.tar", "modality": "T1"}], "by its `url` has none"),
        ("data.0.md5", "12", "data.0.md5: '12' is not allowed: must match"),
        ("data.0.mirrors", "staged", "mirrors: only for scans that are fetched; name a collection"),
        ("data", [{"source": "msd-task04", "bytes": 9}], "bytes are those of a `url`; add it"),
        ("classes", {}, "segmentation needs the key `classes`"),
        ("classes", {2: "grey"}, "without gaps"),
        ("experiments", {}, "experiments: {} is not allowed"),
        ("experiments.age.train.augment", [{"RandomNose": {}}], "did you mean 'RandomNoise'?"),
        ("experiments.age.train.augment", [{"RandomNoise": {"sd": 1}}], "'sd' is not an argument"),
    ],
)
def test_mistake_is_named_with_its_mend(path: str, value: Any, said: str) -> None:
    assert said in complaint(path, value)


def test_a_public_collection_needs_nothing_else() -> None:
    config = read_config(changed("data", [{"source": "ixi", "modality": ["T1", "T2"]}]) | NO_MASK)
    (ixi,) = config.data
    assert ixi.channels == {
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
