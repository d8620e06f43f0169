"""Disks that are full, and folders that cannot be written to."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from faults_processes import Ended, call, run_command
from faults_scene import (
    ENCODER,
    Fault,
    Outcome,
    cluster_words,
    count_leftovers,
    count_of,
    keep_every_epoch,
    make_estimator,
    make_images,
    register_encoder,
    write_encoder,
    write_images,
)
from numpy.typing import NDArray

import sklearn_mfavb

__all__ = ["FAULTS"]

N_SIZES = 8  # disks that are full at different moments
PAGE = 4096  # bytes; what a tmpfs counts in


@contextmanager
def small_disk(folder: Path, n_bytes: int) -> Iterator[Callable[[str], None]]:
    """Mount a file system of a size; what it yields mounts it with other options."""
    folder.mkdir(parents=True)
    _mount(f"size={max(n_bytes, PAGE)}", folder)
    try:
        yield lambda options: _mount(f"remount,{options}", folder)
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def _mount(options: str, folder: Path) -> None:
    """Mount a file system in memory, which needs the rights to do so."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=True)


def fill(
    folder: Path,
    n_bytes: int,
    work: Callable[[Path], Ended],
    is_right: Callable[[Any], bool],
) -> Outcome:
    """Work on disks that are smaller than it needs; then again, with enough space."""
    told, right, left = [], [], []
    for number, share in enumerate(np.linspace(0.02, 0.9, N_SIZES)):
        disk = folder / f"disk {number}"
        with small_disk(disk, int(share * n_bytes)) as remount:
            told.append(_is_told(work(disk), "No space left on device", disk))
            left.append(count_leftovers(disk))
            remount("size=256m")
            right.append(is_right(work(disk).value))
    happened = (
        f"an error that names the file: {count_of(told)}; with more space the same "
        f"again, with the result of an empty disk: {count_of(right)}; half-written "
        f"files left: {sum(left)}"
    )
    checks = {
        "told": all(told),
        "same result": all(right),
        "no leftovers": not any(left),
    }
    return Outcome(happened, checks)


def _is_told(ended: Ended, reason: str, disk: Path) -> bool:
    """Whether an OSError, or the program, says what is wrong, and where."""
    if ended.value is None:
        text, is_known = ended.error, "Error: " in ended.error
    else:
        text = ended.value.text
        is_known = ended.value.code == 1 and "Traceback" not in text
    return is_known and reason in text and str(disk) in text


def fit(folder: Path) -> NDArray[np.int64]:
    """Fit with a checkpoint after every epoch; return the labels."""
    keep_every_epoch()
    checkpoint = folder / "training"
    return make_estimator(checkpoint=checkpoint).fit_predict(make_images())


def embed(encoder: Path, cache: Path) -> NDArray[np.float32]:
    """Embed images by a tiny encoder."""
    register_encoder(encoder.parent)
    photos = np.random.default_rng(0).integers(0, 256, (2000, 9, 9, 3), dtype=np.uint8)
    return sklearn_mfavb.CLIPFeatures(ENCODER, encoder, cache_dir=cache).transform(
        photos
    )


def save(wide: Path, path: Path) -> None:
    """Save a model under another name."""
    sklearn_mfavb.load(wide).save(path)


