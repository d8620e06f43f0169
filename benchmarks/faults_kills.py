"""SIGKILL at random moments: of a fit, of features, of saving, of the program."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from faults_processes import call, kill_after, run_command
from faults_scene import (
    ENCODER,
    Fault,
    Outcome,
    cluster_words,
    count_leftovers,
    count_of,
    digest_folder,
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

N_KILLS = 20
N_PHOTOS = 12_000  # as many as a tiny encoder sees in a second or two


def kill_often(
    rng: np.random.Generator, seconds: float, start: Callable[[float, int], bool]
) -> Iterator[int]:
    """Kill calls at random moments of their `seconds`, and number those killed.

    A call that ends before its moment, as times vary, does not count.
    """
    n_killed = 0
    while n_killed < N_KILLS:
        if start(rng.uniform(0, seconds), n_killed):
            yield n_killed
            n_killed += 1


def fit(name: str, n_epochs: int, checkpoint: Path | None) -> NDArray[np.int64]:
    """Fit, and return the labels."""
    keep_every_epoch()
    estimator = make_estimator(name, max_epochs=n_epochs, checkpoint=checkpoint)
    return estimator.fit_predict(make_images())


def count_epochs(checkpoint: Path) -> int:
    """Count the epochs that are kept."""
    if not checkpoint.exists():
        return 0
    content = torch.load(checkpoint, weights_only=True)
    last = content["stage"]
    return sum(map(len, content["past"])) + (len(last["rows"]) if last else 0)


def kill_fits(
    folder: Path, rng: np.random.Generator, *, name: str, n_epochs: int
) -> Outcome:
    """Kill fits, and fit again."""
    call(fit, name, n_epochs, None)  # the first of a process is slower
    whole = call(fit, name, n_epochs, None)

    def start(moment: float, number: int) -> bool:
        path = folder / str(number)
        path.unlink(missing_ok=True)
        return kill_after(moment, fit, name, n_epochs, path) is None

    kept, same, gone = [], [], []
    for number in kill_often(rng, whole.seconds, start):
        path = folder / str(number)
        kept.append(count_epochs(path))
        resumed = call(fit, name, n_epochs, path)
        same.append(np.array_equal(resumed.value, whole.value))
        gone.append(not path.exists())
    begun = [n for n in kept if n]
    happened = (
        f"{len(begun)} went on from epoch {min(begun, default=0)} to "
        f"{max(begun, default=0)}, {len(kept) - len(begun)} began anew; labels as of "
        f"the uninterrupted fit, bit for bit: {count_of(same)}; half-written files "
        f"left: {count_leftovers(folder)}"
    )
    return Outcome(happened, {"same labels": all(same), "file removed": all(gone)})


def embed(folder: Path, cache: Path | None) -> NDArray[np.float32]:
    """Embed images by a tiny encoder."""
    register_encoder(folder)
    weights = folder / "encoder.safetensors"
    photos = np.random.default_rng(0).integers(
        0, 256, (N_PHOTOS, 24, 24, 3), dtype=np.uint8
    )
    return sklearn_mfavb.CLIPFeatures(
        ENCODER, weights, cache_dir=cache, precision="float32"
    ).transform(photos)


def kill_features(folder: Path, rng: np.random.Generator) -> Outcome:
    """Kill what fills a feature cache, and do it again."""
    call(write_encoder, folder)
    whole = call(embed, folder, None)
    seconds = call(embed, folder, folder / "whole").seconds

    def start(moment: float, number: int) -> bool:
        return kill_after(moment, embed, folder, folder / str(number)) is None

    found, same = [], []
    for number in kill_often(rng, seconds, start):
        cache = folder / str(number)
        rows = [np.load(path)["keys"] for path in cache.rglob("*.npz")]
        found.append(sum(map(len, rows)))
        again = call(embed, folder, cache)
        same.append(np.array_equal(again.value, whole.value))
    happened = (
        f"{min(found):,} to {max(found):,} of {N_PHOTOS:,} rows were kept, all files "
        f"whole; features as without a kill, bit for bit: {count_of(same)}; "
        f"half-written files left: {count_leftovers(folder)}"
    )
    return Outcome(happened, {"same features": all(same)})


def save_in_turn(models: list[Path], path: Path) -> None:
    """Load models, and save them one over the other, again and again."""
    loaded = [sklearn_mfavb.load(model) for model in models]
    for _ in range(5):
        for estimator in loaded:
            estimator.save(path)


def kill_saves(folder: Path, rng: np.random.Generator) -> Outcome:
    """Kill what replaces a model by another, again and again."""
    models = [folder / "old.mfavb", folder / "new.mfavb"]
    for seed, path in enumerate(models):
        make_estimator(random_state=seed, max_epochs=1).fit(make_images()).save(path)
    expected = [sklearn_mfavb.load(path).transform(make_images()) for path in models]
    target = folder / "model.mfavb"
    call(save_in_turn, models, target)
    seconds = call(save_in_turn, models, target).seconds

    def start(moment: float, number: int) -> bool:
        target.write_bytes(models[0].read_bytes())
        return kill_after(moment, save_in_turn, models, target) is None

    seen = [0, 0]
    for _ in kill_often(rng, seconds, start):
        embedding = sklearn_mfavb.load(target).transform(make_images())
        for which, rows in enumerate(expected):
            seen[which] += np.array_equal(embedding, rows)
    happened = (
        f"the file loaded {sum(seen)} times, as the one model {seen[0]} times, as the "
        f"other {seen[1]} times; half-written files left: {count_leftovers(folder)}"
    )
    return Outcome(happened, {"a whole model": sum(seen) == N_KILLS})


def kill_program(folder: Path, rng: np.random.Generator) -> Outcome:
    """Kill `cluster`, and go on with --resume."""
    photos = folder / "photos"
    write_images(photos)
    before = digest_folder(photos)
    words = partial(cluster_words, photos, epochs=6)
    call(run_command, words(folder / "first", "--sort", "copy"))
    whole = call(run_command, words(folder / "whole", "--sort", "copy"))

    def start(moment: float, number: int) -> bool:
        out = folder / str(number)
        new = ("--overwrite",) if out.exists() else ()
        ended = kill_after(moment, run_command, words(out, "--sort", "copy", *new))
        return ended is None

    codes, same, left = [], [], []
    for number in kill_often(rng, whole.seconds, start):
        out = folder / str(number)
        has_training = any(out.glob("*.checkpoint"))
        ended = call(run_command, words(out, "--sort", "copy", "--resume")).value
        codes.append((ended.code, has_training))
        same.append(is_same_result(out, folder / "whole"))
        left.append(count_leftovers(out))
    n_on = codes.count((0, True))
    happened = (
        f"--resume went on {n_on} times, began anew {codes.count((0, False))} times, "
        f"and {len(codes) - n_on - codes.count((0, False))} times said that all was "
        f"done; clusters.csv as without a kill, byte for byte: {count_of(same)}; "
        f"half-written files left: {sum(left)}"
    )
    is_told = all(code == 0 or not has_training for code, has_training in codes)
    untouched = digest_folder(photos) == before
    return Outcome(
        happened,
        {"same table": all(same), "exit code": is_told, "images untouched": untouched},
    )


def is_same_result(out: Path, whole: Path) -> bool:
    """Compare the tables of two runs, and look whether all else is there."""
    names = ("model.mfavb", "report.html", "result.json", "skipped.csv")
    table = "clusters.csv"
    return (
        all((out / name).exists() for name in names)
        and (out / table).read_bytes() == (whole / table).read_bytes()
        and (out / "clusters").is_dir()
    )


FAULTS = (
    Fault(
        "killed fit",
        f"SIGKILL at {N_KILLS} random moments of `MFAVBClustering.fit` with "
        "`checkpoint=`, written after every epoch, then fitted again",
        partial(kill_fits, name="MFAVBClustering", n_epochs=12),
    ),
    Fault(
        "killed fit of three stages",
        f"the same, `SCANClustering`, {N_KILLS} random moments",
        partial(kill_fits, name="SCANClustering", n_epochs=8),
    ),
    Fault(
        "killed feature cache",
        f"SIGKILL at {N_KILLS} random moments of `CLIPFeatures.transform` with "
        f"`cache_dir=`, {N_PHOTOS:,} images, then done again",
        kill_features,
    ),
    Fault(
        "killed save",
        f"SIGKILL at {N_KILLS} random moments of saving two models in turn under one "
        "name",
        kill_saves,
    ),
    Fault(
        "killed program",
        f"SIGKILL at {N_KILLS} random moments of `cluster --sort copy`, then "
        "`--resume`",
        kill_program,
    ),
)
