checkpoint prepare:
    input:
        scans="<study>/label/shards/{shard}.csv",
        checked="<study>/check/shards/{shard}.csv",
        fetched=FETCHED,
    output:
        volumes="<study>/prepare/shard-{shard}.npy",
        masks="<study>/prepare/shard-{shard}-mask.npy",
        small="<study>/prepare/shard-{shard}-small.npy",
        planes=settings.planes,
        card="<study>/prepare/shard-{shard}.json",
    log:
        "<study>/logs/prepare/{shard}.log",
    benchmark:
        "<study>/benchmarks/prepare/{shard}.tsv"
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


checkpoint gather:
    input:
        cards=expand("<study>/prepare/shard-{shard}.json", shard=SHARDS),
        shards=SHARDED,
        passed="<study>/check/passed.csv",
    output:
        masks="<study>/prepare/masks.csv",
        steps=settings.steps,
    log:
        "<study>/logs/prepare/gather.log",
    benchmark:
        "<study>/benchmarks/prepare/gather.tsv"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        cards=listed("cards"),
        code=settings.code("gather"),
        upstream=settings.upstream("gather"),
        folder=subpath(output.masks, parent=True),
        settings=slice_of("gather"),
    shell:
        "headstart gather --settings {params.settings:q} --cards {params.cards:q}"
        " --passed {input.passed:q} --output {params.folder:q} 2> {log:q}"
