checkpoint check_scans:
    input:
        scans="<study>/label/shards/{shard}.csv",
        fetched=FETCHED,
    output:
        checked="<study>/check/shards/{shard}.csv",
    log:
        "<study>/logs/check/{shard}.log",
    benchmark:
        "<study>/benchmarks/check/{shard}.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=240,
    params:
        settings=slice_of("check-scans"),
        code=settings.code("check"),
        data=settings.data,
    shell:
        "headstart check --settings {params.settings:q} --scans {input.scans:q}"
        " --data {params.data:q} --output {output.checked:q} 2> {log:q}"


checkpoint check:
    input:
        labels="<study>/label/labels.csv",
        checked=expand("<study>/check/shards/{shard}.csv", shard=SHARDS),
    output:
        passed="<study>/check/passed.csv",
        summary="<study>/check/summary.csv",
        rejected="<study>/check/rejected.csv",
    log:
        "<study>/logs/check.log",
    benchmark:
        "<study>/benchmarks/check.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        settings=slice_of("check"),
        code=settings.code("check"),
        upstream=settings.upstream("check"),
        folder=subpath(output.passed, parent=True),
    shell:
        "headstart check --settings {params.settings:q} --labels {input.labels:q}"
        " --gather {input.checked:q} --output {params.folder:q} 2> {log:q}"
