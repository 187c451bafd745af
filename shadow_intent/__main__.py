"""`python -m shadow_intent`, also installed as `shadow-intent`."""

import sys

from shadow_intent.cli import main

if __name__ == "__main__":
    sys.exit(main())
