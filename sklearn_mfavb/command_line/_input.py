"""The images that a command is about."""

import os
from pathlib import Path

from sklearn_mfavb.images import list_images


def find_images(folder: str, out: Path) -> list[str]:
    """List the images below a folder that does not hold the results.

    Else the copies that are sorted into clusters would be images the next time.

    Parameters
    ----------
    folder : str
        Where to look.
    out : pathlib.Path
        The folder of the results, which need not exist.

    Returns
    -------
    list of str
        Absolute paths, sorted: they are the same from wherever the program is started.

    Raises
    ------
    ValueError
        If `out` is in `folder`, directly or by links, or no image is there.
    FileNotFoundError
        If there is no such folder.
    """
    results = out.resolve()
    paths = list_images(os.path.abspath(folder))
    # Folders of images may be links, which lead anywhere.
    read_from = {Path(os.path.dirname(path)).resolve() for path in paths}
    holds_results = results.is_relative_to(Path(folder).resolve())
    if holds_results or any(parent.is_relative_to(results) for parent in read_from):
        raise ValueError(
            f"--out {out} and {folder} overlap: results would be taken for images the "
            "next time. Name a folder for results outside that of the images."
        )
    return paths
