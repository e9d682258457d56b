rule explain:
    input:
        lambda wc: study.explain_inputs(PARAMS, wc.image),
    output:
        f"results/{SCALE}/explain/{{image}}/record.json",
    log:
        f"logs/{SCALE}/explain/{{image}}.log",
    params:
        measure=lambda wc: EXPLAINED[wc.image].dumps(),
        code=code_id(
            "hadaptive.explain.record",
            *study.code_of(study.EXPLAINED_NET),
        ),
    shell:
        "python -m hadaptive explain {params.measure:q} > {log} 2>&1"
