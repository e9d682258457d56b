rule data:
    output:
        "data/prepared/{dataset}/manifest.json",
    log:
        "logs/data/{dataset}.log",
    params:
        settings=PARAMS.data.model_dump_json(),
        code=code_id("hadaptive.data"),
    shell:
        "python -m hadaptive data {wildcards.dataset} --settings {params.settings:q} > {log} 2>&1"
