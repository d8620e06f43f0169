"""What an image tower is made of, its weights apart."""

from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Architecture:
    """Say in plain values how an image tower is built, so that it serialises.

    Attributes
    ----------
    library : {"open_clip", "timm"}
        Where it comes from.
    model : str
        Its name there; of timm with the tag of its weights.
    config : dict
        What open_clip knows of the model, which may be one that a user told it of;
        empty for timm.
    """

    library: Literal["open_clip", "timm"]
    model: str
    config: dict[str, Any]
