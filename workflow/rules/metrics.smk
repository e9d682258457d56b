# What `dvc metrics` and `dvc plots` read: the cells of every table, a file a row, and the curves of their Runs.
rule metrics:
    input:
        sorted({str(p) for spec in study.tables.values() for p in records_needed(spec)}),
    output:
        curves=f"results/{SCALE}/curves.csv",
        cells=study.metric_files,
    log:
        f"logs/{SCALE}/metrics.log",
    params:
        spec=lambda wc: in_file(study.metrics.model_dump_json(exclude_defaults=True)),
        code=lambda wc: code_id("hadaptive.paper.tables.metrics"),
    shell:
        "python -m hadaptive metrics --spec {params.spec} > {log} 2>&1"


# The page of `dvc plots show`, with its scripts: it opens without a network. The same at every scale.
rule plots_page:
    output:
        "results/plots.html",
    log:
        "logs/plots_page.log",
    params:
        code=lambda wc: code_id("hadaptive.paper.plots_page"),
    shell:
        "python -m hadaptive plots-page --out {output} > {log} 2>&1"
