def tables_that_are(compared):
    """A pattern for the names of tables that have, or have not, a version beside the published values."""
    names = [name for name, spec in study.tables.items() if spec.compared is compared]
    return "|".join(names) or "none"


rule table:
    input:
        lambda wc: records_needed(study.tables[wc.table]),
        scale_stamp,
    output:
        files.table_files("{table}", compared=True),
    log:
        "logs/paper/{table}.log",
    wildcard_constraints:
        table=tables_that_are(compared=True),
    params:
        spec=lambda wc: in_file(study.tables[wc.table].model_dump_json()),
        code=code_id("hadaptive.paper.tables.render"),
        texts=file_id(
            "hadaptive/paper/tables/templates",
            "hadaptive/paper/published",
            "hadaptive/paper/errata.yaml",
        ),
    shell:
        "python -m hadaptive render {wildcards.table} --spec {params.spec} > {log} 2>&1"


use rule table as table_not_in_the_paper with:
    output:
        files.table_files("{table}", compared=False),
    wildcard_constraints:
        table=tables_that_are(compared=False),


rule figure:
    input:
        lambda wc: records_needed(study.figures[wc.figure]),
        scale_stamp,
    output:
        files.figure_files("{figure}"),
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
        files.claims_files(),
    log:
        "logs/paper/claims.log",
    params:
        spec=lambda wc: in_file(study.claims.model_dump_json()),
        code=code_id("hadaptive.paper.claims.report"),
        texts=file_id("hadaptive/paper/published"),
    shell:
        "python -m hadaptive claims --spec {params.spec} > {log} 2>&1"
