rule train:
    input:
        lambda wc: manifests_of(study.runs[wc.run], study.params.data),
        lambda wc: depends_on(study.runs[wc.run]),
    output:
        record=f"results/{SCALE}/{{run}}/record.json",
        last=f"results/{SCALE}/{{run}}/last.pt",
        best=f"results/{SCALE}/{{run}}/best.pt",
    log:
        f"logs/{SCALE}/{{run}}.log",
    threads: devices.threads()
    resources:
        gpu=1 if devices.gpus() else 0,
        processors=1,
    params:
        run=lambda wc: study.runs[wc.run].dumps(),
        code=lambda wc: code_id(*trainer_code(study.runs[wc.run])),
    shell:
        "python -m hadaptive train {params.run:q} --threads {threads} --gpus {resources.gpu} > {log} 2>&1"
