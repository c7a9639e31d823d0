"""``python -m opus_nb.cli`` is ``opus-nb``."""

from __future__ import annotations

import sys

from opus_nb.cli.arguments import main

if __name__ == "__main__":
    sys.exit(main())
