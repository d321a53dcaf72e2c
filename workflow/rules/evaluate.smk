rule evaluate:
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
        metrics="<study>/evaluate/{experiment}/metrics.csv",
        comparison="<study>/evaluate/{experiment}/comparison.csv",
        answers="<study>/evaluate/{experiment}/answers.csv",
    log:
        "<study>/logs/evaluate/{experiment}.log",
    benchmark:
        "<study>/benchmarks/evaluate/{experiment}.tsv"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        settings=slice_of("evaluate", "experiment"),
        predictions=listed("predictions"),
        weights=listed("weights"),
        code=settings.code("evaluate"),
        upstream=upstream_of("evaluate", "experiment"),
        data=settings.data,
        prepared=PREPARED,
        # no output, which Snakemake would delete before a rerun
        openings=f"{settings.config.study}/{study_paths.OPENINGS}",
        folder=subpath(output.metrics, parent=True),
    shell:
        "headstart evaluate --settings {params.settings:q} --passed {input.passed:q}"
        " --splits {input.splits:q} --prepared {params.prepared:q} --data {params.data:q}"
        " --predictions {params.predictions:q} --weights {params.weights:q}"
        " --openings {params.openings:q} --rests-on {params.upstream:q}"
        " --output {params.folder:q} 2> {log:q}"


# Exists where two experiments ask for the same target of the same subjects.
rule compare:
    input:
        predictions=of_every_compared("<study>/predict/<run>/predictions.csv"),
        # evaluate has checked the predictions
        metrics=expand(
            "<study>/evaluate/{experiment}/metrics.csv",
            experiment=settings.config.compared,
        ),
        passed="<study>/check/passed.csv",
        splits="<study>/split/splits.csv",
        cohort=COHORT,
        volumes=VOLUMES,
    output:
        "<study>/evaluate/experiments.csv",
    log:
        "<study>/logs/compare.log",
    benchmark:
        "<study>/benchmarks/compare.tsv"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        settings=slice_of("compare"),
        predictions=listed("predictions"),
        code=settings.code("compare"),
        upstream=upstream_of("compare"),
        prepared=PREPARED,
    shell:
        "headstart compare --settings {params.settings:q} --passed {input.passed:q}"
        " --splits {input.splits:q} --prepared {params.prepared:q}"
        " --predictions {params.predictions:q} --output {output:q} 2> {log:q}"
