"""Folders with files that are no images, and folders that change while read."""

import os
import random
import shutil
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from faults_processes import call, run_command
from faults_scene import (
    ENCODER,
    Fault,
    Outcome,
    cluster_words,
    count_of,
    digest_folder,
    make_estimator,
    make_images,
    register_encoder,
    write_encoder,
    write_images,
)
from PIL import Image

from sklearn_mfavb import CLIPFeatures

__all__ = ["FAULTS"]

N_CHURNED = 10  # runs of the program in a folder that changes
BOMB_SIDE = 20_000
HUGE_BYTES = 3 * 2**30
MOST_MIB = 256  # that refused files may cost


def write_broken(folder: Path, good: Path) -> list[Path]:
    """Write files that only claim to be images."""
    content = good.read_bytes()
    damaged = bytearray(content)
    damaged[len(content) // 2] ^= 255
    contents = {
        "empty.png": b"",
        "one byte.jpg": b"\xff",
        "text.png": b"no image",
        "page.jpg": b"<!DOCTYPE html><title>404</title>",
        "cut in the header.png": content[:20],
        "cut in the pixels.png": content[:-30],
        "damaged.png": bytes(damaged),
        "zeros.webp": bytes(5000),
        "vector.eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
    }
    for name, written in contents.items():
        (folder / name).write_bytes(written)
    with zipfile.ZipFile(folder / "archive.tiff", "w") as archive:
        archive.write(good, "image.png")
    Image.fromarray(make_images(1)[0]).save(folder / "cut.jpg")
    cut = (folder / "cut.jpg").read_bytes()
    (folder / "cut.jpg").write_bytes(cut[: len(cut) * 2 // 3])
    (folder / "leads nowhere.png").symlink_to(folder / "nowhere.png")
    (folder / "leads to itself.png").symlink_to(folder / "leads to itself.png")
    (folder / "a folder.png").mkdir()
    os.mkfifo(folder / "pipe.png")
    listed = {*folder.iterdir()} - {folder / "a folder.png", folder / "vector.eps"}
    return sorted(path for path in listed if not path.name[:3].isdigit())


def write_oversized(folder: Path, good: Path) -> list[Path]:
    """Write a decompression bomb and huge files without pixels."""
    bomb = folder / "bomb.png"
    Image.new("L", (BOMB_SIDE, BOMB_SIDE)).save(bomb)
    claims = folder / "claims to be larger.bmp"
    Image.new("L", (4, 4)).save(claims)
    content = bytearray(claims.read_bytes())
    content[18:26] = (10**5).to_bytes(4, "little") * 2  # width and height
    claims.write_bytes(content)
    huge = [folder / "huge.jpg", folder / "huge image.png"]
    huge[1].write_bytes(good.read_bytes()[:40])
    for path in huge:
        with path.open("ab") as file:
            file.truncate(HUGE_BYTES)  # takes no place on the disk
    return [bomb, claims, *huge]


def fit_folder(folder: Path, on_error: str) -> tuple[Any, Any]:
    """Fit on a folder; return the labels and the names of what was skipped."""
    estimator = make_estimator(on_error=on_error).fit(folder)
    skipped = {estimator.paths_[index] for index in estimator.skipped_}
    return dict(zip(estimator.paths_, estimator.labels_, strict=True)), skipped


def embed_folder(folder: Path, encoder: Path) -> Any:
    """Embed a folder by a tiny encoder, with a cache."""
    register_encoder(encoder.parent)
    return CLIPFeatures(
        ENCODER, encoder, cache_dir=encoder.parent / "cache", on_error="skip"
    ).transform(folder)


def refuse(folder: Path, write: Any) -> Outcome:
    """Read a folder with files that are refused, in every way that there is."""
    photos = folder / "photos"
    good = write_images(photos)
    clean = call(fit_folder, photos, "raise").value[0]
    bad = write(photos, good[0])
    call(write_encoder, folder)
    before = digest_folder(photos)
    told = call(fit_folder, photos, "raise")
    skipping = call(fit_folder, photos, "skip")
    features = call(embed_folder, photos, folder / "encoder.safetensors")
    ended = call(run_command, cluster_words(photos, folder / "out"))
    labels, skipped = skipping.value
    rise = max(each.rise_mib for each in (told, skipping, features, ended))
    checks = {
        "error names the file": any(path.name in told.error for path in bad),
        "exactly these skipped": skipped == {str(path) for path in bad},
        "labels of the others": {p: labels[p] for p in clean} == clean,
        "skipped files have -1": all(labels[str(path)] == -1 for path in bad),
        "NaN as features of these only": sum(np.isnan(features.value).any(axis=1))
        == len(bad),
        "program": ended.value.code == 0 and "Traceback" not in ended.value.text,
        "files untouched": digest_folder(photos) == before,
        "memory": rise < MOST_MIB,
    }
    happened = (
        f"`on_error='raise'`: {told.error.split(':')[0]} that names the file; `'skip'` "
        f"and the program: {len(bad)} files skipped and listed with a reason, the "
        f"other {len(good)} labelled as without them; memory rose by at most "
        f"{rise:.0f} MiB"
    )
    return Outcome(happened, checks)


def refuse_broken(folder: Path, rng: np.random.Generator) -> Outcome:
    """Read a folder with files that are broken or no images."""
    return refuse(folder, write_broken)


def refuse_oversized(folder: Path, rng: np.random.Generator) -> Outcome:
    """Read a folder with files that are too large."""
    return refuse(folder, write_oversized)


@contextmanager
def churning(photos: Path, sources: list[Path], seed: int) -> Iterator[list[int]]:
    """Add, remove, cut and replace files the whole time; counts what was done."""
    draw = random.Random(seed)
    ended = threading.Event()
    n_changes = [0]

    def churn() -> None:
        while not ended.is_set():
            path = photos / f"changing {draw.randrange(24)}.png"
            source = draw.choice(sources).read_bytes()
            kind = draw.randrange(4)
            if kind == 0:
                path.unlink(missing_ok=True)
            elif kind == 1:
                path.write_bytes(source[: draw.randrange(len(source))])
            else:
                path.write_bytes(source)
            n_changes[0] += 1
            time.sleep(0.0005)

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        yield n_changes
    finally:
        ended.set()
        thread.join()


def change_always(folder: Path, rng: np.random.Generator) -> Outcome:
    """Cluster a folder while its files change, without and with an encoder."""
    photos, others = folder / "photos", folder / "others"
    stable = {path.name for path in write_images(photos)}
    sources = write_images(others, 8)
    encoder = folder / "encoder.safetensors"
    call(write_encoder, folder)
    well, aligned = [], []
    with churning(photos, sources, int(rng.integers(2**31))) as n_changes:
        for number in range(N_CHURNED):
            out = folder / str(number)
            ended = call(cluster_changing, photos, out, encoder if number % 2 else None)
            well.append(ended.value is not None and ended.value.code == 0)
            lines = (out / "clusters.csv").read_text().splitlines()[1:]
            labelled = {name for name, label, _ in map(_cells, lines) if label}
            aligned.append(stable <= labelled)
    happened = (
        f"{n_changes[0]:,} changes; runs that ended well: {count_of(well)}; a cluster "
        f"for each of the {len(stable)} files that did not change: {count_of(aligned)}"
    )
    return Outcome(happened, {"exit code": all(well), "labels": all(aligned)})


def _cells(line: str) -> list[str]:
    """Split a line of the table."""
    return line.rsplit(",", 2)


def cluster_changing(photos: Path, out: Path, encoder: Path | None) -> Any:
    """Run the program, with an encoder if there is one."""
    words = cluster_words(photos, out, "--no-report")
    if encoder is not None:
        register_encoder(encoder.parent)
        words += ["--clip", ENCODER, "--clip-weights", str(encoder)]
    return run_command(words)


def unplug(folder: Path, rng: np.random.Generator) -> Outcome:
    """Take the folder away while the program trains, and put it back."""
    photos, out = folder / "photos", folder / "out"
    write_images(photos)
    call(run_command, cluster_words(photos, folder / "whole", epochs=20))

    def take_away() -> None:
        while not (out / "training.checkpoint").exists():
            time.sleep(0.01)
        photos.rename(folder / "away")

    thread = threading.Thread(target=take_away)
    thread.start()
    ended = call(run_command, cluster_words(photos, out, epochs=20)).value
    thread.join()
    shutil.move(folder / "away", photos)
    again = call(run_command, cluster_words(photos, out, "--resume", epochs=20)).value
    tables = [
        (where / "clusters.csv").read_bytes() for where in (folder / "whole", out)
    ]
    happened = (
        f"exit code {ended.code}, {ended.text.strip().splitlines()[-1]!r}; put back, "
        f"`--resume`: exit code {again.code}, the same clusters.csv, byte for byte"
    )
    checks = {
        "told": ended.code != 0 and "Traceback" not in ended.text,
        "goes on": again.code == 0 and tables[0] == tables[1],
    }
    return Outcome(happened.replace(str(folder), "..."), checks)


FAULTS = (
    Fault(
        "broken files",
        "a folder with files that are empty, cut off, damaged, text, a page, an "
        "archive; links that lead nowhere or to themselves; a pipe; a folder named "
        "`.png`",
        refuse_broken,
    ),
    Fault(
        "huge files",
        f"a folder with a picture of {BOMB_SIDE:,} x {BOMB_SIDE:,} pixels in 0.4 MB, "
        f"one that claims {10**5:,} x {10**5:,}, and files of {HUGE_BYTES / 2**30:g} "
        "GiB that are no picture, or only begin as one",
        refuse_oversized,
    ),
    Fault(
        "changing folder",
        f"{N_CHURNED} runs of `cluster`, half of them with an encoder, while files "
        "appear, vanish, are cut off and replaced all the time",
        change_always,
    ),
    Fault(
        "folder taken away",
        "the folder is moved away when the first epoch is kept, and put back later",
        unplug,
    ),
)
