checkpoint check_scans:
    input:
        scans="<study>/label/shards/{shard}.csv",
        # the raw files' sizes and times: a scan that was replaced is read again, and what comes of
        # it with the same bytes stops there
        files="<study>/label/files/{shard}.csv",
        fetched=FETCHED,
    output:
        checked="<study>/check/shards/{shard}.csv",
    log:
        "<study>/logs/check/{shard}.log",
    benchmark:
        "<study>/benchmarks/check/{shard}.tsv"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=240,
    params:
        settings=slice_of("check-scans"),
        code=settings.code("check-scans"),
        data=settings.data,
    shell:
        "headstart check-scans --settings {params.settings:q} --scans {input.scans:q}"
        " --data {params.data:q} --output {output.checked:q} 2> {log:q}"


checkpoint check:
    input:
        labels="<study>/label/labels.csv",
        checked=expand("<study>/check/shards/{shard}.csv", shard=SHARDS),
    output:
        passed="<study>/check/passed.csv",
        summary="<study>/check/summary.csv",
    log:
        err="<study>/logs/check.log",
        # no output: it must stay when the job fails, as it says why
        rejected="<study>/check/rejected.csv",
    benchmark:
        "<study>/benchmarks/check.tsv"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        settings=slice_of("check"),
        checked=listed("checked"),
        code=settings.code("check"),
        upstream=settings.upstream("check"),
        folder=subpath(output.passed, parent=True),
    shell:
        "headstart check --settings {params.settings:q} --labels {input.labels:q}"
        " --checked {params.checked:q} --output {params.folder:q} 2> {log.err:q}"
