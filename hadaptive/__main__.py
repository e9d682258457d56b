"""`python -m hadaptive VERB`."""

import faulthandler
import sys

from hadaptive.preload import forked

if __name__ == "__main__":
    forked()  # comes back where no preloaded process runs the verb
    from hadaptive.cli import main

    faulthandler.enable()  # a crash in a native library leaves the Python traceback that led to it
    sys.exit(main())
