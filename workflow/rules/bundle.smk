rule bundle:
    input:
        [
            file
            for table in study.tables
            for file in files.table_files(table, files.FOLDER)
        ],
        [
            file
            for figure in study.figures
            for file in files.figure_files(figure, files.FOLDER)
        ],
        files.claims_files(files.FOLDER),
        records_needed(study.bundle),
    output:
        page=f"paper_tables/{files.PAGE}",
        archive=f"paper_tables/{files.ARCHIVE}",
    log:
        "logs/paper/bundle.log",
    params:
        settings=lambda wc: in_file(SETTINGS),
        code=code_id("hadaptive.paper.bundle.page"),
        texts=file_id(
            "hadaptive/paper/bundle/templates",
            "hadaptive/paper/published",
            "hadaptive/paper/errata.yaml",
        ),
    shell:
        "python -m hadaptive bundle --params {params.settings} > {log} 2>&1"


# Only on request, as it needs LaTeX: snakemake paper_tables/paper.pdf
rule pdf:
    input:
        [
            file
            for table in study.tables
            for file in files.table_files(table, files.FOLDER)
        ],
        [
            file
            for figure in study.figures
            for file in files.figure_files(figure, files.FOLDER)
        ],
    output:
        f"paper_tables/{files.PDF}",
    log:
        "logs/paper/pdf.log",
    params:
        settings=lambda wc: in_file(SETTINGS),
        code=code_id("hadaptive.paper.bundle.pdf"),
        texts=file_id("hadaptive/paper/bundle/templates/paper.tex.j2"),
    shell:
        "python -m hadaptive pdf --params {params.settings} > {log} 2>&1"
