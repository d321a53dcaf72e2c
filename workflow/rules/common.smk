# The settings of this run, and the files that several stages wait for.

import shlex
import sys
from pathlib import Path

if workflow.is_main_process:
    # jobs find the copy of the package that the main process put on PYTHONPATH
    sys.path.insert(0, str(Path(workflow.basedir, "workflow")))

from headstart.common.packages import prefer_own
from headstart.common.threads import limit_pools

# before numpy is imported
limit_pools()
prefer_own()

from headstart.common import machine_errors
from headstart.common import run_id
from headstart.common import study_paths
from headstart.common.errors import UserError
from headstart.figures.registry import INPUTS
from headstart.figures.registry import OF_CONTROLS
from headstart.figures.registry import OF_RUNS
from headstart.study.held_out_shards import held_out_shards
from headstart.study.requests import check_gpus
from headstart.study.requests import on_gpu
from headstart.study.requests import request
from headstart.study.requests import request_share
from headstart.study.requests import tight_gpus
from headstart.study.retraining import retraining
from headstart.study.run_settings import run_settings

# GPUs that the command line or a profile asks for, by rule.
GPUS = {
    name: str(asked["gpu"].raw)
    for name, asked in workflow.resource_settings.overwrite_resources.items()
    if "gpu" in asked
}
# A profile of a cluster says how many GPUs a rule gets that asks for none.
CLUSTER = "gpu" in (workflow.resource_settings.default_resources or {})

CONFIGFILES = workflow.overwrite_configfiles or [Path("config/config.yaml")]

try:
    settings = run_settings(
        CONFIGFILES,
        config,
        Path(workflow.basedir),
        command=sys.argv,
        main=workflow.is_main_process,
    )
    check_gpus(GPUS)
    told = []
    if workflow.is_main_process:
        tight = tight_gpus(settings, GPUS, cluster=CLUSTER)
        told = [settings.unaccepted, retraining(settings, Path(CONFIGFILES[-1])), tight]
except (UserError, OSError) as error:
    # not a WorkflowError, which would name a line of this file as the culprit
    print(f"headstart: {machine_errors.sentence(error) or error}", file=sys.stderr)
    sys.exit(2)

for words in filter(None, told):
    print(words, file=sys.stderr)

if workflow.is_main_process:
    from snakemake_logger_plugin_headstart import LogHandler

    LogHandler.study = settings

config["study"] = settings.config.study  # for workflow/report/workflow.rst


envvars:
    "HEADSTART_SETTINGS",
    "PYTHONPATH",


workdir: settings.results


pathvars:
    study=settings.config.study,
    # a training's folder, and its name
    run=run_id.FOLDER,
    run_name=run_id.NAME,


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
# Nothing is trained or evaluated before the audit found no leak. That it was made again is no reason.
AUDIT = ancient("<study>/split/audit.json")
# What a network's held-out scans are predicted from.
TO_PREDICT = {
    "model": "<study>/train/<run>/model.safetensors",
    "card": "<study>/train/<run>/model.json",
    "passed": "<study>/check/passed.csv",
    "splits": "<study>/split/splits.csv",
    "cohort": COHORT,
    "volumes": VOLUMES,
    "audit": AUDIT,
}
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
    return lambda wildcards: settings.by_file(
        settings.slice(stage, **choice(wildcards, chosen_by))
    )


def listed(name):
    """A params function: the rule's input files of this name, in a file."""
    return lambda wildcards, input: settings.by_file(*input[name])


def upstream_of(stage, *chosen_by):
    """A params function: a digest of all that a result rests on, picked like its settings."""
    return lambda wildcards: settings.upstream(stage, **choice(wildcards, chosen_by))


def requested(rule, resource):
    """A resources function: what a job asks for follows from its experiment's settings."""

    def asked(wildcards):
        gpu = on_gpu(rule, GPUS, cluster=CLUSTER)
        return getattr(request(settings, rule, wildcards.experiment, gpu=gpu), resource)

    return asked


def requested_by_share(resource):
    """A resources function: what a job asks for that answers for a share of new scans."""

    def asked(wildcards):
        gpu = on_gpu("predict_shard", GPUS, cluster=CLUSTER)
        return getattr(request_share(settings, wildcards.folder, gpu=gpu), resource)

    return asked


def threads_of_share(wildcards):
    """Threads of a job that answers for a share of new scans."""
    asked = settings.config.new_scans[wildcards.folder]
    return settings.config.experiments[asked.experiment].train.threads


def shares_of(wildcards):
    """The shares of the new scans that the wildcards pick."""
    return settings.new_scans[wildcards.folder].shares


def place_of_scans(wildcards):
    """A params function: where the new scans are, which is not compared with the last run's."""
    return Path(settings.project, settings.config.new_scans[wildcards.folder].scans)


def untracked(value):
    """A params function: a function of the output is not compared with the last run's."""
    return lambda wildcards, output: value


def run_of(wildcards):
    """The training that the wildcards pick."""
    return run_id.RunId(**choice(wildcards, run_id.RunId._fields))


def of_every_share(pattern):
    """An input function: the pattern's file of every share of a run's held-out scans; [] of one."""

    def files(wildcards):
        shards = held_out_shards(settings.config, wildcards.experiment)
        path = pattern.replace("<run>", str(run_of(wildcards).folder))
        return expand(path, shard=range(shards)) if shards > 1 else []

    return files


def of_every_run(pattern):
    """An input function: the pattern's file of every fold and seed of an experiment or sweep."""
    return lambda wildcards: [
        pattern.replace("<run>", str(run.folder))
        for run in settings.config.runs(wildcards.experiment)
    ]


def of_every_control(pattern):
    """An input function: the pattern's file of every control of an experiment."""
    return lambda wildcards: [
        pattern.format(experiment=name)
        for name in settings.config.controls(wildcards.experiment)
    ]


def of_every_compared(pattern):
    """The pattern's file of every run of the experiments that are compared."""
    return [
        pattern.replace("<run>", str(run.folder))
        for name in settings.config.compared
        for run in settings.config.runs(name)
    ]


def figures_of(wildcards):
    """The figures that a folder's manifest lists: the cohort's, an experiment's or a sweep's."""
    files = settings.figures(wildcards.folder)
    return expand(
        "<study>/figures/{folder}/{file}", folder=wildcards.folder, file=files
    )


def files_of(figure):
    """The files that a figure is drawn from."""
    every = INPUTS | {name: of_every_run(path) for name, path in OF_RUNS.items()}
    every |= {name: of_every_control(path) for name, path in OF_CONTROLS.items()}
    needed = {name: every[name] for name in figure.given if name in every}
    # where prepare has failed, gather says so, and no figure
    of_volumes = {"volumes": VOLUMES, "gathered": ancient("<study>/prepare/masks.csv")}
    return needed | (of_volumes if "prepared" in figure.given else {})


def given_to(figure):
    """A params function: what a figure is drawn from, as words of its command."""
    folders = {"prepared": PREPARED, "data": settings.data}

    def words(wildcards, input):
        given = []
        for name in figure.given:
            files = folders[name] if name in folders else input[name]
            files = [files] if isinstance(files, str | Path) else files
            long = name in OF_RUNS | OF_CONTROLS
            files = [settings.by_file(*files)] if long else files
            given += [f"--{name}", *map(str, files)]
        return shlex.join(given)

    return words


def shown(figure, name, file):
    """A file of a figure, with its place in the report."""
    return report(
        f"<study>/figures/{figure.folder}/{file}",
        caption=f"../report/{name}.rst",
        category=figure.category,
        labels=figure.labels,
    )
