# paper_tables/ holds one scale at a time. This file is new whenever the scale changes, so what another scale left there is
# made again even where Snakemake's own memory of it was lost.
rule scale:
    output:
        f"paper_tables/.scale/{SCALE}",
    log:
        "logs/paper/scale.log",
    localrule: True
    shell:
        "(rm -rf paper_tables/.scale && mkdir -p paper_tables/.scale && touch {output}) > {log} 2>&1"
