"""`python -m hadaptive VERB`."""

import sys

from hadaptive.preload import forked

if __name__ == "__main__":
    forked()  # comes back where no preloaded process runs the verb
    from hadaptive.cli import main

    sys.exit(main())
