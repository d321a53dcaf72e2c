# Downloads run beside Snakemake's main process: compute nodes must not download. One rule per
# source, as its outputs are the markers of the modalities that this study needs. `update`, because
# a modality more leaves the others where they are.
for source in settings.collections:

    rule:
        name:
            f"fetch_{source.replace('-', '_')}"
        output:
            update(settings.markers(source)),
        log:
            f"<study>/logs/fetch/{source}.log",
        benchmark:
            f"<study>/benchmarks/fetch/{source}.tsv"
        localrule: True
        threads: 1
        resources:
            mem_mb=2000,
            runtime=1440,
        params:
            collection=settings.collection(source),
            # where it comes from makes no difference to what came
            settings=untracked(settings.by_file(settings.slice("fetch", source=source))),
            data=settings.data,
            locks=settings.project / "config",
        shell:
            "headstart fetch --settings {params.settings:q} --data {params.data:q}"
            " --locks {params.locks:q} 2> {log:q}"


if settings.collections:

    rule credits:
        input:
            settings.fetched,
        output:
            credits=report(
                settings.credits,
                caption="../report/credits.rst",
                category="1. Data and exclusions",
                labels={"": "licences, and how to cite"},
            ),
        log:
            "<study>/logs/fetch/credits.log",
        benchmark:
            "<study>/benchmarks/fetch/credits.tsv"
        localrule: True
        threads: 1
        resources:
            mem_mb=1000,
            runtime=10,
        params:
            settings=settings.by_file(settings.slice("fetch")),
            data=settings.data,
        shell:
            "headstart fetch --settings {params.settings:q} --data {params.data:q}"
            " --credits {output.credits:q} 2> {log:q}"


if settings.demo:

    rule fetch_demo:
        output:
            cohort=settings.data / "demo/cohort.json",
        log:
            "<study>/logs/fetch/demo.log",
        benchmark:
            "<study>/benchmarks/fetch/demo.tsv"
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


# Weights of the catalogue that an experiment starts from.
rule fetch_weights:
    output:
        ".weights/{weights}",
    log:
        ".weights/{weights}.log",
    localrule: True
    threads: 1
    params:
        request=lambda wildcards: shlex.join(settings.starts.request(wildcards.weights)),
    shell:
        "headstart fetch {params.request} --output {output:q} 2> {log:q}"
