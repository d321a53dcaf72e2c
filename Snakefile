from snakemake.utils import min_version

min_version("9.27")


if not workflow.overwrite_configfiles:

    configfile: "config/config.yaml"


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/fetch.smk"
include: "workflow/rules/label.smk"
include: "workflow/rules/check.smk"
include: "workflow/rules/split.smk"
include: "workflow/rules/prepare.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/predict.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/plot.smk"


rule all:
    default_target: True
    input:
        COHORT_FIGURES,
        expand("<study>/figures/{experiment}/manifest.json", experiment=settings.experiments),


onstart:
    settings.write()


onsuccess:
    # The story of the study. Here, and not by `report-after-run`, which fails in a dry run.
    shell(
        "cd {workflow.basedir:q} && {sys.executable:q} -m snakemake {sys.argv[1:]:q}"
        " --report {REPORT:q} --quiet all > {settings.results}/.settings/report.log 2>&1"
        " || echo 'The report could not be made: see {settings.results}/.settings/report.log'"
    )
