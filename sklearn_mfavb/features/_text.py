"""Features of words, in the space of an encoder's features of images."""

import os
from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm.auto import tqdm

from sklearn_mfavb.features._build import (
    CPU,
    download_tower,
    find_tag,
    is_file,
    read_weights,
)
from sklearn_mfavb.features._clip_features import CLIPFeatures
from sklearn_mfavb.features._extraction import KEY_BYTES, FeatureStore
from sklearn_mfavb.features._libraries import OpenCLIP, find_library
from sklearn_mfavb.training import autocast, isolated, resolve_autocast, resolve_device

# Three of the eighty that CLIP's authors used for ImageNet.
TEMPLATES = ("a photo of a {}.", "a photo of the {}.", "a photo of many {}.")

_WORDS_AT_ONCE = 32


def embed_words(
    transformer: Any, words: Sequence[str], *, verbose: int = 0
) -> NDArray[np.float32] | None:
    """Embed words with the text tower that belongs to an encoder of images.

    Returns unit vectors of shape (n_words, n_features), in the space of the images and
    kept in the encoder's `cache_dir`: means of the unit features of the `TEMPLATES`.
    None if there is no text tower: only a `CLIPFeatures` of a model of open_clip has
    one, unless its weights are a file of the image tower alone.
    """
    if not isinstance(transformer, CLIPFeatures):
        return None
    folder = transformer._cache_folder()
    store = FeatureStore(folder and folder / "text")
    told = {word: repr((TEMPLATES, word)).encode() for word in words}
    keys = {w: blake2b(t, digest_size=KEY_BYTES).digest() for w, t in told.items()}
    new = [word for word, key in keys.items() if key not in store.rows]
    if new and (clip := _load_clip(transformer)) is not None:
        device = resolve_device(transformer.device)
        embed = _word_embedder(clip, transformer.model, new, device)
        bar: Any = tqdm(
            total=len(new), desc="encoding words", unit="word", disable=not verbose
        )
        with bar, autocast(device, resolve_autocast(transformer.precision, device)):
            for start in range(0, len(new), _WORDS_AT_ONCE):
                part = new[start : start + _WORDS_AT_ONCE]
                rows = embed(part).float().cpu().numpy()
                store.add([keys[word] for word in part], rows)
                bar.update(len(part))
    elif new:
        return None
    return np.stack([store.rows[keys[word]] for word in words])


class _BothTowers(OpenCLIP):
    """Models of open_clip with their text towers."""

    download = OpenCLIP.download_whole


def _load_clip(transformer: CLIPFeatures) -> Any:
    """Build a model of open_clip on the CPU; None if it has no text tower."""
    model, pretrained = transformer.model, transformer.pretrained
    if find_library(model) != "open_clip":
        return None
    if not is_file(pretrained):
        tag = find_tag(OpenCLIP(), model, pretrained)
        with isolated(0, CPU), CPU:
            return download_tower(_BothTowers(), model, tag).float().eval()
    weights = os.fspath(pretrained)  # type: ignore[arg-type]
    parts = {name.partition(".")[0] for name in read_weights(weights)}
    if "visual" not in parts or parts <= {"visual", "logit_scale", "logit_bias"}:
        return None  # an image tower alone
    try:
        with isolated(0, CPU), CPU:
            return OpenCLIP().download_whole(model, weights).float().eval()
    except RuntimeError as error:  # of torch, about names and shapes
        raise OSError(
            f"pretrained={weights!r} does not hold the weights of model={model!r}: "
            f"{error}"
        ) from error


def _word_embedder(
    clip: Any, model: str, words: list[str], device: torch.device
) -> Callable[[list[str]], Tensor]:
    """Return a function that embeds some of the words."""
    from open_clip import CLIP, build_zero_shot_classifier, get_tokenizer

    try:
        tokenizer, n_tokens = get_tokenizer(model), None
    except ImportError as error:
        raise OSError(
            f"The tokenizer of model={model!r} cannot be built: {error}. Install what "
            "it needs with `pip install transformers`."
        ) from error
    if type(clip) is CLIP and clip.text_pool_type == "argmax":
        # Most of a context is padding, to which the causal mask lets no token attend.
        # Seconds for a prompt, ViT-B-32 on one core: 0.067 whole, 0.011 without
        # padding (bfloat16: 0.020 and 0.0035).
        prompts = [template.format(word) for word in words for template in TEMPLATES]
        n_tokens = int(tokenizer(prompts).argmax(dim=1).max()) + 1
        clip.positional_embedding.data = clip.positional_embedding.data[:n_tokens]
        clip.attn_mask = clip.attn_mask[:n_tokens, :n_tokens]
    clip.to(device)
    return lambda part: (
        build_zero_shot_classifier(
            clip,
            lambda texts: tokenizer(texts)[:, :n_tokens],
            part,
            TEMPLATES,
            None,
            device,
        ).T
    )
