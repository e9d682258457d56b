# paper_tables/ holds one scale at a time. This file, an input of all that is rendered, is written anew whenever the scale
# changes or Snakemake's own memory was deleted: then its date says what must be rendered again. Where that memory is
# there, an unchanged content means nothing to do. What a dry run writes goes with it.
STAMP = Path(".snakemake/scale")


def scale_stamp(wildcards):
    global STAMP
    if not (STAMP.exists() and STAMP.read_text() == SCALE):
        if workflow.dryrun and STAMP.exists():
            STAMP = Path(mkdtemp(prefix="hadaptive-"), "scale")
            atexit.register(shutil.rmtree, STAMP.parent, ignore_errors=True)
        elif STAMP.exists() and Path(files.FOLDER, STAMP.read_text()).is_dir():
            before = STAMP.read_text()
            print(
                f"{files.FOLDER}/ now shows scale {SCALE}; the files of scale {before} stay in {files.FOLDER / before}/",
                file=sys.stderr,
            )
        elif workflow.dryrun:
            # another path would count as another input where Snakemake's memory is there, as in a clone with DVC's
            atexit.register(STAMP.unlink, missing_ok=True)
        write_text(STAMP, SCALE)
    return str(STAMP)
