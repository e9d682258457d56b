"""The memory of a training on a CPU: what it frees, it soon takes again.

glibc gives arrays beyond 32 MiB, and the end of its heap beyond 64 MiB, back to the system as soon as they are free.
The next step takes them again, and the system clears each page when it is first touched. A step of Hadaptive-Net-S at
64 px took and gave back 50 MiB so: a tenth of its processor time in the system, and more for caches gone cold.
"""

from __future__ import annotations

import ctypes

# parameters of mallopt(3), and the values that its own adaptation ends with once large arrays have been freed
TRIM_THRESHOLD, MMAP_THRESHOLD, MMAP_MAX = -1, -3, -4
GIVING_BACK = {TRIM_THRESHOLD: 2**26, MMAP_THRESHOLD: 2**25, MMAP_MAX: 2**16}
KEEPING = {TRIM_THRESHOLD: -1, MMAP_MAX: 0}


def keep_freed_memory(keep: bool = True) -> bool:
    """Let this process keep what it frees for what it needs next; `keep=False`: give it back, as glibc does by itself.

    No computation changes, nor how much memory is needed at most, but for gaps between arrays. It concerns what the
    main thread allocates. Returns False where nothing was changed: another C library has other means.
    """
    try:
        libc = ctypes.CDLL(None)
        mallopt, trim = libc.mallopt, libc.malloc_trim
    except (AttributeError, OSError, TypeError):
        return False
    changed = all(mallopt(parameter, value) for parameter, value in (KEEPING if keep else GIVING_BACK).items())
    if not keep:
        trim(0)
    return changed
