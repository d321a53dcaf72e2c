"""Write the config's JSON schema, its table of keys, and the list of TorchIO's transforms."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from headstart.common import files
from headstart.study.config_docs import schema
from headstart.study.config_docs import torchio_transforms
from headstart.study.config_docs import with_keys
from headstart.training import torchio_names


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "--write", action="store_true", help="write the files; else print the schema"
    )
    parser.add_argument("--project", type=Path, default=Path(), help="folder of the checkout")


def run(arguments: argparse.Namespace) -> None:
    """Write the generated files, or print the schema."""
    if not arguments.write:
        print(schema())
        return
    readme = arguments.project / "config" / "README.md"
    files.write_text(arguments.project / "workflow/schemas/config.schema.json", schema())
    files.write_text(readme, with_keys(readme.read_text(encoding="utf-8")))
    files.write_text(torchio_names.TABLE, json.dumps(torchio_transforms(), indent=2) + "\n")
