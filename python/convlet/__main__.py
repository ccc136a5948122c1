"""`python -m convlet`: the command `convlet`."""

from __future__ import annotations

import sys

from convlet.cli import main

if __name__ == "__main__":
    sys.exit(main())
