"""Where ``sklearn-mfavb`` and ``python -m sklearn_mfavb`` begin."""

import sys

from sklearn_mfavb.command_line import main

if __name__ == "__main__":
    sys.exit(main())
