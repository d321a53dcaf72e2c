# The page that a person opens; Snakemake's own report comes beside it, see `onsuccess`.
rule report:
    input:
        settings.told,
    output:
        page="<study>/report.html",
        methods="<study>/methods.md",
        references="<study>/references.bib",
        manifest="<study>/manifest.json",
    log:
        "<study>/logs/report.log",
    benchmark:
        "<study>/benchmarks/report.tsv"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        settings=slice_of("report"),
        code=settings.code("report"),
        study=untracked(settings.config.study),
        project=untracked(settings.project),
    shell:
        "headstart report {params.study:q} --results . --project {params.project:q} > {log:q} 2>&1"
