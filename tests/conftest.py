"""What several test files share."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from hypothesis import settings

PROJECT = Path(__file__).resolve().parent.parent

# A shell that runs the tests in the background makes them, and all they start, deaf to Ctrl-C,
# which some tests send.
signal.signal(signal.SIGINT, signal.default_int_handler)

# No test asserts how long something takes: a crowded machine is slow.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


LONG = ("xdist_group", "slow")  # markers


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes long, first the groups that one process must run.

    Begun last, it would keep one process at work while the others have nothing left to do.
    """
    items.sort(key=lambda item: [not item.get_closest_marker(name) for name in LONG])


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder with real scans; the test is skipped where there is none."""
    beside = PROJECT.parent / "shared"
    folder = Path(os.environ.get("HEADSTART_SHARED", beside)) / "data"
    if not folder.is_dir():
        pytest.skip(f"no real scans in {folder} (HEADSTART_SHARED names the folder above)")
    return folder
