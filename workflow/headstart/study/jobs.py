"""Jobs as Snakemake tells of them, and the stages of the work that they belong to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from headstart.common.run_id import RunId
from headstart.common.text import counted
from headstart.study.stages import FETCH
from headstart.study.stages import STAGES
from headstart.study.stages import counted_with
from headstart.study.stages import order

# Rules that are named neither as their stage nor `STAGE_…`.
OTHERS = {"credits": FETCH, "manifest": "plot"}
# Rules that only ask for what others make.
TARGETS = ("all", "cohort", "new_scans")


@dataclass(frozen=True)
class Job:
    """One job of Snakemake.

    Attributes:
        rule: Its rule.
        wildcards: What the rule is run for, e.g. experiment, fold and seed.
        reason: Why it has to run, in Snakemake's words.
        log: Its log, relative to the results root; "" if it has none.
        benchmark: Its benchmark, likewise.
    """

    rule: str
    wildcards: Mapping[str, str]
    reason: str = ""
    log: str = ""
    benchmark: str = ""

    @property
    def stage(self) -> str:
        """The stage that it is counted with."""
        name = OTHERS.get(self.rule, self.rule.replace("_", "-"))
        return counted_with(name) if name in STAGES else name.split("-")[0]

    @property
    def place(self) -> int:
        """Where its stage comes in the order of the work."""
        stages = order()
        return stages.index(self.stage) if self.stage in stages else len(stages)

    @property
    def run(self) -> RunId:
        """The training, of a job of `train`."""
        named = self.wildcards
        return RunId(named["experiment"], int(named["fold"]), int(named["seed"]))

    @property
    def name(self) -> str:
        """The stage and what it is run for: `train age, fold 0, seed 1`."""
        experiment = self.wildcards.get("experiment", self.wildcards.get("folder", ""))
        rest = [
            f"{key} {self.wildcards[key]}"
            for key in ("fold", "seed", "shard")
            if key in self.wildcards
        ]
        return ", ".join([f"{self.stage} {experiment}".strip(), *rest])


def by_stage(rules: Mapping[str, int]) -> Counter[str]:
    """Count the jobs of each stage.

    Args:
        rules: Jobs of each rule; the targets, and Snakemake's own `total`, are none.
    """
    stages: Counter[str] = Counter()
    for rule, number in rules.items():
        if rule not in (*TARGETS, "total"):
            stages[Job(rule, {}).stage] += number
    return stages


def in_words(stages: Counter[str]) -> str:
    """Write how many jobs each stage has: `3 jobs: 1 label, 2 prepare`."""
    ordered = sorted(stages, key=lambda stage: Job(stage, {}).place)
    parts = ", ".join(f"{stages[stage]} {stage}" for stage in ordered)
    return f"{counted(stages.total(), 'job')}: {parts}"
