"""Results from a machine without network and without Snakemake: pack the work here, run it there, merge what it made.

`jobs` says what is run in which order; `wheels`, `images` and `pack` make the archives; `run`, with nothing but the
standard library, works through them on the other machine; `merge` checks what came back. Imports no torch.
"""
