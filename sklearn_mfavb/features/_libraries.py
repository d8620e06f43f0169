"""The two libraries that encoders come from, behind one interface.

Both take seconds to import, so they are imported when an encoder is built.
"""

import difflib
import math
from abc import ABC, abstractmethod
from dataclasses import asdict
from typing import Any

from torch import Tensor, nn

from sklearn_mfavb.features._architecture import Architecture
from sklearn_mfavb.features._preprocessing import Preprocessing, ResizeMode
from sklearn_mfavb.features._weights import image_tower_weights

# timm's names -> ours.
CROP_MODES: dict[str, ResizeMode] = {"squash": "squash", "border": "longest"}

Weights = dict[str, Tensor]
Tower = tuple[nn.Module, Preprocessing]


class Library(ABC):
    """Build image towers by name."""

    @abstractmethod
    def tags(self, model: str) -> list[str]:
        """List the pretrained weights that the library knows for a model."""

    @abstractmethod
    def build(self, model: str) -> Tower:
        """Build a tower with random weights, to be loaded from a file."""

    @abstractmethod
    def download(self, model: str, tag: str) -> Tower:
        """Build a tower with the weights of a tag."""

    @abstractmethod
    def default_tag(self, model: str) -> str | None:
        """Return the tag that the name alone stands for, if it does."""

    @abstractmethod
    def trim(self, weights: Weights, tower: nn.Module) -> Weights:
        """Leave out the weights in a file that are not the tower's."""

    @abstractmethod
    def describe(self, model: str, tag: str | None) -> Architecture:
        """Say what `build` or, with a tag, `download` makes."""

    @abstractmethod
    def rebuild(self, architecture: Architecture) -> nn.Module:
        """Build what was described, with random weights; nothing is downloaded."""


class OpenCLIP(Library):
    """Image towers of open_clip."""

    def tags(self, model: str) -> list[str]:
        """List the pretrained weights that the library knows for a model."""
        import open_clip

        return list(open_clip.list_pretrained_tags_by_model(model))

    def default_tag(self, model: str) -> str | None:
        """Return None: a CLIP model has weights of many origins."""
        return None

    def trim(self, weights: Weights, tower: nn.Module) -> Weights:
        """Leave out the weights in a file that are not the tower's."""
        return image_tower_weights(weights)

    def build(self, model: str) -> Tower:
        """Build a tower with random weights, to be loaded from a file."""
        import open_clip

        tower = self.rebuild(self.describe(model, None))
        # A file does not say how images were prepared. The known weights of a model
        # do, if they agree; SigLIP's, for one, differ from CLIP's.
        known = [open_clip.get_pretrained_cfg(model, tag) for tag in self.tags(model)]
        choices = {self._preprocessing(tower, details) for details in known}
        agreed = choices.pop() if len(choices) == 1 else self._preprocessing(tower, {})
        return tower, agreed

    def describe(self, model: str, tag: str | None) -> Architecture:
        """Say what `build` or, with a tag, `download` makes."""
        import open_clip

        config = open_clip.get_model_config(model)
        told = {} if tag is None else open_clip.get_pretrained_cfg(model, tag)
        quick_gelu = config.get("quick_gelu") or told.get("quick_gelu")
        kept = {
            "embed_dim": config["embed_dim"],
            "vision_cfg": config["vision_cfg"],
            "quick_gelu": bool(quick_gelu),
        }
        return Architecture("open_clip", model, kept)

    def rebuild(self, architecture: Architecture) -> nn.Module:
        """Build what was described, with random weights; nothing is downloaded."""
        import open_clip

        config = architecture.config
        inner = config["vision_cfg"].get("timm_model_name")
        if inner is not None:
            _check_timm_name(inner)
        # The public class builds both towers: the text tower is one token.
        text = {"context_length": 1, "vocab_size": 1, "width": 8, "heads": 1}
        tower = open_clip.CLIP(
            config["embed_dim"],
            {**config["vision_cfg"], "timm_model_pretrained": False},
            {**text, "layers": 1},
            quick_gelu=config["quick_gelu"],
        ).visual
        return _with_exact_residuals(tower)

    def download(self, model: str, tag: str) -> Tower:
        """Build a tower with the weights of a tag."""
        import open_clip

        details = open_clip.get_pretrained_cfg(model, tag)
        # Weights trained with QuickGELU are also listed under models with the exact
        # GELU, where open_clip warns and embeds with the wrong one.
        tower = open_clip.create_model(
            model,
            pretrained=tag,
            force_quick_gelu=bool(details.get("quick_gelu", False)),
        ).visual
        return _with_exact_residuals(tower), self._preprocessing(tower, details)

    def _preprocessing(
        self, tower: nn.Module, details: dict[str, Any]
    ) -> Preprocessing:
        """Translate open_clip's description; `details` are those of the weights."""
        from open_clip.transform import PreprocessCfg

        told = asdict(PreprocessCfg())
        told |= {name: details[name] for name in told if details.get(name) is not None}
        size = _pair(getattr(tower, "image_size", told["size"]))
        return Preprocessing(
            size=size,
            resized=size,
            resize_mode=told["resize_mode"],
            interpolation=_known_interpolation(told["interpolation"]),
            mean=_three(told["mean"]),
            std=_three(told["std"]),
            fill=told["fill_color"] / 255,
        )


