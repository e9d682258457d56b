"""The workflow: params.yaml becomes Runs, Runs become jobs, records become tables. `snakemake -n` shows what would run."""


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/measure.smk"
include: "workflow/rules/count.smk"
include: "workflow/rules/bench.smk"
include: "workflow/rules/explain.smk"
include: "workflow/rules/paper.smk"
include: "workflow/rules/bundle.smk"
include: "workflow/rules/stages.smk"


rule all:
    default_target: True
    input:
        expand("paper_tables/{table}.tex", table=TABLES),
        expand("paper_tables/{figure}.pdf", figure=FIGURES),
        "paper_tables/claims.md",
        "paper_tables/index.html",


onsuccess:
    print(guide.made(PARAMS))
