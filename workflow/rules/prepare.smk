checkpoint prepare:
    input:
        scans="<study>/label/shards/{shard}.csv",
        checked="<study>/check/shards/{shard}.csv",
    output:
        volumes="<study>/prepare/shard-{shard}.npy",
        masks="<study>/prepare/shard-{shard}-mask.npy",
        card="<study>/prepare/shard-{shard}.json",
    log:
        "<study>/logs/prepare/{shard}.log",
    benchmark:
        "<study>/benchmarks/prepare/{shard}.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=240,
    params:
        settings=slice_of("prepare", "shard"),
        code=settings.code("prepare"),
        upstream=settings.upstream("prepare"),
        data=settings.data,
    shell:
        "headstart prepare --settings {params.settings:q} --scans {input.scans:q}"
        " --checked {input.checked:q} --data {params.data:q} --output {output.card:q} 2> {log:q}"
