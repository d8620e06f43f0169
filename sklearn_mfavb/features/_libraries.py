"""The two libraries that encoders come from, behind one interface.

Both take seconds to import, so they are imported when an encoder is built.
"""

import difflib
import math
from dataclasses import asdict
from typing import Any

from torch import Tensor, nn

from sklearn_mfavb.features._preprocessing import Preprocessing

# timm's names -> ours.
CROP_MODES = {"squash": "squash", "border": "longest"}

Weights = dict[str, Tensor]
# Library, model (of timm with the tag of its weights) and config: what open_clip knows
# of the model, which may be one that the user registered; empty for timm.
Architecture = dict[str, Any]


class OpenCLIP:
    """Image towers of open_clip."""

    def tags(self, model: str) -> list[str]:
        """List the pretrained weights of a model."""
        import open_clip

        return list(open_clip.list_pretrained_tags_by_model(model))

    def default_tag(self, model: str) -> str | None:
        """Return OpenAI's tag; a model without it has weights of many origins."""
        return "openai" if "openai" in self.tags(model) else None

    def hub_repository(self, model: str, tag: str) -> str:
        """Return where a tag is on the Hugging Face hub; empty if it is elsewhere."""
        from open_clip import get_pretrained_cfg

        return get_pretrained_cfg(model, tag).get("hf_hub", "").rpartition("/")[0]

    def describe(self, model: str, tag: str | None) -> Architecture:
        """Describe the tower of a model, with the activation of the tag's weights."""
        from open_clip import get_model_config, get_pretrained_cfg

        config = get_model_config(model)
        told = {} if tag is None else get_pretrained_cfg(model, tag)
        kept = {name: config[name] for name in ("embed_dim", "vision_cfg")}
        kept["quick_gelu"] = bool(config.get("quick_gelu") or told.get("quick_gelu"))
        return {"library": "open_clip", "model": model, "config": kept}

    def build(self, architecture: Architecture) -> nn.Module:
        """Build a tower with random weights; nothing is downloaded."""
        from open_clip import CLIP

        config = architecture["config"]
        inner = config["vision_cfg"].get("timm_model_name")
        if inner is not None:
            _check_timm_name(inner)
        vision = {**config["vision_cfg"], "timm_model_pretrained": False}
        # The public class builds both towers: the text tower is one token.
        text = {"context_length": 1, "vocab_size": 1, "width": 8, "heads": 1}
        text["layers"] = 1
        quick_gelu = config["quick_gelu"]
        clip = CLIP(config["embed_dim"], vision, text, quick_gelu=quick_gelu)
        return _with_exact_residuals(clip.visual)

    def download(self, model: str, tag: str) -> nn.Module:
        """Build a tower with the weights of a tag."""
        from open_clip import create_model, get_pretrained_cfg

        # Weights trained with QuickGELU are also listed under models with the exact
        # GELU, where open_clip warns and embeds with the wrong one.
        is_quick = bool(get_pretrained_cfg(model, tag).get("quick_gelu", False))
        clip = create_model(model, pretrained=tag, force_quick_gelu=is_quick)
        return _with_exact_residuals(clip.visual)

    def preprocessing(self, tower: Any, model: str, tag: str | None) -> Preprocessing:
        """Describe how the images were prepared that a tower was trained with."""
        from open_clip import get_pretrained_cfg

        # A file does not say how images were prepared. The known weights of a model
        # do, if they agree; SigLIP's, for one, differ from CLIP's.
        tags = self.tags(model) if tag is None else [tag]
        choices = {_translate(tower, get_pretrained_cfg(model, tag)) for tag in tags}
        return choices.pop() if len(choices) == 1 else _translate(tower, {})

    def trim(self, weights: Weights, tower: nn.Module) -> Weights:
        """Pick the weights of the image tower: all under "visual.", else everything."""
        start = "visual."
        picked = {k[len(start) :]: v for k, v in weights.items() if k.startswith(start)}
        return picked or weights


