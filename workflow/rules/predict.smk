# Where a network's held-out scans are predicted in several jobs, each answers for a share of them.
rule predict_held_out:
    input:
        **TO_PREDICT,
    output:
        "<study>/predict/<run>/predictions-shards/{shard}.csv",
    log:
        "<study>/logs/predict/<run_name>-shards/{shard}.log",
    benchmark:
        "<study>/benchmarks/predict/<run_name>-shards/{shard}.tsv"
    threads: lambda wildcards: settings.config.experiments[wildcards.experiment].train.threads
    resources:
        mem_mb=requested("predict_held_out", "memory"),
        runtime=requested("predict_held_out", "minutes"),
        gpu=1,
    params:
        settings=slice_of("predict", "experiment", "fold", "seed"),
        code=settings.code("predict"),
        upstream=upstream_of("predict", "experiment", "fold", "seed"),
        networks=settings.networks_copy,
        data=settings.data,
        prepared=PREPARED,
        run=subpath(input.card, parent=True),
        folder=subpath(output[0], ancestor=2),
        share=lambda wildcards: f"{wildcards.shard}/{held_out_shards(settings.config, wildcards.experiment)}",
    shell:
        "headstart predict --settings {params.settings:q} --model {params.run:q}"
        " --passed {input.passed:q} --splits {input.splits:q} --prepared {params.prepared:q}"
        " --networks {params.networks:q} --data {params.data:q} --output {params.folder:q}"
        " --shard {params.share} 2> {log:q}"


# All of them in one job; or what puts the shares together.
rule predict:
    input:
        **TO_PREDICT,
        shards=of_every_share("<study>/predict/<run>/predictions-shards/{shard}.csv"),
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
        gpu=lambda wildcards: int(
            held_out_shards(settings.config, wildcards.experiment) == 1
        ),
    params:
        settings=slice_of("predict", "experiment", "fold", "seed"),
        code=settings.code("predict"),
        upstream=upstream_of("predict", "experiment", "fold", "seed"),
        networks=settings.networks_copy,
        data=settings.data,
        prepared=PREPARED,
        run=subpath(input.card, parent=True),
        folder=subpath(output.predictions, parent=True),
        # a function of the output is not compared with the last run's: the input is
        gather=lambda wildcards, input, output: f"--gather {len(input.shards)}"
        * bool(input.shards),
    shell:
        "headstart predict --settings {params.settings:q} --model {params.run:q}"
        " --passed {input.passed:q} --splits {input.splits:q} --prepared {params.prepared:q}"
        " --networks {params.networks:q} --data {params.data:q} --output {params.folder:q}"
        " {params.gather} 2> {log:q}"
