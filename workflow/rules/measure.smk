rule export:
    output:
        record=f"results/{SCALE}/complexity/{{model}}/{{variant}}/record.json",
        onnx=f"results/{SCALE}/latency/{{model}}/{{variant}}/model.onnx",
    log:
        f"logs/{SCALE}/export/{{model}}/{{variant}}.log",
    params:
        measure=lambda wc: MEASURES[f"complexity/{wc.model}/{wc.variant}"].dumps(),
        code=lambda wc: code_id(
            "hadaptive.measure.record", *experiments.code_of(wc.model)
        ),
    shell:
        "python -m hadaptive export {params.measure:q} --onnx {output.onnx} > {log} 2>&1"


rule latency:
    input:
        rules.export.output.onnx,
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
            "hadaptive.measure.record", *experiments.code_of(wc.model)
        ),
    shell:
        "python -m hadaptive latency {params.measure:q} --onnx {input} > {log} 2>&1"
