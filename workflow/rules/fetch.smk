rule fetch_demo:
    output:
        cohort=settings.data / "demo/cohort.json",
    log:
        "<study>/logs/fetch/demo.log",
    benchmark:
        "<study>/benchmarks/fetch/demo.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 8
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        folder=subpath(output.cohort, parent=True),
        subjects=settings.config.fetch.demo_subjects,
    shell:
        "headstart demo --output {params.folder:q} --subjects {params.subjects}"
        " --jobs {threads} 2> {log:q}"
