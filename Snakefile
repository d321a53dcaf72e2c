from snakemake.utils import min_version

min_version("9.27")


report: "workflow/report/workflow.rst"


include: "workflow/rules/locks.smk"
include: "workflow/rules/common.smk"
include: "workflow/rules/fetch.smk"
include: "workflow/rules/label.smk"
include: "workflow/rules/check.smk"
include: "workflow/rules/split.smk"
include: "workflow/rules/prepare.smk"
include: "workflow/rules/near_duplicates.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/predict.smk"
include: "workflow/rules/new_scans.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/explain.smk"
include: "workflow/rules/inject.smk"
include: "workflow/rules/plot.smk"
include: "workflow/rules/report.smk"


rule all:
    default_target: True
    input:
        # not the last files alone: of results between, a deleted one would not be missed
        settings.kept,
        settings.credits,


# What all experiments rest on: `snakemake cohort`.
rule cohort:
    input:
        COHORT,
        VOLUMES,
        AUDIT,


onstart:
    settings.write()


onsuccess:
    # Snakemake's own report, once there is ours, which takes all figures, too. Here, and not by
    # `report-after-run`, which fails in a dry run.
    shell(
        "[ -e {settings.config.study}/{study_paths.REPORT} ]"
        " && (cd {settings.project:q} && headstart methods {settings.config.study}"
        " --results {settings.results:q} --output {settings.story:q}"
        " && {sys.executable:q} -m snakemake --quiet all"
        " --configfile {settings.resolved:q} --report {settings.snakemake_report:q})"
        " > {settings.config.study}/logs/snakemake-report.log 2>&1"
        " || echo 'snakemake-report.html comes once all figures of the study are there.'"
    )
