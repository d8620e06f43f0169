"""Options that name pretrained encoders, checked without importing torch."""

import difflib
import os
import re
import sys
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
from click import option

from sklearn_mfavb.command_line._options import PATH, together

_WEIGHTS = (".safetensors", ".pt", ".pth", ".bin", ".ckpt")
HELP = {
    "encoder": "Use features of a pretrained model of open_clip or timm, as ViT-B-32; "
    "repeatable.",
    "weights": "Its weights: a tag, downloaded once, or a file; repeated for each "
    "--encoder, in the same order.  [default: OpenAI's, or those that timm prefers]",
    "cache": "Folder where features are kept; `cluster` has one in --out.",
}
encoder_options = together(
    option("-e", "--encoder", multiple=True, help=HELP["encoder"]),
    option("--encoder-weights", multiple=True, help=HELP["weights"]),
    option("--encoder-cache", type=PATH, help=HELP["cache"]),
)


def check_encoders(options: SimpleNamespace) -> None:
    """Refuse options of encoders that do not fit, and names that nobody has."""
    names, weights = options.encoder, options.encoder_weights
    for name in ("weights", "cache"):
        if not names and getattr(options, f"encoder_{name}"):
            raise click.UsageError(f"--encoder-{name} needs --encoder.")
    if weights and len(weights) != len(names):
        raise click.UsageError(
            f"{len(names)} of --encoder and {len(weights)} of --encoder-weights were "
            "given: write one for each, in the same order, or none."
        )
    for file in weights:
        looks_like_path = file.endswith(_WEIGHTS) or os.path.dirname(file)
        if looks_like_path and not os.path.isfile(file):
            raise FileNotFoundError(f"There is no file of weights {file!r}.")
    for name in names:
        _check_name(name)
    for tag in (word for word in weights if not os.path.isfile(word)):
        _check_tag(tag)


def make_encoders(options: SimpleNamespace, cache: Path | None) -> Any:
    """Make the transformers that the options describe, or return None."""
    from sklearn_mfavb import CLIPFeatures

    weights = options.encoder_weights or [None] * len(options.encoder)
    return [
        CLIPFeatures(
            name,
            file,
            cache_dir=None if cache is None else os.path.abspath(cache),
            device=options.device,
            verbose=1,
        )
        for name, file in zip(options.encoder, weights, strict=True)
    ] or None


def _check_name(name: str) -> None:
    """Raise if neither library has a model of a name.

    Importing them takes seconds. open_clip has a file for each model, and timm a
    function; a name that is nowhere in their text is none of theirs.
    """
    known = {path.stem for path in _folder("open_clip").glob("model_configs/*.json")}
    text = _read("timm", "models/*.py")
    base = name.partition(".")[0]  # what follows is a tag
    is_timm = re.fullmatch(r"\w+", base) and re.search(rf"\b{base}\b", text)
    if name not in known and not is_timm and known and text:
        known.update(re.findall(r"^def (\w+)\(pretrained", text, re.M))
        _refuse(f"model called {name!r}", name, known)


def _check_tag(tag: str) -> None:
    """Raise if the tag of weights is nowhere in the text of either library."""
    text = _read("open_clip", "pretrained.py") + _read("timm", "models/*.py")
    wanted = tag.lower().replace("-", "_")  # as open_clip reads it
    if text and not re.search(rf"\b({re.escape(wanted)}|{re.escape(tag)})\b", text):
        known = re.findall(r"\b(\w+)=_\w*pcfg\(|\w\.(\w+)['\"]: ", text)
        what = f"weights called {tag!r}, and there is no file of this name"
        _refuse(what, tag, {first or second for first, second in known})


def _refuse(what: str, name: str, known: set[str]) -> None:
    """Raise an error with similar names."""
    similar = difflib.get_close_matches(name, sorted(known), n=5, cutoff=0.5)
    advice = f" Similar names: {', '.join(similar)}." if similar else ""
    raise ValueError(f"open_clip and timm have no {what}.{advice}")


def _read(package: str, files: str) -> str:
    """Return the text of a package's files, without importing it."""
    if package in sys.modules:  # more may have been added to it
        return ""
    paths = sorted(_folder(package).glob(files))
    return "\n".join(path.read_text("utf-8") for path in paths)


def _folder(package: str) -> Path:
    """Return where a package is, without importing it."""
    spec = find_spec(package)
    return Path(spec.origin).parent if spec and spec.origin else Path()
