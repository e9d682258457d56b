rule table:
    input:
        lambda wc: records_needed(TABLES[wc.table]),
    output:
        expand(
            "paper_tables/{{table}}{kind}.{ending}",
            kind=experiments.KINDS,
            ending=experiments.ENDINGS,
        ),
    log:
        "logs/paper/{table}.log",
    params:
        spec=lambda wc: TABLES[wc.table].model_dump_json(),
        code=code_id("hadaptive.paper.render"),
        texts=file_id(
            "hadaptive/paper/templates",
            "hadaptive/paper/published",
            "hadaptive/paper/errata.yaml",
        ),
    shell:
        "python -m hadaptive render {wildcards.table} --spec {params.spec:q} > {log} 2>&1"
