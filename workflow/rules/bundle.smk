rule bundle:
    input:
        files.shown_files(study.tables, study.figures),
        files.claims_files(),
        records_needed(study.bundle),
    output:
        reported([files.FOLDER / files.PAGE], "bundle"),
        files.FOLDER / files.ARCHIVE,
    log:
        "logs/paper/bundle.log",
    params:
        settings=lambda wc: in_file(SETTINGS),
        code=lambda wc: code_id("hadaptive.paper.bundle.page"),
        texts=file_id(
            "hadaptive/paper/bundle/templates",
            "hadaptive/paper/published",
            "hadaptive/paper/errata.yaml",
        ),
    shell:
        "python -m hadaptive bundle --params {params.settings} > {log} 2>&1"


# `hadaptive.results()` as files. A Run that no table, figure or claim shows is in it where it was run by itself.
rule results:
    input:
        records_needed(study.bundle),
        scale_stamp,
    output:
        [files.FOLDER / name for name in files.RESULTS],
    log:
        "logs/paper/results.log",
    params:
        settings=lambda wc: in_file(SETTINGS),
        code=lambda wc: code_id("hadaptive.study.results"),
    shell:
        "python -m hadaptive results --params {params.settings} > {log} 2>&1"


# Only on request, as it needs LaTeX: snakemake paper_tables/paper.pdf
rule pdf:
    input:
        files.shown_files(study.tables, study.figures),
        files.claims_files(),
    output:
        files.FOLDER / files.PDF,
    log:
        "logs/paper/pdf.log",
    params:
        settings=lambda wc: in_file(SETTINGS),
        code=lambda wc: code_id("hadaptive.paper.bundle.pdf"),
        texts=file_id("hadaptive/paper/bundle/templates/paper.tex.j2"),
    shell:
        "python -m hadaptive pdf --params {params.settings} > {log} 2>&1"
