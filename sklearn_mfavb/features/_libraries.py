"""The two libraries that encoders come from, behind one interface.

Both take seconds to import, so they are imported when an encoder is built.
"""

import difflib
from typing import Any

from torch import Tensor, nn

from sklearn_mfavb.features._encoder import Preprocessing


class OpenCLIP:
    """Image towers of open_clip."""

    def tags(self, model: str) -> list[str]:
        """List the pretrained weights of a model."""
        import open_clip

        return list(open_clip.list_pretrained_tags_by_model(model))

    def default_tag(self, model: str) -> str | None:
        """Return OpenAI's tag; a model without it has weights of many origins."""
        return "openai" if "openai" in self.tags(model) else None

    def describe(self, model: str, tag: str | None) -> dict[str, Any]:
        """Return what `build` takes, with the activation of the tag's weights."""
        from open_clip import get_model_config, get_pretrained_cfg

        config = get_model_config(model)
        told = {} if tag is None else get_pretrained_cfg(model, tag)
        return {
            "embed_dim": config["embed_dim"],
            "vision_cfg": config["vision_cfg"],
            "quick_gelu": bool(config.get("quick_gelu") or told.get("quick_gelu")),
        }

    def build(
        self, *, embed_dim: int, vision_cfg: dict[str, Any], quick_gelu: bool
    ) -> nn.Module:
        """Build a tower with random weights; nothing is downloaded."""
        from open_clip import CLIP

        if "timm_model_name" in vision_cfg:
            _check_timm_name(vision_cfg["timm_model_name"])
        vision = {**vision_cfg, "timm_model_pretrained": False}
        # The public class builds both towers: the text tower is one token.
        text = dict.fromkeys(("context_length", "vocab_size", "heads", "layers"), 1)
        clip = CLIP(embed_dim, vision, {**text, "width": 8}, quick_gelu=quick_gelu)
        return _with_exact_residuals(clip.visual)

    def download(self, model: str, tag: str) -> nn.Module:
        """Build a tower with the weights of a tag."""
        return _with_exact_residuals(self.download_whole(model, tag).visual)

    def download_whole(self, model: str, tag: str) -> Any:
        """Build the towers of images and text with the weights of a tag or file."""
        from open_clip import create_model

        # Weights trained with QuickGELU are also listed under models with the exact
        # GELU, where open_clip warns and embeds with the wrong one.
        is_quick = self.describe(model, tag)["quick_gelu"]
        return create_model(model, pretrained=tag, force_quick_gelu=is_quick)

    def preprocessing(self, tower: Any, model: str, tag: str | None) -> Preprocessing:
        """Describe how the images were prepared that a tower was trained with."""
        from open_clip import get_pretrained_cfg

        # A file does not say how images were prepared. The known weights of a model
        # do, if they agree; SigLIP's, for one, differ from CLIP's.
        tags = self.tags(model) if tag is None else [tag]
        size = getattr(tower, "image_size", 224)
        choices = {translate(size, get_pretrained_cfg(model, tag)) for tag in tags}
        return choices.pop() if len(choices) == 1 else translate(size, {})


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

    def describe(self, model: str, tag: str | None) -> dict[str, Any]:
        """Return what `build` takes."""
        return {"model": model if tag is None else _tagged(model, tag)}

    def build(self, *, model: str) -> nn.Module:
        """Build a tower with random weights; nothing is downloaded."""
        import timm

        _check_timm_name(model)
        return timm.create_model(model, pretrained=False, num_classes=0)

    def download(self, model: str, tag: str) -> nn.Module:
        """Build a tower with the weights of a tag."""
        import timm

        return timm.create_model(_tagged(model, tag), pretrained=True, num_classes=0)

    def preprocessing(self, tower: Any, model: str, tag: str | None) -> Preprocessing:
        """Describe how the images were prepared that a tower was trained with."""
        import timm

        return Preprocessing(**timm.data.resolve_model_data_config(tower))


Library = OpenCLIP | Timm
LIBRARIES: dict[str, Library] = {"open_clip": OpenCLIP(), "timm": Timm()}


def find_library(model: str) -> str:
    """Return the name of the library that has a model: open_clip first, then timm."""
    import open_clip
    import timm

    if model in open_clip.list_models():
        return "open_clip"
    if timm.is_model(model):
        return "timm"
    names = [*open_clip.list_models(), *timm.list_models()]
    similar = difflib.get_close_matches(model, names, n=5, cutoff=0.5)
    raise ValueError(
        f"open_clip and timm have no model called {model!r}. "
        f"Similar names: {', '.join(similar) if similar else 'none'}."
    )


def translate(size: Any, details: dict[str, Any]) -> Preprocessing:
    """Translate open_clip's description; `details` are those of the weights."""
    from open_clip.transform import PreprocessCfg

    names = ("mean", "std", "interpolation", "resize_mode")
    told = {name: details[name] for name in names if details.get(name) is not None}
    whole = PreprocessCfg(**told)
    return Preprocessing(
        input_size=(3, size, size) if isinstance(size, int) else (3, *size),
        crop_pct=1.0,
        # No known weights saw images that were fit inside ("longest").
        crop_mode="squash" if whole.resize_mode == "squash" else "center",
        interpolation=whole.interpolation,
        mean=tuple(whole.mean),
        std=tuple(whole.std),
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
