# label, check, split and prepare are checkpoints so that Snakemake looks again after each has
# run: output with the very same bytes then stops a storm of reruns (tests/workflow).


checkpoint label:
    input:
        settings.fetched,
    output:
        labels="<study>/label/labels.csv",
        rejected="<study>/label/rejected.csv",
        shards=expand("<study>/label/shards/{shard}.csv", shard=SHARDS),
    log:
        "<study>/logs/label.log",
    benchmark:
        "<study>/benchmarks/label.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        settings=slice_of("label"),
        code=settings.code("label"),
        listing=settings.listing,
        data=settings.data,
        folder=subpath(output.labels, parent=True),
        # Snakemake does not label anew when an experiment is added, whose target the main process
        # checks by itself once labels.csv is there
        targets=untracked(settings.targets),
    shell:
        "headstart label --settings {params.settings:q} --data {params.data:q}"
        " --targets {params.targets:q} --output {params.folder:q} 2> {log:q}"
