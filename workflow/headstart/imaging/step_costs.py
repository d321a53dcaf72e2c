"""What the steps of preparation cost, measured on ten scans of IXI, 256 x 256 x 150 voxels."""

from __future__ import annotations

from headstart.imaging.config import Preparation

# CPU-seconds of a scan.
BRAIN_SECONDS, SPACE_SECONDS, ALIGN_SECONDS = 4.0, 3.0, 2.0
BIAS_SECONDS = {"brain": 4.5, "head": 10.0}  # of a channel, where N4 looks


def step_seconds(asked: Preparation, channels: int, *, masked: bool) -> float:
    """CPU-seconds that the steps take of one scan.

    Args:
        asked: What is done to each volume.
        channels: Image channels.
        masked: Whether the scans have brain masks.
    """
    where = "brain" if masked or asked.brain != "none" else "head"
    return (
        (BRAIN_SECONDS if asked.brain == "deepbet" else 0.0)
        + (0.0 if asked.bias == "none" else channels * BIAS_SECONDS[where])
        + (0.0 if asked.space == "native" else SPACE_SECONDS)
        + ALIGN_SECONDS * list(asked.align.values()).count("rigid")
    )
