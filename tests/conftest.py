"""What several test files share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder with real scans; the test is skipped where there is none."""
    beside = PROJECT.parent / "shared"
    folder = Path(os.environ.get("HEADSTART_SHARED", beside)) / "data"
    if not folder.is_dir():
        pytest.skip(f"no real scans in {folder} (HEADSTART_SHARED names the folder above)")
    return folder
