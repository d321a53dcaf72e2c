"""What there is to say of covariates before a training, in a sentence each."""

from __future__ import annotations

from collections.abc import Iterator

from headstart.cohort.covariate_checks import gives_away
from headstart.cohort.covariates import Covariates
from headstart.cohort.prepared import Cohort
from headstart.common.text import counted
from headstart.tasks.base import Task

FEW = 10  # training scans for each term of a linear model


def on_covariates(covariates: Covariates, cohort: Cohort, fold: int, task: Task) -> Iterator[str]:
    """Yield what is odd about the covariates of a cohort.

    Args:
        covariates: They, fitted to the training scans.
        cohort: The cohort.
        fold: The fold that is held out.
        task: The cohort's task.
    """
    names, training = ", ".join(covariates.names), cohort.training(fold)
    if cohort.left_out:
        every = counted(cohort.left_out + len(cohort.scans), "scan")
        yield (
            f"warning: {cohort.left_out} of {every} left out, for they lack a covariate ({names})"
        )
    for name, value in covariates.constant.items():
        yield (
            f"warning: {name} is '{value}' in all {len(training)} training scans of this "
            "fold, so that nothing is learnt from it"
        )
    if len(training) < FEW * covariates.terms:
        yield (
            f"warning: {counted(len(training), 'training scan')} for "
            f"{counted(covariates.terms, 'term')} of covariates ({names}): with fewer than {FEW} "
            "for each, they are learnt by heart; take fewer covariates, or merge classes"
        )
    targets, number = [scan.target for scan in training], task.target_kind == "number"
    for place, name in enumerate(covariates.names):
        if gives_away([scan.covariates[place] for scan in training], targets, number=number):
            yield (
                f"warning: the covariate {name} alone tells the target {cohort.target} of nearly "
                "every training scan: if it is the target by another name, or follows from it, "
                "remove it, for the network then need not look at the scan"
            )
