rule measure:
    input:
        lambda wc: inputs(study.measures[wc.measure]),
    output:
        f"results/{SCALE}/{{measure}}/record.json",
    log:
        f"logs/{SCALE}/{{measure}}.log",
    threads: lambda wc: 256 if kind(wc.measure).alone else 1  # 256 is scaled down to --cores: nothing runs beside it
    resources:
        gpu=lambda wc: 1 if kind(wc.measure).gpu and devices.gpus() else 0,
        processors=1,
    params:
        measure=lambda wc: study.measures[wc.measure].dumps(),
        code=lambda wc: code_id(*measure_code(study.measures[wc.measure])),
    shell:
        "python -m hadaptive measure {params.measure:q} > {log} 2>&1"


rule export:
    input:
        lambda wc: inputs(study.measures[f"complexity/{wc.net}"]),
    output:
        record=f"results/{SCALE}/complexity/{{net}}/record.json",
        onnx=f"results/{SCALE}/latency/{{net}}/model.onnx",
        plain=f"results/{SCALE}/latency/{{net}}/plain.onnx",
    log:
        f"logs/{SCALE}/export/{{net}}.log",
    resources:
        processors=1,
    params:
        measure=lambda wc: study.measures[f"complexity/{wc.net}"].dumps(),
        code=lambda wc: code_id(*measure_code(study.measures[f"complexity/{wc.net}"])),
    shell:
        "python -m hadaptive export {params.measure:q} --onnx {output.onnx} --plain {output.plain} > {log} 2>&1"


rule latency:
    input:
        onnx=rules.export.output.onnx,
        plain=rules.export.output.plain,
    output:
        f"results/{SCALE}/latency/{{net}}/record.json",
    log:
        f"logs/{SCALE}/latency/{{net}}.log",
    threads: 256  # scaled down to --cores: nothing else runs beside a latency measurement
    resources:
        gpu=1 if devices.gpus() else 0,
    params:
        measure=lambda wc: study.measures[f"latency/{wc.net}"].dumps(),
        code=lambda wc: code_id(*measure_code(study.measures[f"latency/{wc.net}"])),
    shell:
        "python -m hadaptive latency {params.measure:q} --onnx {input.onnx} --plain {input.plain} > {log} 2>&1"
