checkpoint prepare:
    input:
        scans="<study>/label/shards/{shard}.csv",
        checked="<study>/check/shards/{shard}.csv",
        fetched=FETCHED,
    output:
        volumes="<study>/prepare/shard-{shard}.npy",
        masks="<study>/prepare/shard-{shard}-mask.npy",
        thumbnails="<study>/prepare/shard-{shard}-thumbnails.npy",
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


checkpoint lookalikes:
    input:
        cards=expand("<study>/prepare/shard-{shard}.json", shard=SHARDS),
        thumbnails=expand("<study>/prepare/shard-{shard}-thumbnails.npy", shard=SHARDS),
        shards=SHARDED,
    output:
        pairs="<study>/prepare/lookalikes.csv",
        likeness="<study>/prepare/likeness.csv",
    log:
        "<study>/logs/lookalikes.log",
    benchmark:
        "<study>/benchmarks/lookalikes.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        settings=slice_of("lookalikes"),
        code=settings.code("lookalikes"),
        upstream=settings.upstream("lookalikes"),
        folder=subpath(output.pairs, parent=True),
    shell:
        "headstart prepare --settings {params.settings:q} --gather {input.cards:q}"
        " --output {params.folder:q} 2> {log:q}"
