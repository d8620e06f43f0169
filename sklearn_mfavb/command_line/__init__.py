"""The program ``sklearn-mfavb``: its words, its commands and the files they write.

Commands are imported when they are run, so that ``--help`` needs no torch.
"""

from sklearn_mfavb.command_line._main import main

__all__ = ["main"]
