"""What a person names on a command line: a study, an experiment or a run, in one way everywhere.

`my-study`, `my-study/age`, `my-study/age/fold-0/seed-1`; in place of the study's name also its
config file or its results folder, and any path below that.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic import ValidationError

from headstart.common import study_paths
from headstart.common.errors import UserError
from headstart.common.run_id import CARD
from headstart.common.run_id import FOLDER
from headstart.common.run_id import HISTORY
from headstart.common.run_id import IDENTITY
from headstart.common.run_id import RunId
from headstart.common.run_id import named_by
from headstart.common.strict_yaml import read_study
from headstart.study.like import plain_experiments
from headstart.study.study_words import DEFAULT

CONFIGS = Path("config")
RESULTS = Path("results")


# What is looked for in a file that says more, `Config`: `plot` imports this module, and its code
# must not rest on that of training.
class _Resolved(BaseModel):
    experiments: list[tuple[str, Any]]


@dataclass(frozen=True)
class Named:
    """What a name stands for.

    Attributes:
        study: Name of the study.
        file: Its config file; None where only its results are known.
        results: Its results root.
        experiment: The experiment, if one is named.
        fold: The fold, if one is named.
        seed: The seed, if one is named.
    """

    study: str
    file: Path | None
    results: Path
    experiment: str | None = None
    fold: int | None = None
    seed: int | None = None

    @property
    def folder(self) -> Path:
        """Folder of the study's results."""
        return self.results / self.study

    @property
    def called(self) -> str:
        """What the study is called on a command line that is typed here."""
        return called(self.study, self.results)

    def includes(self, run: RunId) -> bool:
        """Whether a training is one of those that are named."""
        asked = (self.experiment, self.fold, self.seed)
        return all(wanted in (None, is_) for wanted, is_ in zip(asked, run, strict=True))


def find(name: str, results: Path | None = None) -> Named:
    """Find what a name stands for.

    Args:
        name: As typed.
        results: The results root, where it is neither `results` nor what the config says.

    Raises:
        UserError: If there is no such study, experiment or run; says what there is.
    """
    return _in_results(name) or _by_name(name, results)


def called(study: str, results: Path, project: Path = Path()) -> str:
    """Return what a study is called on a command line that is typed in the project's folder.

    Args:
        study: Name of the study.
        results: Its results root.
        project: Folder of the checkout.

    Returns:
        Its name, or its results folder where the name leads elsewhere; quoted for a shell.
    """
    here, folder = project.resolve(), (project / results / study).resolve()
    if (here / _usual_root(study, study_files(project)) / study).resolve() == folder:
        return shlex.quote(study)
    return shlex.quote(str(folder.relative_to(here) if folder.is_relative_to(here) else folder))


def study_files(project: Path = Path()) -> dict[str, Path]:
    """Return the config file of each study in `config/`, by the study's name."""
    found: dict[str, Path] = {}
    # where several have the same study, the first counts, and the default one before all
    for path in [*sorted((project / CONFIGS).glob("*.yaml"), reverse=True), project / DEFAULT]:
        name = _read(path).get("study")
        if isinstance(name, str):
            found[name] = path
    return found


def _in_results(name: str) -> Named | None:
    """Take a path in the results folder of a study."""
    path = Path(name)
    for folder in (path, *path.parents):
        if (folder / study_paths.CONFIG).is_file() and folder.name:
            found = Named(folder.name, study_files().get(folder.name), folder.parent)
            if not path.exists():
                return _with_rest(found, path.relative_to(folder).parts)
            # in the folder of a stage, as an experiment's figures and its trainings lie there
            stage = path if path.is_dir() else path.parent
            rest = named_by(Path(*stage.relative_to(folder).parts[1:]))
            return _with_rest(found, rest)
    return None


