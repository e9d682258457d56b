rule table:
    input:
        lambda wc: records_needed(study.tables[wc.table]),
        scale_stamp,
    output:
        reported(files.table_files("{table}", compared=True), "table"),
    log:
        "logs/paper/{table}.log",
    wildcard_constraints:
        table=tables_that_are(compared=True),
    params:
        spec=lambda wc: in_file(study.tables[wc.table].model_dump_json()),
        code=lambda wc: code_id("hadaptive.paper.tables.render"),
        texts=file_id(
            "hadaptive/paper/tables/templates",
            "hadaptive/paper/published",
            "hadaptive/paper/errata.yaml",
        ),
    shell:
        "python -m hadaptive render {wildcards.table} --spec {params.spec} > {log} 2>&1"


use rule table as table_not_in_the_paper with:
    output:
        reported(files.table_files("{table}", compared=False), "table"),
    wildcard_constraints:
        table=tables_that_are(compared=False),


rule figure:
    input:
        lambda wc: records_needed(study.figures[wc.figure]),
        scale_stamp,
    output:
        reported(files.figure_files("{figure}"), "figure"),
    log:
        "logs/paper/{figure}.log",
    params:
        spec=lambda wc: in_file(study.figures[wc.figure].model_dump_json()),
        code=lambda wc: code_id(
            "hadaptive.paper.figures.style", f"hadaptive.paper.figures.{wc.figure}"
        ),
        texts=file_id("hadaptive/paper/published"),
    shell:
        "python -m hadaptive figure {wildcards.figure} --spec {params.spec} > {log} 2>&1"


rule claims:
    input:
        records_needed(study.claims),
        scale_stamp,
    output:
        reported(files.claims_files(), "claims"),
    log:
        "logs/paper/claims.log",
    params:
        spec=lambda wc: in_file(study.claims.model_dump_json()),
        code=lambda wc: code_id("hadaptive.paper.claims.report"),
        texts=file_id("hadaptive/paper/published"),
    shell:
        "python -m hadaptive claims --spec {params.spec} > {log} 2>&1"
