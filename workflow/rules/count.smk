rule structure:
    output:
        f"{STRUCTURE.folder}/record.json",
    log:
        f"logs/{SCALE}/structure.log",
    params:
        measure=STRUCTURE.dumps(),
        code=code_id(
            "hadaptive.measure.structure",
            *study.code_of(STRUCTURE.model, STRUCTURE.options),
        ),
    shell:
        "python -m hadaptive structure {params.measure:q} > {log} 2>&1"


rule expansions:
    output:
        f"{EXPANSIONS.folder}/record.json",
    log:
        f"logs/{SCALE}/expansions.log",
    params:
        measure=EXPANSIONS.dumps(),
        code=code_id("hadaptive.measure.expansions"),
    shell:
        "python -m hadaptive expansions {params.measure:q} > {log} 2>&1"
