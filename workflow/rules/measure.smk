def measured_code(model, variant):
    ours = study.code_of(model, study.options(PARAMS, variant))
    return (*ours, "hadaptive.measure.fast_form") if ours else ()


rule export:
    input:
        lambda wc: study.depends_on(MEASURES[f"complexity/{wc.model}/{wc.variant}"]),
    output:
        record=f"results/{SCALE}/complexity/{{model}}/{{variant}}/record.json",
        onnx=f"results/{SCALE}/latency/{{model}}/{{variant}}/model.onnx",
        plain=f"results/{SCALE}/latency/{{model}}/{{variant}}/plain.onnx",
    log:
        f"logs/{SCALE}/export/{{model}}/{{variant}}.log",
    params:
        measure=lambda wc: MEASURES[f"complexity/{wc.model}/{wc.variant}"].dumps(),
        code=lambda wc: code_id(
            "hadaptive.measure.record", *measured_code(wc.model, wc.variant)
        ),
    shell:
        "python -m hadaptive export {params.measure:q} --onnx {output.onnx} --plain {output.plain} > {log} 2>&1"


rule latency:
    input:
        onnx=rules.export.output.onnx,
        plain=rules.export.output.plain,
    output:
        f"results/{SCALE}/latency/{{model}}/{{variant}}/record.json",
    log:
        f"logs/{SCALE}/latency/{{model}}/{{variant}}.log",
    threads: 256  # scaled down to --cores: nothing else runs beside a latency measurement
    resources:
        gpu=1 if devices.gpus() else 0,
    params:
        measure=lambda wc: MEASURES[f"latency/{wc.model}/{wc.variant}"].dumps(),
        code=lambda wc: code_id(
            "hadaptive.measure.record", *measured_code(wc.model, wc.variant)
        ),
    shell:
        "python -m hadaptive latency {params.measure:q} --onnx {input.onnx} --plain {input.plain} > {log} 2>&1"


rule variance:
    input:
        study.variance_inputs(PARAMS),
    output:
        f"{VARIANCE.folder}/record.json",
    log:
        f"logs/{SCALE}/variance.log",
    params:
        measure=VARIANCE.dumps(),
        code=code_id("hadaptive.measure.variance", *study.code_of(study.A2_NET)),
    shell:
        "python -m hadaptive variance {params.measure:q} > {log} 2>&1"
