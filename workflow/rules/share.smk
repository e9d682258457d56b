rule checklists:
    input:
        study.records,
        study.manifests,
        scale_stamp,
    output:
        files.FOLDER / files.CHECKLISTS,
    log:
        "logs/paper/checklists.log",
    params:
        settings=lambda wc: in_file(SETTINGS),
        code=lambda wc: code_id("hadaptive.paper.bundle.checklists.text"),
    shell:
        "python -m hadaptive checklists --params {params.settings} > {log} 2>&1"


rule crate:
    input:
        files=study.bundle_files,
        records=study.records,
        manifests=study.manifests,
    output:
        files.FOLDER / files.CRATE,
    log:
        "logs/paper/crate.log",
    params:
        settings=lambda wc: in_file(SETTINGS),
        code=lambda wc: code_id("hadaptive.paper.bundle.crate"),
    shell:
        "python -m hadaptive crate {input.files} --params {params.settings} > {log} 2>&1"
