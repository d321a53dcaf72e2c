"""What is frozen stays, what has a factor learns by it, and what matches nothing is refused."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file
from small_study import SmallStudy
from torch import nn

from headstart.common.errors import UserError
from headstart.training import frozen
from headstart.training.frozen import check_patterns
from headstart.training.frozen import parameter_groups
from headstart.training.start import Start
from headstart.training.train import train


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    study = SmallStudy(tmp_path_factory.mktemp("frozen") / "study")
    go(study, "parent")
    return study


def go(study, name, start=None, keep="last", **more):
    run = study.run(start=start, keep=keep, epochs=2, **more)
    parent = study.folder / "parent/model.safetensors" if start else None
    study.train(run, study.folder / name, study.folder / "runs" / name, start=parent)
    return load_file(study.folder / name / "model.safetensors")


def start(**more):
    return {"from": "parent/model.safetensors"} | more


@pytest.mark.parametrize("keep", ["last", "ema"])
def test_frozen_weights_and_statistics_stay_and_the_rest_learns(study, keep):
    parent = load_file(study.folder / "parent/model.safetensors")
    child = go(study, f"frozen-{keep}", start(freeze=["features.[01]"]), keep)
    free = go(study, f"free-{keep}", start(), keep)
    compared = {name for name in parent if parent[name].is_floating_point()}
    kept = {name for name in compared if name.startswith("features.")}
    assert {"features.0.weight", "features.1.running_mean"} < kept < compared
    assert {name for name in compared if torch.equal(parent[name], child[name])} == kept
    assert not any(torch.equal(parent[name], free[name]) for name in compared)


@pytest.mark.parametrize("freeze", [None, ["1"]])
def test_what_a_network_itself_does_not_learn_stays_so(freeze):
    """Fixed filters of the user's own, or the positions of MONAI's ViT by sine and cosine."""
    fixed = network()
    fixed[0][0].requires_grad_(requires_grad=False)
    before = {name for name, weights in fixed.named_parameters() if not weights.requires_grad}
    frozen.freeze(fixed, freeze and Start(**{"from": "p.pt"}, freeze=freeze))
    now = {name for name, weights in fixed.named_parameters() if not weights.requires_grad}
    assert now == before | ({"1.weight", "1.bias"} if freeze else set())


def test_a_factor_makes_a_module_learn_so_much_slower(study):
    parent = load_file(study.folder / "parent/model.safetensors")
    sgd = {"optimizer": "sgd", "learning_rate": 1e-4, "weight_decay": 0, "epochs": 1}
    name = "features.0.weight"

    def moved(label, **more):
        run = study.run(start=start(**more), keep="last", **{**sgd})
        paths = {"store": study.folder / "runs" / label, "output": study.folder / label}
        place = study.folder / "parent/model.safetensors"
        train(
            run=run,
            code="c",
            **study.inputs,
            **paths,
            networks=study.folder,
            start=place,
            device="cpu",
        )
        return load_file(study.folder / label / "model.safetensors")[name] - parent[name]

    whole, tenth = moved("whole"), moved("tenth", rate={"features": 0.1})
    assert whole.norm() > 0
    assert (tenth.norm() / whole.norm()).item() == pytest.approx(0.1, rel=0.02)


def network():
    return nn.Sequential(
        nn.Sequential(nn.Conv3d(1, 2, 1), nn.BatchNorm3d(2)), nn.Linear(2, 1), nn.Linear(1, 1)
    )


@pytest.mark.parametrize(
    ("written", "new", "said"),
    [
        (
            {"freeze": ["featurs"]},
            (),
            "freeze: 'featurs' is no module of this network; there are: 0",
        ),
        ({"rate": {"9": 2}}, (), "rate: '9' is no module of this network; there are: 0, 0.0, 0.1"),
        ({"rate": {"0": 2, "0.0": 3}}, (), "rate: 0 and 0.0 both match a weight"),
        (
            {"freeze": ["0"], "rate": {"0.0": 0.1}},
            (),
            "rate: 0.0 learns nothing, as train.start.freeze keeps it as it is; take it out of one",
        ),
        ({"freeze": ["*"]}, (), "freeze: freezes the whole network; leave some of it to learn"),
        (
            {"freeze": ["1"]},
            ("1.weight",),
            "freeze: 1.weight has no weights in p.pt and would stay random",
        ),
    ],
)
def test_a_pattern_without_a_meaning_is_refused(written, new, said):
    with pytest.raises(UserError, match=f"train.start.{said}".replace("(", r"\(")) as caught:
        check_patterns(network(), Start(**{"from": "p.pt"}, **written), new)
    assert "\n" not in str(caught.value)


def test_each_weight_is_in_one_group_and_frozen_ones_in_none():
    net = network()
    net[1].requires_grad_(False)
    groups = parameter_groups(net, Start(**{"from": "p.pt", "rate": {"0": 0.1}}))
    assert sorted((group["factor"], len(group["params"])) for group in groups) == [(0.1, 4), (1, 2)]
