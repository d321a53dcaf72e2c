"""Memory in pages of 2 MB, where the system gives them to whoever asks for them.

A convolution of few channels is a product of matrices for torch, of which one has 27 times a
tile's voxels and channels: 95 MB are taken and given back for each layer and tile. Brought in by
4 kB each, they cost half as much as the work itself. numpy asks by itself.
"""

from __future__ import annotations

import os


def ask_for_large_pages() -> None:
    """Have torch ask for them; to be called before it takes any memory."""
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
