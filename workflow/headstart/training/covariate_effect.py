"""What covariates add to a network's output."""

from __future__ import annotations

from torch import Tensor
from torch import nn

from headstart.training.networks import check_output

NAME = "covariate_effect"  # of the part of the network, and where its weights' names begin
HIDDEN = 32


def add_covariates(network: nn.Module, name: str, columns: int, out_channels: int) -> None:
    """Let a network see covariates beside the scan: a small perceptron of them adds to its output.

    In terms of a linear model: the output is an effect of the image plus one of the covariates, on
    the scale of the logits or of the standardised target, so that it works with every network. The
    perceptron's last layer begins at 0, and with it the network begins as it would without
    covariates. Modulating feature maps by the covariates instead (DAFT, Wolf and others 2022,
    doi:10.1016/j.neuroimage.2022.119505) takes a place within each network, and can learn that an
    image means something else at another age, which this can't.

    Args:
        network: The network; it then takes volumes and covariates, (n, columns). Its own weights
            keep their names.
        name: `train.network`, for messages.
        columns: Numbers that the covariates become; with 0 the network stays as it is.
        out_channels: What it gives for each scan.
    """
    if not columns:
        return
    last = nn.Linear(HIDDEN, out_channels)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    network.add_module(NAME, nn.Sequential(nn.Linear(columns, HIDDEN), nn.ReLU(), last))
    kind = type(network)

    def forward(self: nn.Module, volumes: Tensor, covariates: Tensor) -> Tensor:
        output = kind.forward(self, volumes)
        effect: Tensor = getattr(self, NAME)(covariates)
        # else one answer for all classes would be spread over them
        check_output(name, tuple(output.shape), tuple(effect.shape))
        return output + effect

    # of its class, not of the network: a copy of the network would run the original's
    network.__class__ = type(kind.__name__, (kind,), {"forward": forward})
