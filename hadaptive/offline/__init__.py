"""Results from a machine without network and without Snakemake: pack the work here, run it there, merge what it made.

`jobs` says what is run in which order; `wheels`, `images` and `pack` make the archives; `run` and `session` work
through them there with the standard library alone; `merge` checks what came back. Imports no torch.
"""
