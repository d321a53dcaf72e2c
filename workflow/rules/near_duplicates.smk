checkpoint near_duplicates:
    input:
        prepared=expand("<study>/prepare/shard-{shard}.json", shard=SHARDS),
        small=expand("<study>/prepare/shard-{shard}-small.npy", shard=SHARDS),
        shards=SHARDED,
        # a scan that could not be prepared stops here
        masks="<study>/prepare/masks.csv",
    output:
        pairs="<study>/near-duplicates/pairs.csv",
        pictures="<study>/near-duplicates/pictures.npy",
        rates="<study>/near-duplicates/rates.json",
        similarity="<study>/near-duplicates/similarity.csv",
    log:
        "<study>/logs/near-duplicates.log",
    benchmark:
        "<study>/benchmarks/near-duplicates.tsv"
    threads: 1
    resources:
        mem_mb=8000,
        runtime=120,
    params:
        settings=slice_of("near-duplicates"),
        code=settings.code("near-duplicates"),
        upstream=settings.upstream("near-duplicates"),
        folder=subpath(output.pairs, parent=True),
        prepared=listed("prepared"),
    shell:
        "headstart near-duplicates --prepared {params.prepared:q} --output {params.folder:q}"
        " 2> {log:q}"