def _by_name(name: str, results: Path | None) -> Named:
    """Take the name or the config file of a study, and what follows it."""
    parts = Path(name.rstrip("/")).parts
    for length in range(len(parts), 0, -1):
        file = Path(*parts[:length])
        if file.is_file():
            raw = read_study(file)
            root = results or Path(str(raw.get("results", RESULTS)))
            return _with_rest(Named(str(raw.get("study", "")), file, root), parts[length:])
    if name.endswith((".yaml", ".yml")):
        raise UserError(f"{name}: there is no such file; name the study's config file")
    study, *rest = parts or ("",)
    files = study_files()
    root = results or _usual_root(study, files)
    if study not in files and not (root / study / study_paths.CONFIG).is_file():
        known = sorted(
            {*files, *(path.parent.name for path in root.glob(f"*/{study_paths.CONFIG}"))}
        )
        raise UserError(
            f"{name}: there is no study '{study}'; there are: {', '.join(known) or 'none yet'}; "
            "a study is named by its name, its config file or its results folder"
        )
    return _with_rest(Named(study, files.get(study), root), tuple(rest))


def _usual_root(study: str, files: Mapping[str, Path]) -> Path:
    """Return the results root that a study's name leads to."""
    said = _read(files[study]) if study in files else {}
    return Path(str(said.get("results", RESULTS)))


def _with_rest(found: Named, rest: tuple[str, ...]) -> Named:
    if not rest:
        return found
    experiment, *runs = rest
    known = _experiments(found)
    if experiment not in known:
        raise UserError(
            f"{found.study}: has no experiment '{experiment}'; there are: {', '.join(known)}"
        )
    numbers: dict[str, int] = {}
    for part in runs:
        key, dash, number = part.partition("-")
        if key not in ("fold", "seed") or not dash or not number.isdecimal():
            raise UserError(
                f"{found.study}/{experiment}: '{part}' is no run; write fold-0/seed-0, or leave it "
                "out for all"
            )
        numbers[key] = int(number)
    return Named(found.study, found.file, found.results, experiment, **numbers)


def _experiments(found: Named) -> list[str]:
    if found.file is not None:
        written = _read(found.file).get("experiments")
        return list(plain_experiments(written)) if isinstance(written, Mapping) else []
    path = found.folder / study_paths.CONFIG
    try:
        config = _Resolved.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise UserError(
            f"{path}: is damaged, or of another version of headstart; move {path.parent} away"
        ) from error
    return [name for name, _ in config.experiments]


def _read(path: Path) -> Mapping[str, Any]:
    """Read a config file; another one's mistakes are said when it is asked for."""
    try:
        return read_study(path)
    except UserError:
        return {}


def runs_of(name: str, results: Path | None = None) -> list[Path]:
    """Return the folders of finished trainings that a name stands for.

    Args:
        name: As for `find`; or a folder with a model from elsewhere.
        results: As for `find`.

    Raises:
        UserError: If there is none.
    """
    if (Path(name) / CARD).is_file():
        return [Path(name)]
    found = find(name, results)
    if found.experiment is None:
        known = ", ".join(f"{found.called}/{one}" for one in _experiments(found))
        raise UserError(f"{name}: say which experiment: {known}")
    runs = sorted(_finished(found))
    if not runs:
        raise UserError(
            f"{name}: has no finished training; `headstart status {found.called}` says why"
        )
    return runs


def newest_history(name: str) -> Path:
    """Return the history.csv, live or finished, of the newest training that a name stands for.

    Args:
        name: As for `find`; or a history.csv from elsewhere.

    Raises:
        UserError: If there is none.
    """
    if Path(name).suffix == ".csv":
        return Path(name)
    found = find(name)
    histories = [run / HISTORY for run in (*_finished(found), *_attempts(found))]
    histories = [path for path in histories if path.is_file()]
    if not histories:
        raise UserError(f"{name}: has no epoch yet; `headstart status {found.called}` says why")
    return max(histories, key=lambda path: path.stat().st_mtime)


def _attempts(found: Named) -> Iterator[Path]:
    """Return the folders of attempts in the run store that a name stands for."""
    for path in found.folder.glob(f"{study_paths.STORE}/*/{IDENTITY}"):
        if found.includes(RunId.stored(path.parent)):
            yield from path.parent.glob("attempt-*")


def _finished(found: Named) -> Iterator[Path]:
    fold = "*" if found.fold is None else found.fold
    seed = "*" if found.seed is None else found.seed
    folder = FOLDER.format(experiment=found.experiment or "*", fold=fold, seed=seed)
    return (path.parent for path in found.folder.glob(f"train/{folder}/{CARD}"))
