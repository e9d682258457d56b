rule data:
    output:
        "data/prepared/{dataset}/manifest.json",
    log:
        "logs/data/{dataset}.log",
    params:
        settings=study.params.data.model_dump_json(),
        code=lambda wc: code_id(DATASETS[wc.dataset].module),
    shell:
        "python -m hadaptive data {wildcards.dataset} --settings {params.settings:q} > {log} 2>&1"


rule decode:
    input:
        "data/prepared/{dataset}/manifest.json",
    output:
        "data/prepared/{dataset}/{side}px/manifest.json",
    log:
        "logs/data/{dataset}_{side}px.log",
    threads: min(8, available_cpu_count())
    resources:
        processors=min(8, available_cpu_count()),
    params:
        settings=study.params.data.model_dump_json(),
        code=lambda wc: code_id("hadaptive.data.decode"),
    shell:
        "python -m hadaptive data {wildcards.dataset} --image-size {wildcards.side} --settings {params.settings:q} "
        "--threads {threads} > {log} 2>&1"
