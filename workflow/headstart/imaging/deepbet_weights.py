"""Where the weights lie that brains are found with: in the wheel of deepbet, installed as data.

Its code is never imported, so that what it needs besides torch need not come: three packages under
the LGPL, and a window toolkit.
"""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

from headstart.common.errors import UserError

VERSION = "1.0.2"
FILES = ("bbox_model.pt", "model.pt")  # where the head's brain is, and which voxels are of it


def deepbet_weights() -> tuple[Path, Path]:
    """Return the paths of the two networks.

    Raises:
        UserError: If they are not installed, or of another version.
    """
    try:
        found = metadata.distribution("deepbet")
    except metadata.PackageNotFoundError:
        found = None
    if found is None or found.version != VERSION:
        raise UserError(
            f"prepare.brain: deepbet needs the weights of deepbet {VERSION}, which are not "
            "installed here; type: pip install --no-deps -r envs/weights.txt"
        )
    first, second = (Path(str(found.locate_file(f"data/models/{name}"))) for name in FILES)
    return first, second
