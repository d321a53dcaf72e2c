rule train:
    input:
        passed="<study>/check/passed.csv",
        splits="<study>/split/splits.csv",
        cohort=COHORT,
        volumes=VOLUMES,
        audit=AUDIT,
        start=lambda wildcards: settings.starts.waits_for(run_of(wildcards)),
    output:
        history="<study>/train/<run>/history.csv",
        model="<study>/train/<run>/model.safetensors",
        card="<study>/train/<run>/model.json",
    log:
        "<study>/logs/train/<run_name>.log",
    benchmark:
        "<study>/benchmarks/train/<run_name>.tsv"
    threads: lambda wildcards: settings.config.experiments[wildcards.experiment].train.threads
    resources:
        mem_mb=requested("train", "memory"),
        runtime=requested("train", "minutes"),
        gpu=1,
    params:
        settings=slice_of("train", "experiment", "fold", "seed"),
        code=settings.code("train"),
        upstream=upstream_of("train", "experiment"),
        networks=settings.networks_copy,
        prepared=PREPARED,
        store=RUNS,
        start=lambda wildcards: settings.starts.place(run_of(wildcards)),
        folder=subpath(output.card, parent=True),
        # the same network, whatever its unit is called; `upstream` has how it predicts
        publication=lambda wildcards, output: settings.by_file(
            settings.publication(wildcards.experiment)
        ),
    shell:
        "headstart train --settings {params.settings:q} --code {params.code}"
        " --passed {input.passed:q} --splits {input.splits:q} --prepared {params.prepared:q}"
        " --networks {params.networks:q} --store {params.store:q} --output {params.folder:q}"
        " --start={params.start:q} --publication {params.publication:q} 2> {log:q}"
