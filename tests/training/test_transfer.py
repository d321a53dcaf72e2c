"""Another network's weights in ours: matched, adapted, random, refused."""

from __future__ import annotations

from collections import OrderedDict
from types import SimpleNamespace

import pytest
import torch
from cards import make_run
from monai.networks.nets.resnet import ResNet
from torch import nn

from headstart.common.errors import UserError
from headstart.training.parent import Parent
from headstart.training.sfcn import SFCN
from headstart.training.start import Start
from headstart.training.transfer import start_from
from headstart.training.weight_match import match

WIDTHS = (4, 8, 8)


def sfcn(channels=1, answers=2, seed=0, widths=WIDTHS):
    torch.manual_seed(seed)
    return SFCN(channels, answers, widths).eval()


def published_sfcn(answers=40):
    """Tensors in the names and order of Peng et al.'s own code, in DataParallel."""
    weights = list(sfcn(answers=answers, seed=1).state_dict().items())
    layers = ["0.weight", "0.bias", "1.weight", "1.bias", "1.running_mean", "1.running_var"]
    layers.append("1.num_batches_tracked")
    names = [f"feature_extractor.conv_{n}.{part}" for n in range(len(WIDTHS)) for part in layers]
    names += ["classifier.conv_3.weight", "classifier.conv_3.bias"]
    return OrderedDict((f"module.{n}", w) for n, (_, w) in zip(names, weights, strict=True))


def saved(tmp_path, weights, name="parent.pt"):
    path = tmp_path / name
    torch.save(weights, path)
    return Parent(Start(**{"from": name}), path, "ab" * 32)


def begin(network, parent, channels=1, answers=2, optional=0):
    names = tuple(f"c{number}" for number in range(channels))
    run = make_run(channels=names, optional=names[channels - optional :])
    return start_from(network, parent, run, SimpleNamespace(out_channels=answers))


def volumes(*shape):
    return torch.rand(2, *shape, 8, 8, 8, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda weights: weights,
        lambda weights: {"state_dict": {f"model.{name}": w for name, w in weights.items()}},
        lambda weights: {
            "epoch": 3,
            "network_weights": {f"module.{n}": weights[n] for n in weights},
        },
        lambda weights: {"model": {f"module.backbone.{n}": w for n, w in weights.items()}},
    ],
)
def test_the_same_network_answers_the_same_after_the_start(tmp_path, capsys, wrapped):
    parent, child = sfcn(seed=1), sfcn(seed=2)
    card = begin(child, saved(tmp_path, wrapped(parent.state_dict())))
    assert torch.equal(child(volumes(1)), parent(volumes(1)))
    assert (card.share, card.adapted, card.new, card.left_out) == (1.0, {}, {}, ())
    assert "matched   20 tensors, 100.0% of the network's weights" in capsys.readouterr().err


def test_the_published_sfcn_is_matched_by_its_order_and_its_answer_is_new(tmp_path, capsys):
    weights, child = published_sfcn(), sfcn(answers=1, seed=2)
    fresh = child.head[2].weight.clone()
    card = begin(child, saved(tmp_path, weights, "sfcn.p"), answers=1)
    features = sfcn(answers=40, seed=1).features
    assert torch.equal(child.features(volumes(1)), features(volumes(1)))
    assert torch.equal(child.head[2].weight, fresh)
    assert list(card.new) == ["head.2.weight", "head.2.bias"]
    assert card.share == 1.0
    said = capsys.readouterr().err
    assert (
        "head.2.weight: (1, 8, 1, 1, 1) here, (40, 8, 1, 1, 1) in the file: another output" in said
    )
    assert "no model card lies beside it" in said


def test_medicalnet_s_resnet_is_matched_by_name_without_its_decoder(tmp_path):
    def resnet(answers):
        widths = [4, 8, 8, 8]
        kind = {"shortcut_type": "A", "conv1_t_stride": 2, "n_input_channels": 1}
        return ResNet("basic", [2, 2, 2, 2], widths, num_classes=answers, **kind)

    torch.manual_seed(1)
    parent, child = resnet(3), resnet(2)
    theirs = {f"module.{n}": w for n, w in parent.state_dict().items() if not n.startswith("fc.")}
    theirs["module.conv_seg.0.weight"] = torch.rand(8, 2, 2, 2, 2)
    card = begin(child, saved(tmp_path, {"state_dict": theirs}, "resnet_18.pth"))
    for name, tensor in parent.state_dict().items():
        if not name.startswith("fc.") and tensor.is_floating_point():
            assert torch.equal(child.state_dict()[name], tensor), name
    assert card.new == {"fc.weight": "not in the file", "fc.bias": "not in the file"}
    assert card.left_out == ("module.conv_seg.0.weight",)
    assert card.share > 0.99


