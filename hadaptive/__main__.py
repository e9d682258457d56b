"""`python -m hadaptive VERB`."""

import faulthandler
import sys

from hadaptive.cli import main

faulthandler.enable()  # a crash in a native library leaves the Python traceback that led to it
sys.exit(main())