def size_of(folder: Path) -> int:
    """Count the bytes that the files below a folder take on a tmpfs."""
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return sum(-(-size // PAGE) * PAGE for size in sizes)


def fill_with_checkpoint(folder: Path, rng: np.random.Generator) -> Outcome:
    """Fit where a checkpoint, or a second beside the first, has no place."""
    (folder / "whole").mkdir()
    whole = call(fit, folder / "whole").value
    n_bytes = 2 * 10**6  # two checkpoints, the second before it replaces the first
    return fill(
        folder,
        n_bytes,
        lambda disk: call(fit, disk),
        lambda labels: np.array_equal(labels, whole),
    )


def fill_with_features(folder: Path, rng: np.random.Generator) -> Outcome:
    """Embed where the features have no place."""
    encoder = folder / "encoder.safetensors"
    call(write_encoder, folder)
    whole = call(embed, encoder, folder / "whole").value
    return fill(
        folder,
        size_of(folder / "whole"),
        lambda disk: call(embed, encoder, disk / "cache"),
        lambda features: np.array_equal(features, whole),
    )


def fill_with_results(folder: Path, rng: np.random.Generator) -> Outcome:
    """Run the program where its results have no place."""
    photos = folder / "photos"
    write_images(photos)
    words = partial(cluster_words, photos)
    whole = folder / "whole"
    call(run_command, words(whole))
    table = (whole / "clusters.csv").read_bytes()
    outs: list[Path] = []

    def work(disk: Path) -> Ended:
        outs.append(disk / "out")
        return call(run_command, words(outs[-1], "--resume"))

    return fill(
        folder,
        size_of(whole),
        work,
        lambda printed: (
            printed.code == 0 and (outs[-1] / "clusters.csv").read_bytes() == table
        ),
    )


def fill_with_model(folder: Path, rng: np.random.Generator) -> Outcome:
    """Save a model over another, where both together have no place."""
    small, wide = folder / "small.mfavb", folder / "wide.mfavb"
    for path, embed_dim in ((small, 16), (wide, 64)):
        make_estimator(embed_dim=embed_dim, max_epochs=1).fit(make_images()).save(path)
    expected = sklearn_mfavb.load(small).transform(make_images())
    told, kept, left = [], [], []
    for number, share in enumerate(np.linspace(0.02, 0.9, N_SIZES)):
        disk = folder / f"disk {number}"
        room = small.stat().st_size + share * wide.stat().st_size
        with small_disk(disk, int(room)):
            shutil.copyfile(small, disk / "model.mfavb")
            ended = call(save, wide, disk / "model.mfavb")
            told.append(_is_told(ended, "No space left on device", disk))
            left.append(count_leftovers(disk))
            again = sklearn_mfavb.load(disk / "model.mfavb").transform(make_images())
            kept.append(np.array_equal(again, expected))
    happened = (
        f"an error that names the file: {count_of(told)}; the model before it loads "
        f"and predicts as it did: {count_of(kept)}; half-written files left: "
        f"{sum(left)}"
    )
    checks = {
        "told": all(told),
        "old model whole": all(kept),
        "none left": sum(left) == 0,
    }
    return Outcome(happened, checks)


def write_nowhere(folder: Path, rng: np.random.Generator) -> Outcome:
    """Write a model, a checkpoint, features and results where nothing can be."""
    photos, disk = folder / "photos", folder / "disk"
    write_images(photos)
    call(write_encoder, folder)
    model = folder / "model.mfavb"
    make_estimator(max_epochs=1).fit(make_images()).save(model)
    with small_disk(disk, 2**24) as remount:
        shutil.copyfile(model, disk / "model.mfavb")
        remount("ro")
        ended = {
            "save": call(save, model, disk / "model.mfavb"),
            "checkpoint": call(fit, disk),
            "cache": call(embed, folder / "encoder.safetensors", disk / "cache"),
            "program": call(run_command, cluster_words(photos, disk / "out")),
        }
        is_whole = (disk / "model.mfavb").read_bytes() == model.read_bytes()
    reason = "Read-only file system"
    told = {name: _is_told(each, reason, disk) for name, each in ended.items()}
    is_early = "epoch" not in ended["program"].value.text
    happened = (
        "`save`, `checkpoint=`, `cache_dir=`: OSError that names the file; the "
        f"program: {ended['program'].value.text.strip()!r}, exit code "
        f"{ended['program'].value.code}, before it trains"
    ).replace(str(folder), "...")
    return Outcome(happened, {**told, "before training": is_early, "whole": is_whole})


SMALL = f"{N_SIZES} disks (tmpfs) too small for it, at different moments"
FAULTS = (
    Fault("full disk, fit", f"`checkpoint=` on {SMALL}", fill_with_checkpoint),
    Fault("full disk, features", f"`cache_dir=` on {SMALL}", fill_with_features),
    Fault("full disk, save", f"`save` over a model on {SMALL}", fill_with_model),
    Fault("full disk, program", f"`cluster --out` on {SMALL}", fill_with_results),
    Fault("read-only folder", "everything written to a read-only mount", write_nowhere),
)
