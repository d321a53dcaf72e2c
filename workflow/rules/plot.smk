from headstart.figures.registry import FIGURES

for name, figure in FIGURES.items():

    rule:
        name:
            f"plot_{name.replace('-', '_')}"
        input:
            **files_of(figure),
            cohort=COHORT,
        output:
            # what stands beside the page, such as its table
            [shown(figure, name, file) for file in figure.files(name)[1:]],
            figure=shown(figure, name, figure.files(name)[0]),
            # for the report
            screen=f"<study>/figures/{figure.folder}/{figure.screen(name)}",
        log:
            f"<study>/logs/plot/{figure.folder}/{name}.log",
        benchmark:
            f"<study>/benchmarks/plot/{figure.folder}/{name}.tsv"
        threads: 1
        resources:
            mem_mb=figure.memory,
            runtime=figure.minutes,
        params:
            settings=slice_of("plot", *figure.chosen_by),
            code=settings.code("plot"),
            upstream=upstream_of(figure.rests_on, *figure.chosen_by),
            kind=name,
            given=given_to(figure),
        # a text: Snakemake looks at it when the job runs, and at the last figure in place of names
        shell:
            "headstart plot --kind {params.kind} --settings {params.settings:q} {params.given}"
            " --output {output.figure:q} 2> {log:q}"


rule manifest:
    input:
        figures=figures_of,
        cohort=COHORT,
    output:
        manifest="<study>/figures/{folder}/manifest.json",
    log:
        "<study>/logs/plot/{folder}/manifest.log",
    benchmark:
        "<study>/benchmarks/plot/{folder}/manifest.tsv"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        settings=slice_of("plot"),
        figures=listed("figures"),
        code=settings.code("plot"),
    shell:
        "headstart plot --kind manifest --settings {params.settings:q} --files {params.figures:q}"
        " --output {output.manifest:q} 2> {log:q}"
