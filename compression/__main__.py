"""`python -m compression`: see `compression.cli`."""

import sys

from compression.cli import main

if __name__ == "__main__":
    sys.exit(main())
