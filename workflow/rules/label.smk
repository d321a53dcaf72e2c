# label, check, split and prepare are checkpoints so that Snakemake looks again after each has
# run: output with the very same bytes then stops a storm of reruns (tests/workflow).


checkpoint label:
    input:
        settings.fetched,
    output:
        labels="<study>/label/labels.csv",
        shards=expand("<study>/label/shards/{shard}.csv", shard=SHARDS),
        files=expand("<study>/label/files/{shard}.csv", shard=SHARDS),
    log:
        err="<study>/logs/label.log",
        # no output: it must stay when the job fails, as it says why
        rejected="<study>/label/rejected.csv",
    benchmark:
        "<study>/benchmarks/label.tsv"
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
        # Snakemake does not label again when an experiment is added, whose target the main process
        # checks by itself once labels.csv is there
        targets=untracked(settings.by_file(settings.targets)),
    shell:
        "headstart label --settings {params.settings:q} --data {params.data:q}"
        " --targets {params.targets:q} --output {params.folder:q} 2> {log.err:q}"
