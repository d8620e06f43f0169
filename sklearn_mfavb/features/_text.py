"""Features of words, in the space of an encoder's features of images."""

import hashlib
import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm.auto import tqdm

from sklearn_mfavb.features._build import (
    CPU,
    Pretrained,
    downloading,
    find_tag,
    is_file,
    load_weights,
    read_weights,
)
from sklearn_mfavb.features._clip_features import CLIPFeatures
from sklearn_mfavb.features._extraction import KEY_BYTES, FeatureStore
from sklearn_mfavb.features._libraries import LIBRARIES, OpenCLIP, find_library
from sklearn_mfavb.training import autocast, isolated, resolve_autocast, resolve_device

# Three of the eighty that CLIP's authors used for ImageNet.
TEMPLATES = ("a photo of a {}.", "a photo of the {}.", "a photo of many {}.")

_WORDS_AT_ONCE = 32  # a batch of 96 prompts

Tokenizer = Callable[[list[str]], Tensor]


def embed_words(
    transformer: Any, words: Sequence[str], *, verbose: int = 0
) -> NDArray[np.float32] | None:
    """Embed words with the text tower that an image encoder was trained with.

    Every word is put into the `TEMPLATES`; the unit features of these prompts are
    averaged, and the mean is brought to unit length.

    Parameters
    ----------
    transformer : object
        The encoder of the images. Only a `CLIPFeatures` of a model of open_clip has a
        text tower, unless its weights are a file of the image tower alone.
    words : sequence of str
        The words.
    verbose : int, default=0
        Whether to show a progress bar.

    Returns
    -------
    ndarray of float32 of shape (n_words, n_features) or None
        Unit vectors in the space of the image features, kept in the `cache_dir` of the
        transformer; None if there is no text tower.

    Raises
    ------
    OSError
        If weights or the parts of a tokenizer cannot be downloaded.
    ValueError
        If a file does not hold the weights of the model.
    """
    if not isinstance(transformer, CLIPFeatures):
        return None
    folder = transformer._cache_folder()
    store = FeatureStore(folder and folder / "text")
    keys = [_hash_word(word) for word in words]
    new = [i for i, key in enumerate(keys) if key not in store.rows]
    if new:
        loaded = _load_text_tower(transformer.model, transformer.pretrained)
        if loaded is None:
            return None
        device = resolve_device(transformer.device)
        dtype = resolve_autocast(transformer.precision, device)
        embed = _word_embedder(*loaded, [words[i] for i in new], device)
        bar = tqdm(
            total=len(new), desc="encoding words", unit="word", disable=not verbose
        )
        with bar, autocast(device, dtype):
            for start in range(0, len(new), _WORDS_AT_ONCE):
                part = new[start : start + _WORDS_AT_ONCE]
                rows = embed([words[i] for i in part]).float().cpu().numpy()
                store.add([keys[i] for i in part], rows)
                bar.update(len(part))
    return np.stack([store.rows[key] for key in keys])


def _hash_word(word: str) -> bytes:
    """Return the key of a word's features."""
    told = repr((TEMPLATES, word)).encode()
    return hashlib.blake2b(told, digest_size=KEY_BYTES).digest()


def _load_text_tower(
    model: str, pretrained: Pretrained
) -> tuple[nn.Module, Tokenizer] | None:
    """Build a model of open_clip on the CPU, and its tokenizer; None without text."""
    library = LIBRARIES[find_library(model)]
    if not isinstance(library, OpenCLIP):
        return None
    from open_clip import get_tokenizer

    weights, tag = None, None
    if is_file(pretrained):
        path = os.fspath(pretrained)  # type: ignore[arg-type]
        weights = read_weights(path)
        starts = {name.partition(".")[0] for name in weights}
        if "visual" not in starts or starts <= {"visual", "logit_scale", "logit_bias"}:
            return None  # an image tower alone
    else:
        tag = find_tag(library, model, pretrained)
    # Text towers of Hugging Face have their architecture and tokenizer on the hub.
    with isolated(0, CPU), CPU, downloading(model, tag or pretrained):
        clip, tokenizer = library.build_both(model, tag), get_tokenizer(model)
    if weights is not None:
        load_weights(clip, weights, model=model, path=path)
    return clip.float().eval(), tokenizer


def _word_embedder(
    clip: Any, tokenizer: Tokenizer, words: list[str], device: torch.device
) -> Callable[[list[str]], Tensor]:
    """Return a function that embeds some of the words."""
    from open_clip import CLIP, build_zero_shot_classifier

    def tokenize(prompts: list[str]) -> Tensor:
        return tokenizer(prompts)[:, :n_tokens]

    n_tokens = None
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
        build_zero_shot_classifier(clip, tokenize, part, TEMPLATES, None, device).T
    )
