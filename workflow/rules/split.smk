checkpoint split:
    input:
        passed="<study>/check/passed.csv",
        cohort=CHECKED,
    output:
        splits="<study>/split/splits.csv",
        balance="<study>/split/balance.csv",
    log:
        "<study>/logs/split.log",
    benchmark:
        "<study>/benchmarks/split.tsv"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        settings=slice_of("split"),
        code=settings.code("split"),
        upstream=settings.upstream("split"),
        data=settings.data,
        folder=subpath(output.splits, parent=True),
    shell:
        "headstart split --settings {params.settings:q} --passed {input.passed:q}"
        " --data {params.data:q} --output {params.folder:q} 2> {log:q}"


checkpoint audit:
    input:
        passed="<study>/check/passed.csv",
        summary="<study>/check/summary.csv",
        splits="<study>/split/splits.csv",
        pairs="<study>/near-duplicates/pairs.csv",
        rates="<study>/near-duplicates/rates.json",
        cohort=COHORT,
    output:
        audit="<study>/split/audit.json",
    log:
        "<study>/logs/split/audit.log",
    benchmark:
        "<study>/benchmarks/split/audit.tsv"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        settings=slice_of("audit"),
        code=settings.code("audit"),
        upstream=settings.upstream("audit"),
    shell:
        "headstart audit --settings {params.settings:q} --passed {input.passed:q}"
        " --summary {input.summary:q} --splits {input.splits:q}"
        " --pairs {input.pairs:q} --rates {input.rates:q} --output {output.audit:q} 2> {log:q}"
