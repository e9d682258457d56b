rule kernels:
    output:
        f"results/{SCALE}/kernels/{{measure}}/record.json",
    log:
        f"logs/{SCALE}/kernels/{{measure}}.log",
    threads: 256  # scaled down to --cores: nothing else runs beside a measurement
    resources:
        gpu=1 if devices.gpus() else 0,
    params:
        measure=lambda wc: KERNELS[wc.measure].dumps(),
        code=code_id(
            "hadaptive.measure.bench_kernels.paper",
            *study.code_of(study.TABLE4_NET),
        ),
    shell:
        "python -m hadaptive kernels {params.measure:q} > {log} 2>&1"
