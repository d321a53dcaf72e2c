"""What is generated from the config's model is up to date."""

from __future__ import annotations

import json
from pathlib import Path

from headstart.study import config_docs
from headstart.training import torchio_names

PROJECT = Path(__file__).resolve().parents[2]


def test_schema_file_matches_the_model() -> None:
    assert (PROJECT / "workflow/schemas/config.schema.json").read_text() == config_docs.schema()


def test_table_of_keys_matches_the_model() -> None:
    readme = (PROJECT / "config/README.md").read_text()
    assert config_docs.with_keys(readme) == readme


def test_transforms_match_the_installed_torchio() -> None:
    assert json.loads(Path(torchio_names.TABLE).read_text()) == config_docs.torchio_transforms()