@pytest.mark.parametrize("channels", [2, 3])
def test_one_channel_is_spread_over_several_that_are_alike(tmp_path, capsys, channels):
    parent, child = sfcn(1, seed=1), sfcn(channels, seed=2)
    card = begin(child, saved(tmp_path, parent.state_dict()), channels)
    one = volumes(1)
    torch.testing.assert_close(child(one.expand(-1, channels, -1, -1, -1)), parent(one))
    how = f"1 channel repeated for {channels}, divided by {channels}"
    assert card.adapted == {"features.0.0.weight": how}
    assert f"adapted   features.0.0.weight: {how}" in capsys.readouterr().err


def test_several_channels_are_summed_to_one(tmp_path):
    parent, child = sfcn(3, seed=1), sfcn(1, seed=2)
    card = begin(child, saved(tmp_path, parent.state_dict()))
    one = volumes(1)
    torch.testing.assert_close(child(one), parent(one.expand(-1, 3, -1, -1, -1)))
    assert card.adapted == {"features.0.0.weight": "3 channels summed to 1"}


@pytest.mark.parametrize(
    ("theirs", "how"),
    [
        (1, "1 channel repeated for 2, divided by 2, 1 for flags of optional channels, from 0"),
        (2, "1 for flags of optional channels, from 0"),
    ],
)
def test_flags_change_no_answer_at_first(tmp_path, theirs, how):
    parent, child = sfcn(theirs, seed=1), sfcn(3, seed=2)
    card = begin(child, saved(tmp_path, parent.state_dict()), channels=2, optional=1)
    seen = volumes(theirs)
    for flag in (0, 1):
        flags = torch.full_like(seen[:, :1], flag)
        said = child(torch.cat([seen.expand(-1, 2, -1, -1, -1), flags], 1))
        torch.testing.assert_close(said, parent(seen))
    assert card.adapted == {"features.0.0.weight": how}
    assert not card.new


def test_two_channels_are_no_three(tmp_path):
    parent, child = sfcn(2, seed=1), sfcn(3, seed=2)
    fresh = child.features[0][0].weight.clone()
    card = begin(child, saved(tmp_path, parent.state_dict()), 3)
    assert torch.equal(child.features[0][0].weight, fresh)
    assert card.new == {"features.0.0.weight": "(4, 3, 3, 3, 3) here, (4, 2, 3, 3, 3) in the file"}


def test_another_network_is_refused_in_one_sentence_with_both_sides_names(tmp_path):
    other = nn.Sequential(nn.Conv3d(1, 5, 3), nn.Linear(5, 2))
    with pytest.raises(UserError) as caught:
        begin(sfcn(), saved(tmp_path, other.state_dict(), "other.pt"))
    said = str(caught.value)
    assert "other.pt has 0% of this network's weights, at least 50% must be there" in said
    assert "its first tensors are 0.weight (5, 1, 3, 3, 3), 0.bias (5,), 1.weight (2, 5)" in said
    assert "those of the network features.0.0.weight (4, 1, 3, 3, 3)" in said
    assert "\n" not in said


def test_a_wider_network_of_the_same_names_is_refused(tmp_path):
    parent = sfcn(widths=(8, 16, 16), seed=1)
    with pytest.raises(UserError, match="at least 50% must be there"):
        begin(sfcn(), saved(tmp_path, parent.state_dict()))


def test_half_of_the_weights_is_a_start_and_less_is_another_network():
    theirs = {"a.weight": torch.ones(2, 2)}
    half, less = ({"a.weight": torch.zeros(2, 2), "b.weight": torch.zeros(n)} for n in (4, 6))
    assert match(half, theirs, "w.pt", in_channels=1, out_channels=1).share == 0.5
    with pytest.raises(UserError, match=r"w\.pt has 40% of this network's weights"):
        match(less, theirs, "w.pt", in_channels=1, out_channels=1)
