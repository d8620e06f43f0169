"""Names of files in any script, and names that are no text at all."""

import csv
import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
from faults_scene import (
    Fault,
    Outcome,
    cluster_words,
    digest_folder,
    make_estimator,
    write_images,
)

import sklearn_mfavb

__all__ = ["FAULTS"]

NAMES = [
    b"gr\xc3\xb6\xc3\x9fer.png",  # UTF-8
    b"gro\xcc\x88\xc3\x9fer.png",  # the same letters, decomposed
    "写真 の 一枚.png".encode(),
    "صورة.png".encode(),
    "🦊.png".encode(),
    b"two\nlines.png",
    b"quotes \"' and, commas.png",
    b"-dash.png",
    b"$(rm -rf).png",
    b"<script>alert(1)<script>.png",
    b"latin-1 caf\xe9.png",  # no UTF-8: a surrogate in Python
    b"\xff\xfe.png",
    b"n" * 251 + b".png",
]
FOLDER = b"Fotos \xe5\x86\x99\xe7\x9c\x9f \xff"
LOCALES = ("C.UTF-8", "C")


def write_named(folder: Path) -> tuple[Path, list[str]]:
    """Write images under difficult names into a folder with another."""
    photos = Path(os.fsdecode(os.path.join(os.fsencode(folder), FOLDER)))
    paths = write_images(photos, 30)
    named = [photos / os.fsdecode(name) for name in NAMES]
    for path, target in zip(paths, named, strict=False):
        path.rename(target)
    return photos, [path.name for path in named]


def run_program(words: list[str], locale: str) -> tuple[int, str]:
    """Run the program in a locale, as a shell does."""
    done = subprocess.run(
        [sys.executable, "-m", "sklearn_mfavb", *words],
        capture_output=True,
        env={**os.environ, "LC_ALL": locale},
        check=False,
    )
    return done.returncode, done.stderr.decode("utf-8", "replace")


def name_anything(folder: Path, rng: np.random.Generator) -> Outcome:
    """Fit, save, load, and run the program in two locales."""
    photos, names = write_named(folder)
    before = digest_folder(photos)
    checks = {}
    estimator = make_estimator(checkpoint=photos.parent / os.fsdecode(b"\xfe.ck"))
    estimator.fit(photos)
    model = photos.parent / os.fsdecode(b"model \xfd.mfavb")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the checkpoint is a place, and is not saved
        estimator.save(model)
    loaded = sklearn_mfavb.load(model)
    found = {os.path.basename(path) for path in loaded.paths_ or ()}
    checks["paths_"] = set(names) <= found and loaded.paths_ == estimator.paths_
    for locale in LOCALES:
        out = photos.parent / os.fsdecode(b"out \xfc " + locale.encode())
        words = cluster_words(photos, out, "--sort", "copy")
        code, text = run_program(words, locale)
        checks[f"program, {locale}"] = code == 0 and "Traceback" not in text
        with open(out / "clusters.csv", encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        written = {name.encode("utf-8", "backslashreplace").decode() for name in names}
        checks[f"table, {locale}"] = written <= {row["path"] for row in rows}
        copies = {path.name for path in (out / "clusters").rglob("*.png")}
        checks[f"copies, {locale}"] = set(names) <= copies
    checks["images untouched"] = digest_folder(photos) == before
    happened = (
        f"{len(names)} names: fitted, saved and loaded with equal `paths_`; the "
        f"program, its table and its copies in the locales {' and '.join(LOCALES)}: "
        "every file under its name (bytes that are no text as `\\udc..` in the table)"
    )
    return Outcome(happened, checks)


FAULTS = (
    Fault(
        "names of files",
        "non-ASCII, undecodable and hostile names of images, folders, models and "
        "results",
        name_anything,
    ),
)
