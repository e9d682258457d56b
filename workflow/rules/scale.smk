# paper_tables/ holds one scale at a time. This file, an input of all that is rendered, is written anew whenever the scale
# changes or Snakemake's own memory was deleted: then its date says what must be rendered again. Where that memory is
# there, an unchanged content means nothing to do.
SCALE_STAMP = ".snakemake/scale"
if not Path(SCALE_STAMP).exists() or Path(SCALE_STAMP).read_text() != SCALE:
    write_text(Path(SCALE_STAMP), SCALE)
