"""The parameters that say how images are read."""

from numbers import Integral
from typing import Any, ClassVar, Literal

from sklearn.utils._param_validation import StrOptions

from sklearn_mfavb.parameters import ParameterGroup


class Reading(ParameterGroup):
    """How images are read.

    Parameters
    ----------
    image_shape : tuple of int, default=None
        Shape of the image in a row of `X` if `X` is two-dimensional: (height, width),
        (height, width, n_channels) or (n_channels, height, width). One entry may be -1.
        None: rows are square images, grey or RGB.
    channel_axis : {1, -1}, default=None
        Axis of the channels in a four-dimensional `X`. None: the last axis if it has 1,
        3 or 4 entries, else axis 1; needed only if both could be meant.
    pixel_range : {"auto", "data"} or tuple of float, default="auto"
        Values (black, white). ``"auto"``: (0, 255) for uint8, (0, 1) for floats; other
        values are an error. ``"data"``: the range of the images passed to `fit`.
    resize : {"crop", "pad", "stretch"}, default="crop"
        How an image of another aspect ratio is brought to the size of the network.
        ``"crop"``: the shorter side fits and the center is kept, as pretrained encoders
        do. ``"pad"``: the longer side fits, and the rest is black. ``"stretch"``: the
        aspect ratio is given up.
    on_error : {"raise", "skip"}, default="raise"
        What happens to files that cannot be read. ``"raise"``: an error names the file.
        ``"skip"``: they are left out, labelled -1 and listed in ``skipped_``.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "image_shape": [tuple, list, None],
        "channel_axis": [Integral, None],
        "pixel_range": [StrOptions({"auto", "data"}), tuple, list],
        "resize": [StrOptions({"crop", "pad", "stretch"})],
        "on_error": [StrOptions({"raise", "skip"})],
    }

    def __init__(
        self,
        *,
        image_shape: tuple[int, ...] | None = None,
        channel_axis: Literal[1, -1] | None = None,
        pixel_range: tuple[float, float] | Literal["auto", "data"] = "auto",
        resize: Literal["crop", "pad", "stretch"] = "crop",
        on_error: Literal["raise", "skip"] = "raise",
    ) -> None:
        self.image_shape = image_shape
        self.channel_axis = channel_axis
        self.pixel_range = pixel_range
        self.resize = resize
        self.on_error = on_error