class Timm(Library):
    """Image models of timm, without their classifiers."""

    def tags(self, model: str) -> list[str]:
        """List the pretrained weights that the library knows for a model."""
        import timm

        architecture = model.partition(".")[0]
        names = timm.list_pretrained(f"{architecture}.*")
        return [name.partition(".")[2] for name in names]

    def default_tag(self, model: str) -> str | None:
        """Return the tag in the name, else the one that timm prefers."""
        import timm

        details = timm.get_pretrained_cfg(model)
        return None if details is None else details.tag or None

    def build(self, model: str) -> Tower:
        """Build a tower with random weights, to be loaded from a file."""
        return self._create(model, pretrained=False)

    def download(self, model: str, tag: str) -> Tower:
        """Build a tower with the weights of a tag."""
        return self._create(_tagged(model, tag), pretrained=True)

    def describe(self, model: str, tag: str | None) -> Architecture:
        """Say what `build` or, with a tag, `download` makes."""
        return Architecture("timm", model if tag is None else _tagged(model, tag), {})

    def rebuild(self, architecture: Architecture) -> nn.Module:
        """Build what was described, with random weights; nothing is downloaded."""
        _check_timm_name(architecture.model)
        return self._create(architecture.model, pretrained=False)[0]

    def trim(self, weights: Weights, tower: nn.Module) -> Weights:
        """Leave out the weights in a file that are not the tower's."""
        classifier = getattr(tower, "pretrained_cfg", {}).get("classifier") or ()
        names = (classifier,) if isinstance(classifier, str) else tuple(classifier)
        heads = tuple(f"{name}." for name in names)
        wanted = tower.state_dict().keys()
        return {
            name: tensor
            for name, tensor in weights.items()
            if name in wanted or not name.startswith(heads)
        }

    def _create(self, name: str, *, pretrained: bool) -> Tower:
        import timm

        tower = timm.create_model(name, pretrained=pretrained, num_classes=0)
        told = timm.data.resolve_model_data_config(tower)
        size = _pair(told["input_size"][1:])
        height, width = (math.floor(side / told["crop_pct"]) for side in size)
        return tower, Preprocessing(
            size=size,
            resized=(height, width),
            resize_mode=CROP_MODES.get(told["crop_mode"], "shortest"),
            interpolation=_known_interpolation(told["interpolation"]),
            mean=_three(told["mean"]),
            std=_three(told["std"]),
            fill=sum(told["mean"]) / 3 if told["crop_mode"] == "border" else 0.0,
        )


def find_library(model: str) -> Library:
    """Return the library that has a model: open_clip first, then timm.

    Raises
    ------
    ValueError
        If neither has it; similar names are listed.
    """
    import open_clip
    import timm

    if model in open_clip.list_models():
        return OpenCLIP()
    if timm.is_model(model):
        return Timm()
    names = [*open_clip.list_models(), *timm.list_models()]
    similar = difflib.get_close_matches(model, names, n=5, cutoff=0.5)
    raise ValueError(
        f"model={model!r} is no model of open_clip or timm. "
        f"Similar names: {', '.join(similar) if similar else 'none'}."
    )


def _tagged(model: str, tag: str) -> str:
    """Return the name of a model of timm with the tag of other weights."""
    return f"{model.partition('.')[0]}.{tag}"


def _check_timm_name(name: str) -> None:
    """Raise for a name that timm does not have; it may seek others on the network."""
    import timm

    if not timm.is_model(name):
        raise ValueError(f"timm {timm.__version__} has no model {name!r}.")


def _with_exact_residuals(tower: nn.Module) -> nn.Module:
    """Keep the sums over open_clip's layers in float32, where products are bfloat16."""
    # Its layers follow the type of the first one. This takes the smallest cosine
    # to float32 from 0.9991 to 0.9994 (ViT-B/16, 72 images), at no cost in time.
    stem = getattr(tower, "conv1", None)
    if isinstance(stem, nn.Module):
        stem.register_forward_hook(_to_float32)
    return tower


def _to_float32(stem: nn.Module, inputs: Any, output: Tensor) -> Tensor:
    """Return the output of a layer in float32; a hook, and picklable."""
    return output.float()


def _pair(size: Any) -> tuple[int, int]:
    """Return height and width of a side, or of both."""
    height, width = (size, size) if isinstance(size, int) else size
    return int(height), int(width)


def _three(values: Any) -> tuple[float, ...]:
    """Return one number per channel."""
    return tuple(float(value) for value in values)


def _known_interpolation(name: str) -> Any:
    """Return the method for tensors that comes nearest."""
    return "bilinear" if name == "bilinear" else "bicubic"
