rule table:
    input:
        lambda wc: records_needed(TABLES[wc.table]),
        rules.scale.output,
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


rule figure:
    input:
        lambda wc: records_needed(FIGURES[wc.figure]),
        rules.scale.output,
    output:
        expand("paper_tables/{{figure}}.{ending}", ending=experiments.FIGURE_ENDINGS),
    log:
        "logs/paper/{figure}.log",
    params:
        spec=lambda wc: FIGURES[wc.figure].model_dump_json(),
        code=lambda wc: code_id(
            "hadaptive.paper.style", f"hadaptive.paper.figures.{wc.figure}"
        ),
        texts=file_id("hadaptive/paper/published"),
    shell:
        "python -m hadaptive figure {wildcards.figure} --spec {params.spec:q} > {log} 2>&1"


rule claims:
    input:
        records_needed(CLAIMS),
        rules.scale.output,
    output:
        expand("paper_tables/claims.{ending}", ending=experiments.CLAIMS_ENDINGS),
    log:
        "logs/paper/claims.log",
    params:
        spec=CLAIMS.model_dump_json(),
        code=code_id("hadaptive.paper.claims_files"),
        texts=file_id("hadaptive/paper/published"),
    shell:
        "python -m hadaptive claims --spec {params.spec:q} > {log} 2>&1"
