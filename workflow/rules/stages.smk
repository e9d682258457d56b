# One target for each stage of dvc.yaml.
rule data_all:
    input:
        experiments.manifests(PARAMS),


rule results_all:
    input:
        experiments.records(PARAMS),
        rules.metrics.output,
