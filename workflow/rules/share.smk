rule checklists:
    input:
        experiments.records(PARAMS),
        experiments.manifests(PARAMS),
        rules.scale.output,
    output:
        "paper_tables/checklists.md",
    log:
        "logs/paper/checklists.log",
    params:
        settings=PARAMS.model_dump_json(exclude_unset=True),
        code=code_id("hadaptive.paper.checklists.text"),
    shell:
        "python -m hadaptive checklists --params {params.settings:q} > {log} 2>&1"


rule crate:
    input:
        files=experiments.bundle_files(PARAMS),
        records=experiments.records(PARAMS),
        manifests=experiments.manifests(PARAMS),
    output:
        "paper_tables/ro-crate-metadata.json",
    log:
        "logs/paper/crate.log",
    params:
        settings=PARAMS.model_dump_json(exclude_unset=True),
        code=code_id("hadaptive.paper.crate"),
    shell:
        "python -m hadaptive crate {input.files} --params {params.settings:q} > {log} 2>&1"
