# On request, for one Run or for all: snakemake results/demo/cifar100/hadaptive_net_s/dysoft/seed0/hub/config.json, or
# snakemake publish_all. Not with every training: the weights are a second time on the disk.
rule publish:
    input:
        lambda wc: f"data/prepared/{study.runs[wc.run].dataset}/manifest.json",
        rules.train.output.record,
        rules.train.output.last,
    output:
        [f"results/{SCALE}/{{run}}/{PUBLISHED}/{name}" for name in PUBLISHED_FILES],
    log:
        f"logs/{SCALE}/{{run}}/publish.log",
    params:
        scale=SCALE,
        code=lambda wc: code_id("hadaptive.publish"),
    shell:
        "python -m hadaptive publish {wildcards.run} --scale {params.scale} > {log} 2>&1"


rule publish_all:
    input:
        study.published,


rule model_index:
    input:
        records_needed(study.bundle),
    output:
        files.FOLDER / "model-index.yaml",
    log:
        "logs/paper/model-index.log",
    params:
        settings=lambda wc: in_file(SETTINGS),
        code=lambda wc: code_id("hadaptive.publish"),
    shell:
        "python -m hadaptive model-index --params {params.settings} > {log} 2>&1"
