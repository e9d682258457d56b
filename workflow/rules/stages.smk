# One target for each stage of dvc.yaml. DVC wants the folder of the first even where no Run needs data.
Path("data/prepared").mkdir(parents=True, exist_ok=True)


rule data_all:
    input:
        study.manifests,


rule results_all:
    input:
        study.records,
        rules.metrics.output,
        rules.plots_page.output,
