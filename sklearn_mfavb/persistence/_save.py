"""From a fitted estimator to a file."""

import json
import os
from pathlib import Path
from typing import Any

import torch
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from sklearn_mfavb.estimators import BaseImageClusterer
from sklearn_mfavb.estimators._model import ClusteringModel
from sklearn_mfavb.files import replace_file
from sklearn_mfavb.parameters import ParameterGroup
from sklearn_mfavb.persistence._file import ModelFileError, pack
from sklearn_mfavb.persistence._load import LEARNED, class_name, read_estimator
from sklearn_mfavb.persistence._model import write_model
from sklearn_mfavb.persistence._values import Writer
from sklearn_mfavb.persistence._versions import library_versions
from sklearn_mfavb.training import isolated
from sklearn_mfavb.views import View
from sklearn_mfavb.warn import warn_user

_N_PROBES = 2
_PROBE_SIDE = 32  # pixels of an image that passes an encoder, which resizes it
_TOLERANCE = 1e-3  # of the length of the outputs; equal bit for bit on CPUs


def save_estimator(estimator: BaseImageClusterer, path: str | os.PathLike[str]) -> None:
    """Write a fitted estimator to a file, and read it back before that counts.

    See `MFAVBClustering.save` for the errors and the warning.

    Parameters
    ----------
    estimator : BaseImageClusterer
        Fitted.
    path : str or path-like
        The file; replaced as a whole if it is there.
    """
    check_is_fitted(estimator)
    params = estimator.get_params(deep=False)
    backbone = params.get("backbone")
    is_code = callable(backbone) and not isinstance(backbone, ParameterGroup)
    function = params.pop("backbone") if is_code else None
    writer = Writer()
    document = {
        "class": class_name(type(estimator)),
        "versions": library_versions(),
        "params": writer.write_params(params),
        "backbone_function": None if function is None else _name_function(function),
        "model": write_model(estimator.model_, writer),
    }
    learned = {
        name: writer.write(getattr(estimator, name), f"learned.{name}")
        for name in LEARNED
        if hasattr(estimator, name)
    }
    # A header has room for 100 MB, and a million paths take more.
    record = json.dumps(learned, sort_keys=True).encode()
    writer.tensors["learned"] = torch.frombuffer(bytearray(record), dtype=torch.uint8)
    with replace_file(path) as file:
        file.write(pack(document, writer.tensors))
        file.flush()
        copy = _read_back(estimator, Path(file.name), function)
        dropped = [*writer.dropped, *sorted(vars(estimator).keys() - vars(copy).keys())]
        if dropped:
            warn_user(
                "Not saved, being no plain values or places on this machine: "
                f"{', '.join(dropped)}. Loaded, the estimator has their defaults; its "
                "predictions do not depend on them."
            )


def _name_function(function: Any) -> str:
    """Name a function, for people: it is not looked up."""
    name = getattr(function, "__qualname__", type(function).__qualname__)
    return f"{getattr(function, '__module__', None)}.{name}"


def _read_back(
    estimator: BaseImageClusterer, path: Path, function: Any
) -> BaseImageClusterer:
    """Load what was written, and compare what both models compute on noise.

    Weights of the same shapes may belong to another network: one with more attention
    heads, if that parameter was changed after `fit`.
    """
    model = estimator.model_
    try:
        copy = read_estimator(path, device=model.device, backbone=function)
        for mine, its in zip(copy.model_.encoders, model.encoders, strict=True):
            if its.transformer is not None:
                mine.transformer.device = its.transformer.device  # type: ignore[union-attr]
        with isolated(0, model.device), torch.no_grad():
            outputs, expected = _outputs(copy.model_), _outputs(model)
        for name, output in expected.items():
            if torch.dist(outputs[name], output) > _TOLERANCE * output.norm():
                raise ModelFileError(f"its {name} differ from those of the estimator.")
    except ModelFileError as error:
        raise ValueError(
            f"What would be saved cannot be loaded: {error} If parameters were changed "
            "after fit, set them back or fit again."
        ) from error
    return copy


def _outputs(model: ClusteringModel) -> dict[str, Tensor]:
    """Embed and label noise."""
    shape, device = model.view_shape, model.device
    images = shape.image_size and _noise(shape.n_channels, *shape.image_size)
    features = _noise(sum(shape.feature_dims)) if shape.feature_dims else None
    view = View(
        *(part if part is None else part.to(device) for part in (images, features))
    )
    embedding = model.network.eval().embed(view)
    outputs = {"embeddings": embedding, "labels": model.assigner.eval()(embedding)}
    for index, encoder in enumerate(model.encoders):
        if encoder.transformer is not None:
            rows = encoder.embed(_noise(3, _PROBE_SIDE, _PROBE_SIDE))
            outputs[f"features of encoder {index}"] = torch.from_numpy(rows)
    return outputs


def _noise(*shape: int) -> Tensor:
    """Draw arrays of values in [0, 1], the same for every call."""
    generator = torch.Generator().manual_seed(0)
    return torch.rand((_N_PROBES, *shape), generator=generator)
