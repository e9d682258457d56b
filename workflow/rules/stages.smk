# One target for each stage of dvc.yaml.
rule data_all:
    input:
        sorted({f"data/prepared/{run.dataset}/manifest.json" for run in RUNS.values()}),


rule results_all:
    input:
        sorted(
            {
                str(p)
                for spec in (*TABLES.values(), *FIGURES.values(), CLAIMS)
                for p in records_needed(spec)
            }
        ),
        rules.metrics.output,
