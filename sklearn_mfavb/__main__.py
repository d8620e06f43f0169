"""The process of ``sklearn-mfavb`` and ``python -m sklearn_mfavb``.

What concerns the whole process is done here, so that other programs may call
`sklearn_mfavb.command_line.main`.
"""

import ctypes
import gc
import io
import logging
import os
import sys
from typing import Any

from sklearn_mfavb.command_line import main as run_command

# glibc gives memory that a training step frees back to the system, and gets it again
# page by page: at 32 pixels and 256 images 67,000 to 113,000 page faults a step, and
# 1.19 s against 0.91 without them (two cores). So: never trim, and take no block by
# mmap. Every glibc does that; those before 2.35 refuse mmap thresholds above 32 MiB.
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # numbers of <malloc.h>


def main() -> int:
    """Run the command line of this process, and return the exit code."""
    keep_freed_memory()
    logging.disable(logging.ERROR)  # of libraries: an error is told once, by `main`
    sys.stdout, sys.stderr = _lasting(sys.stdout), _lasting(sys.stderr)
    code = run_command()
    gc.freeze()  # what is left need not be collected: 0.3 s to end in place of 1.6
    return code


def keep_freed_memory() -> None:
    """Let the process keep what it frees, unless the environment says otherwise."""
    is_set = any(name.startswith(("MALLOC_", "GLIBC_TUNABLES")) for name in os.environ)
    libc: Any = ctypes.CDLL(None) if sys.platform == "linux" else None
    if hasattr(libc, "mallopt") and not is_set:
        libc.mallopt(_M_TRIM_THRESHOLD, -1)
        libc.mallopt(_M_MMAP_MAX, 0)


class _LastingFile(io.FileIO):
    """A file that outlives its reader: ``| head`` must not end the program."""

    def write(self, content: Any) -> int:
        """Write, if anybody still reads."""
        try:
            return super().write(content)
        except BrokenPipeError:
            return len(content)


def _lasting(stream: Any) -> Any:
    """Return a stream to the same file, which takes names of any bytes too."""
    file = io.BufferedWriter(_LastingFile(stream.fileno(), "w", closefd=False))
    return io.TextIOWrapper(
        file, stream.encoding, "backslashreplace", line_buffering=True
    )


if __name__ == "__main__":
    sys.exit(main())
