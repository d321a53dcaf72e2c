"""A trained network as it is taken up again, and what it says of a scan."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from cards import make_card
from cards import make_run
from safetensors.torch import save_file
from steps import Small
from torch import nn

from headstart.common import files
from headstart.common.errors import UserError
from headstart.tasks.regression import Regression
from headstart.tasks.segmentation import Segmentation
from headstart.training import own_network
from headstart.training.card import ModelCard
from headstart.training.config import Train
from headstart.training.inference import NotFiniteError
from headstart.training.inference import load_network
from headstart.training.inference import predict_scan
from headstart.training.networks import build_network

CPU = torch.device("cpu")
NETWORK = """
from torch import nn

class Net(nn.Module):
    def __init__(self, in_channels, out_channels, width=2):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv3d(in_channels, width, 1), nn.BatchNorm3d(width), nn.AdaptiveAvgPool3d(1),
            nn.Flatten(), nn.Dropout(), nn.Linear(width, out_channels),
        )

    def forward(self, volumes):
        return self.layers(volumes)
"""


def scan(*voxels):
    volume = np.full((1, 4, 4, 4), 0.5, np.float16)
    volume.flat[: len(voxels)] = voxels
    return SimpleNamespace(subject="s1", session="2", volume=lambda: volume, optional=())


def test_a_scan_is_seen_alone_as_it_was_prepared():
    network = Small().eval()
    output = predict_scan(network, scan(3.0, 4.0), CPU)
    volume = torch.full((1, 1, 4, 4, 4), 0.5)
    volume[0, 0, 0, 0, :2] = torch.tensor([3.0, 4.0])
    assert output.shape == (1, 1)
    assert torch.equal(output, network(volume))
    assert not output.requires_grad


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_output_that_is_no_number_is_told_by_its_cause(value):
    class Broken(nn.Module):
        def forward(self, volumes):
            return volumes.mean((2, 3, 4)) * value

    said = "subject 's1', session '2': the network gives numbers that are not finite; train it"
    with pytest.raises(NotFiniteError, match=said):
        predict_scan(Broken(), scan(), CPU)
    said = "subject 's1', session '2': its prepared volume is not finite; prepare it again"
    with pytest.raises(NotFiniteError, match=said):
        predict_scan(Broken(), scan(value), CPU)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_one_voxel_that_is_no_number_is_enough(value):
    class Broken(nn.Module):
        def forward(self, volumes):
            output = volumes.clone()
            output[0, 0, 2, 1, 3] = value
            return output

    with pytest.raises(NotFiniteError, match="the network gives numbers that are not finite"):
        predict_scan(Broken(), scan(), CPU)


@pytest.fixture
def trained(tmp_path):
    """The folder of a network of the user's own, published in `model`; and its weights."""
    (tmp_path / "net.py").write_text(NETWORK)
    (tmp_path / "model").mkdir()
    weights = {
        **{"layers.0.weight": torch.randn(3, 2, 1, 1, 1), "layers.0.bias": torch.randn(3)},
        **{"layers.1.weight": torch.randn(3), "layers.1.bias": torch.randn(3)},
        **{"layers.1.running_mean": torch.randn(3), "layers.1.running_var": torch.rand(3)},
        "layers.1.num_batches_tracked": torch.tensor(7),
        **{"layers.5.weight": torch.randn(1, 3), "layers.5.bias": torch.randn(1)},
    }
    settings = Train(network="net.py:Net", network_arguments={"width": 3}, threads=1)
    card = make_card(
        make_run(train=settings, channels=("T1", "T2")),
        state=Regression(40.0, 10.0).state(),
        network_digest=own_network.digest("net.py:Net", tmp_path),
    )
    publish(tmp_path / "model", card, weights)
    return tmp_path, weights


def publish(model, card, weights):
    save_file(weights, model / "model.safetensors")
    digest = files.sha256(model / "model.safetensors")
    card.model_copy(update={"weights_sha256": digest}).write(model)


def load(folder, networks="as trained"):
    model = folder / "model"
    networks = folder if networks == "as trained" else networks
    return load_network(model, ModelCard.read(model), networks, "cpu")


def test_it_is_what_was_trained(trained):
    folder, weights = trained
    torch.set_num_threads(2)
    found = load(folder)
    assert found.task == Regression(40.0, 10.0)
    assert (found.place.type, torch.get_num_threads()) == ("cpu", 1)
    assert not any(module.training for module in found.network.modules())
    loaded = found.network.state_dict()
    assert loaded.keys() == weights.keys()
    assert all(torch.equal(loaded[name], value) for name, value in weights.items())


def test_code_of_whoever_trained_it_is_not_run_unasked(trained):
    folder, _ = trained
    with pytest.raises(UserError, match=r"net\.py:Net; look into that file, and if you trust it"):
        load(folder, networks=None)


def test_an_edited_network_is_another_one(trained):
    folder, _ = trained
    with (folder / "net.py").open("a") as file:
        file.write("# edited\n")
    with pytest.raises(UserError, match=r"net\.py:Net: was edited, or a file"):
        load(folder)


def test_weights_that_were_changed_are_refused(trained):
    folder, weights = trained
    save_file(
        {name: value + 1 for name, value in weights.items()}, folder / "model/model.safetensors"
    )
    with pytest.raises(UserError, match=r"model\.safetensors: was damaged or edited"):
        load(folder)


def test_weights_of_another_network_are_refused(trained):
    folder, weights = trained
    card = ModelCard.read(folder / "model")
    publish(folder / "model", card, {"layers.0.weight": weights["layers.0.weight"]})
    with pytest.raises(UserError, match="the weights do not fit the network that its card"):
        load(folder)


def test_no_network_is_refused_for_what_the_computer_lacks(trained, monkeypatch):
    def fail(*_):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(nn.Module, "load_state_dict", fail)
    with pytest.raises(RuntimeError, match="can't allocate memory"):
        load(trained[0])


def test_a_network_with_several_resolutions_answers_at_the_full_one(tmp_path):
    arguments = {"channels": [4, 4, 4], "blocks": [1, 1, 1]}
    settings = Train(network="resenc_unet", network_arguments=arguments, deep_supervision=True)
    channels = {"in_channels": 1, "out_channels": 3}
    built = build_network(
        "resenc_unet", arguments, **channels, folder=tmp_path, deep_supervision=True
    )
    task = Segmentation(("left", "right"))
    (tmp_path / "model").mkdir()
    card = make_card(make_run(task="segmentation", train=settings), state=task.state())
    publish(tmp_path / "model", card, built.state_dict())
    network = load(tmp_path, networks=None).network
    volumes = torch.rand(1, 1, 8, 8, 8)
    with torch.inference_mode():
        assert torch.equal(network(volumes), built.train()(volumes)[0])
