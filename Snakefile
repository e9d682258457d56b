"""The workflow: params.yaml becomes Runs, Runs become jobs, records become tables. `snakemake -n` shows what would run."""


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/measure.smk"
include: "workflow/rules/scale.smk"
include: "workflow/rules/paper.smk"
include: "workflow/rules/metrics.smk"
include: "workflow/rules/bundle.smk"
include: "workflow/rules/share.smk"
include: "workflow/rules/publish.smk"
include: "workflow/rules/stages.smk"


report: "workflow/report/workflow.rst"


rule all:
    default_target: True
    input:
        expand("paper_tables/{table}.tex", table=study.tables),
        expand("paper_tables/{figure}.pdf", figure=study.figures),
        "paper_tables/claims.md",
        rules.bundle.output,
        rules.crate.output,
        rules.metrics.output,
        rules.plots_page.output,


onstart:
    stopping.pass_on()  # SIGTERM and Ctrl-C end the trainings at once, saved within the epoch
    verbs = [verb(job.rule.name) for job in workflow.dag.needrun_jobs()]
    if workflow.local_exec and (heavy := preload.libraries(verbs)):
        preload.start(heavy)
    if study.stand_in:
        guide.remind(lambda: [named(job) for job in workflow.scheduler.running])
    else:  # what takes hours says so first
        from hadaptive.cli import plan

        print(plan.of(workflow.dag.needrun_jobs(), workflow.cores))


onsuccess:
    guide.keep(SCALE)
    print(guide.made(study, asked(), STARTED, workflow.cores))
