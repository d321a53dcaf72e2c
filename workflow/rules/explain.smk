rule explain:
    input:
        predictions=of_every_run("<study>/predict/<run>/predictions.csv"),
        # the predictions must be theirs; predict waits for changes
        weights=ancient(of_every_run("<study>/train/<run>/model.safetensors")),
        passed="<study>/check/passed.csv",
        splits="<study>/split/splits.csv",
        cohort=COHORT,
        volumes=VOLUMES,
        audit=AUDIT,
    output:
        cases="<study>/explain/{experiment}/cases.csv",
        groups="<study>/explain/{experiment}/groups.csv",
    log:
        "<study>/logs/explain/{experiment}.log",
    benchmark:
        "<study>/benchmarks/explain/{experiment}.tsv"
    threads: lambda wildcards: settings.config.experiments[wildcards.experiment].train.threads
    resources:
        mem_mb=requested("explain", "memory"),
        runtime=requested("explain", "minutes"),
        gpu=1,
    params:
        settings=slice_of("explain", "experiment"),
        predictions=listed("predictions"),
        weights=listed("weights"),
        code=settings.code("explain"),
        upstream=upstream_of("explain", "experiment"),
        networks=settings.networks_copy,
        prepared=PREPARED,
        folder=subpath(output.cases, parent=True),
    shell:
        "headstart explain --settings {params.settings:q} --passed {input.passed:q}"
        " --splits {input.splits:q} --prepared {params.prepared:q}"
        " --predictions {params.predictions:q} --weights {params.weights:q}"
        " --networks {params.networks:q} --output {params.folder:q} 2> {log:q}"