class Timm:
    """Image models of timm, without their classifiers."""

    def tags(self, model: str) -> list[str]:
        """List the pretrained weights of a model."""
        import timm

        names = timm.list_pretrained(f"{model.partition('.')[0]}.*")
        return [name.partition(".")[2] for name in names]

    def default_tag(self, model: str) -> str | None:
        """Return the tag in the name, else the one that timm prefers."""
        import timm

        details = timm.get_pretrained_cfg(model)
        return None if details is None else details.tag or None

    def hub_repository(self, model: str, tag: str) -> str:
        """Return where a tag is on the Hugging Face hub; empty if it is elsewhere."""
        import timm

        details: Any = timm.get_pretrained_cfg(_tagged(model, tag))
        return details.hf_hub_id or ""

    def describe(self, model: str, tag: str | None) -> Architecture:
        """Describe the tower of a model."""
        name = model if tag is None else _tagged(model, tag)
        return {"library": "timm", "model": name, "config": {}}

    def build(self, architecture: Architecture) -> nn.Module:
        """Build a tower with random weights; nothing is downloaded."""
        import timm

        name = architecture["model"]
        _check_timm_name(name)
        return timm.create_model(name, pretrained=False, num_classes=0)

    def download(self, model: str, tag: str) -> nn.Module:
        """Build a tower with the weights of a tag."""
        import timm

        return timm.create_model(_tagged(model, tag), pretrained=True, num_classes=0)

    def preprocessing(self, tower: Any, model: str, tag: str | None) -> Preprocessing:
        """Describe how the images were prepared that a tower was trained with."""
        import timm

        told = timm.data.resolve_model_data_config(tower)
        size = told["input_size"][1:]
        is_framed = told["crop_mode"] == "border"
        return _describe(
            size,
            resized=tuple(math.floor(side / told["crop_pct"]) for side in size),
            resize_mode=CROP_MODES.get(told["crop_mode"], "shortest"),
            told=told,
            fill=sum(told["mean"]) / 3 if is_framed else 0.0,
        )

    def trim(self, weights: Weights, tower: nn.Module) -> Weights:
        """Leave out the weights of the classifier."""
        classifier = getattr(tower, "pretrained_cfg", {}).get("classifier") or ()
        names = (classifier,) if isinstance(classifier, str) else tuple(classifier)
        heads = tuple(f"{name}." for name in names)
        own = tower.state_dict().keys()
        return {k: v for k, v in weights.items() if k in own or not k.startswith(heads)}


Library = OpenCLIP | Timm
LIBRARIES: dict[str, Library] = {"open_clip": OpenCLIP(), "timm": Timm()}


def find_library(model: str) -> Library:
    """Return the library that has a model: open_clip first, then timm."""
    import open_clip
    import timm

    if model in open_clip.list_models():
        return LIBRARIES["open_clip"]
    if timm.is_model(model):
        return LIBRARIES["timm"]
    names = [*open_clip.list_models(), *timm.list_models()]
    similar = difflib.get_close_matches(model, names, n=5, cutoff=0.5)
    raise ValueError(
        f"model={model!r} is no model of open_clip or timm. "
        f"Similar names: {', '.join(similar) if similar else 'none'}."
    )


def _translate(tower: Any, details: dict[str, Any]) -> Preprocessing:
    """Translate open_clip's description; `details` are those of the weights."""
    from open_clip.transform import PreprocessCfg

    told = asdict(PreprocessCfg())
    told |= {name: details[name] for name in told if details.get(name) is not None}
    size = getattr(tower, "image_size", told["size"])
    size = (size, size) if isinstance(size, int) else tuple(size)
    fill = told["fill_color"] / 255
    mode = told["resize_mode"]
    return _describe(size, resized=size, resize_mode=mode, told=told, fill=fill)


def _describe(
    size: Any, *, resized: Any, resize_mode: Any, told: Any, fill: float
) -> Preprocessing:
    """Make the description from what both libraries tell alike."""
    return Preprocessing(
        size=size,
        resized=resized,
        resize_mode=resize_mode,
        # The method for tensors that comes nearest.
        interpolation="bilinear" if told["interpolation"] == "bilinear" else "bicubic",
        mean=tuple(told["mean"]),
        std=tuple(told["std"]),
        fill=fill,
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
    """Return the output of a layer in float32; a function that can be pickled."""
    return output.float()
