checkpoint split:
    input:
        passed="<study>/check/passed.csv",
        summary="<study>/check/summary.csv",
        cohort=CHECKED,
    output:
        splits="<study>/split/splits.csv",
        balance="<study>/split/balance.csv",
        audit="<study>/split/audit.json",
    log:
        "<study>/logs/split.log",
    benchmark:
        "<study>/benchmarks/split.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        settings=slice_of("split"),
        code=settings.code("split"),
        upstream=settings.upstream("split"),
        folder=subpath(output.splits, parent=True),
    shell:
        "headstart split --settings {params.settings:q} --passed {input.passed:q}"
        " --summary {input.summary:q} --output {params.folder:q} 2> {log:q}"
