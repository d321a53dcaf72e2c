# Scans from outside the study, which its finished networks answer for: `snakemake new_scans`.
rule new_scans:
    input:
        settings.new_answers,


rule predict_shard:
    output:
        "<study>/new-scans/{folder}/answers-shards/{shard}.csv",
    log:
        "<study>/logs/new-scans/{folder}/{shard}.log",
    benchmark:
        "<study>/benchmarks/new-scans/{folder}/{shard}.tsv"
    threads: threads_of_share
    resources:
        mem_mb=requested_by_share("memory"),
        runtime=requested_by_share("minutes"),
        gpu=1,
    params:
        code=settings.code("predict"),
        weights=lambda wildcards: settings.new_scans[wildcards.folder].networks,
        share=lambda wildcards: f"{wildcards.shard}/{len(shares_of(wildcards))}",
        planned=lambda wildcards: shares_of(wildcards)[int(wildcards.shard)].digest,
        runs=lambda wildcards: settings.by_file(
            *settings.new_scans[wildcards.folder].runs
        ),
        scans=place_of_scans,
        networks=settings.networks_copy,
        answers=subpath(output[0], ancestor=2),
    shell:
        "headstart predict {params.runs:q} --scans {params.scans:q} --shard {params.share}"
        " --planned {params.planned:q} --networks {params.networks:q}"
        " --output {params.answers:q}/answers.csv 2> {log:q}"


rule predict_new:
    input:
        lambda wildcards: expand(
            "<study>/new-scans/{folder}/answers-shards/{shard}.csv",
            folder=wildcards.folder,
            shard=range(len(shares_of(wildcards))),
        ),
    output:
        "<study>/new-scans/{folder}/answers.csv",
    log:
        "<study>/logs/new-scans/{folder}.log",
    benchmark:
        "<study>/benchmarks/new-scans/{folder}.tsv"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        code=settings.code("predict"),
        planned=lambda wildcards: [share.digest for share in shares_of(wildcards)],
        shares=lambda wildcards: len(shares_of(wildcards)),
        runs=lambda wildcards: settings.by_file(
            *settings.new_scans[wildcards.folder].runs
        ),
        scans=place_of_scans,
    shell:
        "headstart predict {params.runs:q} --scans {params.scans:q} --gather {params.shares}"
        " --output {output:q} 2> {log:q}"
