rule plot_curves:
    input:
        histories=of_every_run(
            "<study>/train/{experiment}/main/fold-{fold}/seed-{seed}/history.csv"
        ),
        passed="<study>/check/passed.csv",
        cohort=COHORT,
    output:
        figure=report(
            "<study>/figures/{experiment}/curves.pdf",
            caption="../report/curves.rst",
            category="3. Learning curves",
            labels={"experiment": "{experiment}", "figure": "learning curves"},
        ),
    log:
        "<study>/logs/plot/{experiment}/curves.log",
    benchmark:
        "<study>/benchmarks/plot/{experiment}/curves.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        settings=slice_of("plot", "experiment"),
        code=settings.code("plot"),
        upstream=upstream_of("plot", "experiment"),
    shell:
        "headstart plot --kind curves --settings {params.settings:q} --passed {input.passed:q}"
        " --histories {input.histories:q} --output {output.figure:q} 2> {log:q}"


rule plot_evaluation:
    input:
        predictions=of_every_run(
            "<study>/predict/{experiment}/main/fold-{fold}/seed-{seed}/predictions.csv"
        ),
        metrics="<study>/evaluate/{experiment}/metrics.csv",
        comparison="<study>/evaluate/{experiment}/comparison.csv",
        passed="<study>/check/passed.csv",
        splits="<study>/split/splits.csv",
        cohort=COHORT,
        volumes=VOLUMES,
    output:
        figure=report(
            "<study>/figures/{experiment}/evaluation.pdf",
            caption="../report/evaluation.rst",
            category="4. Results beside baselines",
            labels={"experiment": "{experiment}"},
        ),
    log:
        "<study>/logs/plot/{experiment}/evaluation.log",
    benchmark:
        "<study>/benchmarks/plot/{experiment}/evaluation.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        settings=slice_of("plot", "experiment"),
        code=settings.code("plot"),
        upstream=upstream_of("plot", "experiment"),
        prepared=PREPARED,
    shell:
        "headstart plot --kind evaluation --settings {params.settings:q} --passed {input.passed:q}"
        " --splits {input.splits:q} --prepared {params.prepared:q}"
        " --predictions {input.predictions:q} --metrics {input.metrics:q}"
        " --comparison {input.comparison:q} --output {output.figure:q} 2> {log:q}"


rule plot_augmentation:
    input:
        passed="<study>/check/passed.csv",
        splits="<study>/split/splits.csv",
        cohort=COHORT,
        volumes=VOLUMES,
    output:
        figure=report(
            "<study>/figures/{experiment}/augmentation.pdf",
            caption="../report/augmentation.rst",
            category="3. Learning curves",
            labels={"experiment": "{experiment}", "figure": "augmentation"},
        ),
    log:
        "<study>/logs/plot/{experiment}/augmentation.log",
    benchmark:
        "<study>/benchmarks/plot/{experiment}/augmentation.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        settings=slice_of("plot", "experiment"),
        code=settings.code("plot"),
        upstream=upstream_of("plot", "experiment"),
        prepared=PREPARED,
    shell:
        "headstart plot --kind augmentation --settings {params.settings:q}"
        " --passed {input.passed:q} --splits {input.splits:q} --prepared {params.prepared:q}"
        " --output {output.figure:q} 2> {log:q}"


rule plot_contact_sheet:
    input:
        labels="<study>/label/labels.csv",
        rejected=["<study>/label/rejected.csv", "<study>/check/rejected.csv"],
        passed="<study>/check/passed.csv",
        summary="<study>/check/summary.csv",
        lookalikes="<study>/prepare/lookalikes.csv",
        likeness="<study>/prepare/likeness.csv",
        cohort=COHORT,
        volumes=VOLUMES,
    output:
        figure=report(
            "<study>/figures/cohort/contact-sheet.pdf",
            caption="../report/contact-sheet.rst",
            category="1. Data and exclusions",
            labels={"": "every scan"},
        ),
    log:
        "<study>/logs/plot/contact-sheet.log",
    benchmark:
        "<study>/benchmarks/plot/contact-sheet.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        settings=slice_of("plot"),
        code=settings.code("plot"),
        upstream=settings.upstream("scans"),
        prepared=PREPARED,
    shell:
        "headstart plot --kind contact-sheet --settings {params.settings:q}"
        " --labels {input.labels:q} --rejected {input.rejected:q} --passed {input.passed:q}"
        " --summary {input.summary:q} --prepared {params.prepared:q}"
        " --lookalikes {input.lookalikes:q} --likeness {input.likeness:q}"
        " --output {output.figure:q} 2> {log:q}"


rule plot_distributions:
    input:
        rejected=["<study>/label/rejected.csv", "<study>/check/rejected.csv"],
        passed="<study>/check/passed.csv",
        summary="<study>/check/summary.csv",
        lookalikes="<study>/prepare/lookalikes.csv",
        likeness="<study>/prepare/likeness.csv",
        cohort=COHORT,
    output:
        figure=report(
            "<study>/figures/cohort/distributions.pdf",
            caption="../report/distributions.rst",
            category="1. Data and exclusions",
            labels={"": "shapes, voxel sizes, intensities"},
        ),
    log:
        "<study>/logs/plot/distributions.log",
    benchmark:
        "<study>/benchmarks/plot/distributions.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        settings=slice_of("plot"),
        code=settings.code("plot"),
        upstream=settings.upstream("scans"),
    shell:
        "headstart plot --kind distributions --settings {params.settings:q}"
        " --rejected {input.rejected:q} --passed {input.passed:q}"
        " --summary {input.summary:q}"
        " --lookalikes {input.lookalikes:q} --likeness {input.likeness:q}"
        " --output {output.figure:q} 2> {log:q}"


rule plot_flow:
    input:
        labels="<study>/label/labels.csv",
        rejected=["<study>/label/rejected.csv", "<study>/check/rejected.csv"],
        passed="<study>/check/passed.csv",
        splits="<study>/split/splits.csv",
        cohort=COHORT,
    output:
        figure=report(
            "<study>/figures/cohort/flow.pdf",
            caption="../report/flow.rst",
            category="1. Data and exclusions",
            labels={"": "who came in, who was turned away"},
        ),
    log:
        "<study>/logs/plot/flow.log",
    benchmark:
        "<study>/benchmarks/plot/flow.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        settings=slice_of("plot"),
        code=settings.code("plot"),
        upstream=settings.upstream("train"),
    shell:
        "headstart plot --kind flow --settings {params.settings:q} --labels {input.labels:q}"
        " --rejected {input.rejected:q} --passed {input.passed:q} --splits {input.splits:q}"
        " --output {output.figure:q} 2> {log:q}"


rule plot_balance:
    input:
        passed="<study>/check/passed.csv",
        balance="<study>/split/balance.csv",
        cohort=COHORT,
    output:
        figure=report(
            "<study>/figures/cohort/balance.pdf",
            caption="../report/balance.rst",
            category="2. Split and balance",
            labels={"": "labels by part and by site"},
        ),
    log:
        "<study>/logs/plot/balance.log",
    benchmark:
        "<study>/benchmarks/plot/balance.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        settings=slice_of("plot"),
        code=settings.code("plot"),
        upstream=settings.upstream("train"),
    shell:
        "headstart plot --kind balance --settings {params.settings:q} --passed {input.passed:q}"
        " --balance {input.balance:q} --output {output.figure:q} 2> {log:q}"


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
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        settings=slice_of("plot"),
        code=settings.code("plot"),
    shell:
        "headstart plot --kind manifest --settings {params.settings:q} --files {input.figures:q}"
        " --output {output.manifest:q} 2> {log:q}"
