"""The one error a user sees: what is wrong, by name, and what to do about it."""

from __future__ import annotations


class UserError(Exception):
    """Something the user can mend. The command line prints its message alone, without a traceback, and exits 1."""


class Preempted(Exception):
    """A training was asked to stop (SIGTERM, SIGINT) and has saved its state; the message says where it stands."""


def nearest(name: str, known: list[str] | tuple[str, ...]) -> str:
    """' Did you mean ...?' with the closest known name, or the known names where none is close."""
    import difflib

    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if close or len(known) == 1:
        return f" Did you mean {(close or known)[0]!r}?"
    listed = ", ".join(sorted(known)[:12])
    return f" Known: {listed}{', ...' if len(known) > 12 else ''}."


def lacks(error: ModuleNotFoundError) -> str:
    """'needs the package ...' and how to install it. An import of our own that fails is raised again."""
    if (error.name or "hadaptive").partition(".")[0] in ("hadaptive", "kernels"):
        raise error
    return (
        f"needs the package {error.name}, which is not installed; "
        "install the pipeline: pip install 'hadaptive[pipeline,detect,text]'"
    )
