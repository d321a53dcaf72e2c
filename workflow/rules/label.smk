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
    shell:
        "headstart label --settings {params.settings:q} --data {params.data:q}"
        " --output {params.folder:q} 2> {log:q}"


rule target:
    input:
        labels="<study>/label/labels.csv",
    output:
        target="<study>/label/targets/{experiment}.json",
    log:
        "<study>/logs/target/{experiment}.log",
    benchmark:
        "<study>/benchmarks/target/{experiment}.tsv"
    # early, so that a target that no scan has stops the run before the long stages
    priority: 100
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        settings=slice_of("target", "experiment"),
        code=settings.code("label"),
        upstream=settings.upstream("target"),
    shell:
        "headstart label --target {output.target:q} --settings {params.settings:q}"
        " --labels {input.labels:q} 2> {log:q}"
