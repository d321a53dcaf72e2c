rule inject:
    input:
        weights=of_every_run("<study>/train/<run>/model.safetensors"),
        cards=of_every_run("<study>/train/<run>/model.json"),
        passed="<study>/check/passed.csv",
        splits="<study>/split/splits.csv",
        cohort=COHORT,
        volumes=VOLUMES,
        audit=AUDIT,
    output:
        "<study>/inject/{experiment}/responses.csv",
    log:
        "<study>/logs/inject/{experiment}.log",
    benchmark:
        "<study>/benchmarks/inject/{experiment}.tsv"
    threads: lambda wildcards: settings.config.experiments[wildcards.experiment].train.threads
    resources:
        mem_mb=requested("inject", "memory"),
        runtime=requested("inject", "minutes"),
        gpu=1,
    params:
        settings=slice_of("inject", "experiment"),
        weights=listed("weights"),
        code=settings.code("inject"),
        upstream=upstream_of("inject", "experiment"),
        networks=settings.networks_copy,
        prepared=PREPARED,
    shell:
        "headstart inject --settings {params.settings:q} --passed {input.passed:q}"
        " --splits {input.splits:q} --prepared {params.prepared:q}"
        " --weights {params.weights:q} --networks {params.networks:q} --output {output:q}"
        " 2> {log:q}"
