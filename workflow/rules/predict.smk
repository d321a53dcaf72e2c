rule predict:
    input:
        model="<study>/train/<run>/model.safetensors",
        card="<study>/train/<run>/model.json",
        passed="<study>/check/passed.csv",
        splits="<study>/split/splits.csv",
        cohort=COHORT,
        volumes=VOLUMES,
        audit=AUDIT,
    output:
        predictions="<study>/predict/<run>/predictions.csv",
        seal="<study>/predict/<run>/predictions.json",
    log:
        "<study>/logs/predict/<run_name>.log",
    benchmark:
        "<study>/benchmarks/predict/<run_name>.tsv"
    threads: lambda wildcards: settings.config.experiments[wildcards.experiment].train.threads
    resources:
        mem_mb=requested("predict", "memory"),
        runtime=requested("predict", "minutes"),
        gpu=1,
    params:
        settings=slice_of("predict", "experiment", "fold", "seed"),
        code=settings.code("predict"),
        upstream=upstream_of("predict", "experiment", "fold", "seed"),
        networks=settings.networks_copy,
        data=settings.data,
        prepared=PREPARED,
        run=subpath(input.card, parent=True),
        folder=subpath(output.predictions, parent=True),
    shell:
        "headstart predict --settings {params.settings:q} --model {params.run:q}"
        " --passed {input.passed:q} --splits {input.splits:q} --prepared {params.prepared:q}"
        " --networks {params.networks:q} --data {params.data:q} --output {params.folder:q}"
        " 2> {log:q}"
