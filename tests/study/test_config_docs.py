"""What is generated from the config's model is up to date."""

from __future__ import annotations

import json
import re
from pathlib import Path

from headstart.study import config_docs
from headstart.tasks import TASKS
from headstart.training import torchio_names
from headstart.training.config import Train
from headstart.training.registry import networks_for

PROJECT = Path(__file__).resolve().parents[2]


def test_schema_file_matches_the_model() -> None:
    assert (PROJECT / "workflow/schemas/config.schema.json").read_text() == config_docs.schema()


def test_table_of_keys_matches_the_model() -> None:
    readme = (PROJECT / "config/README.md").read_text()
    assert config_docs.with_keys(readme) == readme


def test_each_task_is_told_with_the_networks_that_it_takes() -> None:
    told = str(Train.model_fields["network"].description)
    for name, task in TASKS.items():
        fitting = networks_for(per_voxel=task.per_voxel, local=task.local)
        assert re.search(rf"(^|\), ){', '.join(fitting)} \([^)]*{name}", told)


def test_transforms_match_the_installed_torchio() -> None:
    assert json.loads(Path(torchio_names.TABLE).read_text()) == config_docs.torchio_transforms()
