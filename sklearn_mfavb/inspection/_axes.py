"""matplotlib, which not everybody has."""

from typing import Any


def open_axes(
    display: str, ax: Any, figsize: tuple[float, float] | None = None
) -> tuple[Any, Any]:
    """Return the axes to draw on and their figure: new ones if there are none.

    Raises ImportError, in the name of `display`, if matplotlib is not installed.
    """
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise ImportError(
            f"{display}.plot needs matplotlib, which is not installed: "
            "pip install 'sklearn-mfavb[pictures]'."
        ) from error
    if ax is None:
        _, ax = pyplot.subplots(figsize=figsize, layout="constrained")
    return ax, ax.figure
