"""A vision transformer for whole scans."""

from __future__ import annotations

import torch
from monai.networks.blocks.transformerblock import TransformerBlock
from torch import Tensor
from torch import nn


class ViT(nn.Module):
    """Tokens of cubes of voxels, MONAI's transformer blocks, and the mean of what they give.

    Dosovitskiy and others 2021, doi:10.48550/arXiv.2010.11929. With sines and cosines for the
    cubes' places and a mean in place of a class token, as Beyer, Zhai and Kolesnikov 2022
    (doi:10.48550/arXiv.2205.01580) found to be better and simpler: any window works that the
    patch size divides. By default as small as ViT-Ti (Touvron and others 2021,
    doi:10.48550/arXiv.2012.12877).

    Args:
        in_channels: Image channels.
        out_channels: Answers: classes, or 1 for regression.
        patch_size: Voxels of a cube, each way.
        hidden_size: Width of a token; 6 divides it.
        mlp_dim: Width of the layer between two tokens.
        num_layers: Transformer blocks.
        num_heads: Heads of the attention; their number divides hidden_size.
        dropout_rate: Share of the features dropped in each block.

    Shape:
        Input (n, in_channels, x, y, z), output (n, out_channels).

    Raises:
        ValueError: If hidden_size can't be divided so.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        patch_size: int = 16,
        hidden_size: int = 192,
        mlp_dim: int = 768,
        num_layers: int = 12,
        num_heads: int = 3,
        dropout_rate: float = 0.0,
    ) -> None:
        super().__init__()
        if hidden_size % 6:
            raise ValueError(f"hidden_size needs to be a multiple of 6, but is {hidden_size}")
        self.patches = nn.Conv3d(in_channels, hidden_size, patch_size, patch_size)
        self.blocks = nn.Sequential(
            *(
                TransformerBlock(hidden_size, mlp_dim, num_heads, dropout_rate, qkv_bias=True)
                for _ in range(num_layers)
            )
        )
        self.norm = nn.LayerNorm(hidden_size)
        self.head = nn.Linear(hidden_size, out_channels)

    def forward(self, volumes: Tensor) -> Tensor:
        """Map volumes to logits or values."""
        grid = self.patches(volumes)
        tokens = grid.flatten(2).transpose(1, 2) + _places(grid)
        return self.head(self.norm(self.blocks(tokens)).mean(dim=1))


def _places(grid: Tensor) -> Tensor:
    """Write where each token is, (tokens, width), for a grid of them (n, width, x, y, z)."""
    width, *lengths = grid.shape[1:]
    rates = 10_000 ** -torch.linspace(0, 1, width // 6, device=grid.device)
    axes = [torch.arange(length, device=grid.device) for length in lengths]
    places = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).flatten(0, 2)
    angles = places[..., None] * rates
    return torch.cat((angles.sin(), angles.cos()), dim=-1).flatten(1)
