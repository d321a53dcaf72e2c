"""MONAI's DynUNet, which answers as nnU-Net does while it is trained."""

from __future__ import annotations

from monai.networks.nets import dynunet
from torch import Tensor


class DynUNet(dynunet.DynUNet):
    """MONAI's DynUNet; with deep supervision it answers at each resolution.

    MONAI's own enlarges what it says at lower resolutions before its loss sees it.
    """

    def forward(self, volumes: Tensor) -> Tensor | list[Tensor]:
        """Map volumes to logits, or in training to a list of them, the full resolution first."""
        output = self.output_block(self.skip_layers(volumes))
        return [output, *self.heads] if self.training and self.deep_supervision else output
