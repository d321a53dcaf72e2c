"""The settings of a run: resolved in the main process, or read from the snapshot in a job."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from pathlib import Path
from typing import Any

from headstart.common.errors import UserError
from headstart.common.strict_yaml import overlay
from headstart.common.strict_yaml import read_study
from headstart.study.config import read_config
from headstart.study.network_trial import check_networks
from headstart.study.new_scans import plan_new_scans
from headstart.study.settings import Settings

SNAPSHOT = "HEADSTART_SETTINGS"
# Snakemake's words that keep it from looking again after a checkpoint.
CUT_SHORT = {"--until", "-U", "--omit-from", "-O"}
# Its words for the folder that the jobs work in; the settings are written into the study's.
ELSEWHERE = {"--directory", "-d"}


def run_settings(
    study: Sequence[Path],
    overrides: Mapping[str, Any],
    project: Path,
    *,
    command: Sequence[str],
    main: bool,
) -> Settings:
    """Resolve the settings in the main process, or read the snapshot in a job.

    Args:
        study: The config files, each laid over those before; not looked at in a job.
        overrides: Keys and values of the command line, likewise.
        project: Folder of the checkout.
        command: Words of the command line.
        main: Whether this is the main process.

    Returns:
        The settings. In the main process the environment then names the snapshot and puts the
        copy of the package first on PYTHONPATH, for the jobs to come.
    """
    # `headstart` is found also where the environment was not activated
    _prepend("PATH", Path(sys.executable).parent)
    if not main:
        return Settings.read(Path(os.environ[SNAPSHOT]))
    if set("{}") & set(str(project)):
        raise UserError(
            f"{project}: this folder has braces in its name, which Snakemake takes for a wildcard "
            "in the paths of its rules; rename it"
        )
    if cut := {word.partition("=")[0] for word in command} & CUT_SHORT:
        raise UserError(
            f"{cut.pop()} ends a run at its first checkpoint, as if all were done; name what you "
            "want instead: `cohort`, or files such as STUDY/figures/EXPERIMENT/manifest.json"
        )
    if placed := {word.partition("=")[0] for word in command} & ELSEWHERE:
        raise UserError(
            f"{placed.pop()} says where the jobs work, which is where the results lie; write "
            "`results: FOLDER` into the study, or add `--config results=FOLDER`"
        )
    # where --profile sge finds its commands
    _prepend("PATH", project / "profiles" / "sge" / "bin")
    raw = reduce(overlay, [*map(read_study, study), overrides])
    try:
        read_config(raw)
    except UserError as error:
        where = ", ".join(map(str, study)) + (" with --config" if overrides else "")
        raise UserError("\n".join(f"{where}: {line}" for line in str(error).split("\n"))) from None
    settings = Settings.resolve(raw, project)
    settings = replace(settings, new_scans=plan_new_scans(settings.config, project))
    try:
        # Snakemake works there, in a dry run too
        settings.results.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, FileNotFoundError, NotADirectoryError) as error:
        raise UserError(
            f"results: {settings.results} can't be a folder ({error.strerror}); name another one"
        ) from None
    check_networks(settings.config, project)
    os.environ[SNAPSHOT] = str(settings.snapshot)
    # nothing else: what a site's module puts there would come before the environment's packages
    os.environ["PYTHONPATH"] = str(settings.code_copy)
    return settings


def _prepend(variable: str, folder: Path) -> None:
    inherited = os.environ.get(variable)
    os.environ[variable] = os.pathsep.join(filter(None, (str(folder), inherited)))
