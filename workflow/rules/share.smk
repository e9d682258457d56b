rule checklists:
    input:
        study.records,
        study.manifests,
        scale_stamp,
    output:
        "paper_tables/checklists.md",
    log:
        "logs/paper/checklists.log",
    params:
        settings=lambda wc: in_file(SETTINGS),
        code=code_id("hadaptive.paper.bundle.checklists.text"),
    shell:
        "python -m hadaptive checklists --params {params.settings} > {log} 2>&1"


rule crate:
    input:
        files=study.bundle_files,
        records=study.records,
        manifests=study.manifests,
    output:
        "paper_tables/ro-crate-metadata.json",
    log:
        "logs/paper/crate.log",
    params:
        settings=lambda wc: in_file(SETTINGS),
        code=code_id("hadaptive.paper.bundle.crate"),
    shell:
        "python -m hadaptive crate {input.files} --params {params.settings} > {log} 2>&1"
