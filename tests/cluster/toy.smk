# A workflow of jobs that do what the tests ask for: sleep, fail, eat memory, run out of time.

MODE = config.get("mode", "well")
COUNT = int(config.get("count", 3))
SECONDS = config.get("seconds", 2)


workdir: config["folder"]


include: "locks.smk"


rule all:
    input:
        expand(
            "{rule}/{number}.txt",
            rule=config.get("rules", "shard").split(","),
            number=range(COUNT),
        ),


rule shard:
    output:
        "shard/{number}.txt",
    log:
        "logs/shard/{number}.log",
    threads: int(config.get("threads", 1))
    resources:
        mem_mb=int(config.get("mem_mb", 500)),
        runtime=int(config.get("runtime", 5)),
        scratch_mb=int(config.get("scratch_mb", 0)),
    params:
        mode=MODE,
        seconds=SECONDS,
        toy=f"{workflow.basedir}/toy.py",
    shell:
        "{config[python]} {params.toy} {params.mode} {params.seconds} {output} > {log} 2>&1"


use rule shard as one_gpu with:
    output:
        "one_gpu/{number}.txt",
    log:
        "logs/one_gpu/{number}.log",
    resources:
        mem_mb=4000,
        runtime=int(config.get("runtime", 5)),
        gpu=1,


use rule shard as two_gpus with:
    output:
        "two_gpus/{number}.txt",
    log:
        "logs/two_gpus/{number}.log",
    resources:
        mem_mb=5001,
        runtime=int(config.get("runtime", 5)),
        gpu=2,
