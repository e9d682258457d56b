"""The memory of a training on a CPU: what it frees, it soon takes again.

glibc gives arrays beyond 32 MiB, and the end of its heap beyond 64 MiB, back to the system as soon as they are free.
The next step takes them again, and the system clears each page when it is first touched. A step of Hadaptive-Net-S at
64 px took and gave back 50 MiB so: a tenth of its processor time in the system, and more for caches gone cold.
"""

from __future__ import annotations

import ctypes

TRIM_THRESHOLD, MMAP_MAX = -1, -4  # parameters of mallopt(3)


def keep_freed_memory() -> bool:
    """Let this process keep what it frees for what it needs next.

    No computation changes, nor how much memory is needed at most, but for gaps between arrays. It concerns what the
    main thread allocates. Returns False where nothing was changed: another C library has other means.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return bool(mallopt(TRIM_THRESHOLD, -1) and mallopt(MMAP_MAX, 0))  # never trim, map nothing apart
