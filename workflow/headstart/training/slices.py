"""2-D networks of MONAI that see a volume slice by slice."""

from __future__ import annotations

from collections.abc import Sequence

from monai.networks.nets.resnet import ResNet
from monai.networks.nets.unet import UNet
from torch import Tensor
from torch import nn

from headstart.training.network_arguments import across


class SliceResNet(nn.Module):
    """A ResNet-18 for every slice, and one answer from the slices that it attends to.

    Gupta, Lam, Ver Steeg, Thompson 2021, slice-based set networks,
    doi:10.48550/arXiv.2102.04438. Attention begins as a plain mean.

    Args:
        in_channels: Image channels.
        out_channels: Answers: classes, or 1 for regression.
        plane: How slices lie: sagittal, coronal or axial.

    Shape:
        Input (n, in_channels, x, y, z), output (n, out_channels).

    Raises:
        ValueError: If there is no such plane.
    """

    def __init__(self, in_channels: int, out_channels: int, plane: str) -> None:
        super().__init__()
        self.axis = 2 + across(plane)
        widths = [64, 128, 256, 512]
        self.network = ResNet(
            "basic",
            [2, 2, 2, 2],
            widths,
            spatial_dims=2,
            n_input_channels=in_channels,
            conv1_t_stride=2,
            feed_forward=False,
        )
        self.attention = nn.Linear(widths[-1], 1)
        nn.init.zeros_(self.attention.weight)
        self.head = nn.Linear(widths[-1], out_channels)

    def forward(self, volumes: Tensor) -> Tensor:
        """Map volumes to logits or values."""
        features = self.network(_slices(volumes, self.axis)).unflatten(0, (len(volumes), -1))
        shares = self.attention(features).softmax(dim=1)
        return self.head((shares * features).sum(dim=1))


class SliceUNet(nn.Module):
    """A residual U-Net for every slice.

    Args:
        in_channels: Image channels.
        out_channels: Classes, with the background.
        channels: As for MONAI's UNet.
        strides: As for MONAI's UNet.
        num_res_units: As for MONAI's UNet.
        plane: How slices lie: sagittal, coronal or axial.

    Shape:
        Input (n, in_channels, x, y, z), output (n, out_channels, x, y, z).

    Raises:
        ValueError: If there is no such plane.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        channels: Sequence[int],
        strides: Sequence[int],
        num_res_units: int,
        plane: str,
    ) -> None:
        super().__init__()
        self.axis = 2 + across(plane)
        self.network = UNet(
            2, in_channels, out_channels, channels, strides, num_res_units=num_res_units
        )

    def forward(self, volumes: Tensor) -> Tensor:
        """Map volumes to logits."""
        output = self.network(_slices(volumes, self.axis))
        return output.unflatten(0, (len(volumes), -1)).movedim(1, self.axis)


def _slices(volumes: Tensor, axis: int) -> Tensor:
    """Turn (n, channels, x, y, z) into (n * slices, channels, …)."""
    return volumes.movedim(axis, 1).flatten(0, 1)
