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
