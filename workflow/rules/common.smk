# The settings of this run, and the files that several stages wait for.

import sys
from pathlib import Path

if workflow.is_main_process:
    # jobs find the copy of the package that the main process put on PYTHONPATH
    sys.path.insert(0, str(Path(workflow.basedir, "workflow")))

from headstart.parts.errors import UserError
from headstart.parts.replan import retraining
from headstart.parts.settings import start

try:
    settings = start(config, Path(workflow.basedir), main=workflow.is_main_process)
    told = (
        [settings.unaccepted, retraining(settings)] if workflow.is_main_process else []
    )
except UserError as error:
    # not a WorkflowError, which would name a line of this file as the culprit
    print(f"headstart: {error}", file=sys.stderr)
    sys.exit(2)

for words in filter(None, told):
    print(words, file=sys.stderr)


envvars:
    "HEADSTART_SETTINGS",
    "PYTHONPATH",


workdir: settings.results


pathvars:
    study=settings.config.study,


wildcard_constraints:
    experiment="[a-z0-9][a-z0-9-]*",
    folder="[a-z0-9][a-z0-9-]*",
    shard=r"\d+",
    fold=r"\d+",
    seed=r"\d+",


SHARDS = settings.shards
# What is fetched must be there for whoever reads raw scans, but labels.csv tells whether it changed.
FETCHED = ancient(settings.fetched)
# Every file that label, check, split and prepare leave for later stages. Stages that rest on the
# cohort list all that lies above them: what is rebuilt with the same bytes then stops there.
SHARDED = [
    expand("<study>/label/shards/{shard}.csv", shard=SHARDS),
    expand("<study>/check/shards/{shard}.csv", shard=SHARDS),
]
CHECKED = [
    "<study>/label/labels.csv",
    *SHARDED,
    "<study>/check/passed.csv",
    "<study>/check/summary.csv",
]
COHORT = [
    *CHECKED,
    "<study>/split/splits.csv",
    expand("<study>/prepare/shard-{shard}.json", shard=SHARDS),
]
# The volumes must be there, but their sha256 in the .json says whether they changed.
VOLUMES = ancient(
    expand("<study>/prepare/shard-{shard}{kind}.npy", shard=SHARDS, kind=["", "-mask"])
)
# Nothing is trained or judged before the audit found no leak. That it was made anew is no reason.
AUDIT = ancient("<study>/split/audit.json")
PREPARED = Path(settings.config.study, "prepare")
RUNS = Path(settings.config.study, "runs")


def choice(wildcards, names):
    """The part of the settings that the named wildcards pick."""
    return {
        name: wildcards[name] if name == "experiment" else int(wildcards[name])
        for name in names
    }


def slice_of(stage, *chosen_by):
    """A params function: a stage's settings, picked by the wildcards that are named."""
    return lambda wildcards: settings.slice(stage, **choice(wildcards, chosen_by))


def upstream_of(stage, *chosen_by):
    """A params function: a digest of all that a result rests on, picked like its settings."""
    return lambda wildcards: settings.upstream(stage, **choice(wildcards, chosen_by))


def untracked(value):
    """A params function: a function of the output is not compared with the last run's."""
    return lambda wildcards, output: value


def of_every_run(pattern):
    """An input function: the pattern's file of every fold and seed of an experiment."""
    return lambda wildcards: expand(
        pattern,
        experiment=wildcards.experiment,
        fold=settings.config.folds(wildcards.experiment),
        seed=settings.config.experiments[wildcards.experiment].seeds,
    )


def figures_of(wildcards):
    """The figures that a folder's manifest lists: the cohort's, or an experiment's."""
    names = settings.figures(wildcards.folder)
    return expand(
        "<study>/figures/{folder}/{name}.pdf", folder=wildcards.folder, name=names
    )
