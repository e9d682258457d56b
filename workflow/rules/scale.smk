# paper_tables/ holds one scale at a time. This file, an input of all that is rendered, is written anew whenever the scale
# changes or Snakemake's own memory was deleted: then its date says what must be rendered again. Where that memory is
# there, an unchanged content means nothing to do. A dry run writes a file that goes with it.
STAMP = Path(".snakemake/scale")


def scale_stamp(wildcards):
    global STAMP
    if not (STAMP.exists() and STAMP.read_text() == SCALE):
        if workflow.dryrun:
            STAMP = Path(mkdtemp(prefix="hadaptive-"), "scale")
            atexit.register(shutil.rmtree, STAMP.parent, ignore_errors=True)
        write_text(STAMP, SCALE)
    return str(STAMP)
