"""What commands leave: tables, figures and a page."""

import json
import os
import platform
import shlex
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sklearn_mfavb.command_line._growing import FOLDER, GrowingTables
from sklearn_mfavb.command_line._images import Images
from sklearn_mfavb.command_line._options import (
    PROGRAM,
    count,
    say,
    say_of_files,
    working,
)
from sklearn_mfavb.command_line._tables import write_table, write_text
from sklearn_mfavb.decisions import model_fingerprint
from sklearn_mfavb.naming import cluster_names

_MOST_COMPARED = 20_000  # images that k-means labels, to compare
_FEWEST_JUDGED = 50  # images: of fewer, the ten nearest are not near


class ResultFolder:
    """Files that commands write, and the rules for a folder that is not empty."""

    def __init__(self, path: Path) -> None:
        self.began_at = time.monotonic()
        self.path = path
        self.model = path / "model.mfavb"
        self.report = path / "report.html"
        self.features = path / "features"
        # Training so far; the same when it has ended, until all results are written;
        # and that of the run before, until this one is over.
        self.checkpoint = path / "training.checkpoint"
        self.last_checkpoint = path / "training-end.checkpoint"
        self.earlier_checkpoint = path / "training-before.checkpoint"

    @property
    def has_training(self) -> bool:
        """Whether there is training of this run to continue."""
        return self.checkpoint.exists() or self.last_checkpoint.exists()

    def check(
        self, *, overwrite: bool, resume: bool | None = None, begun: str = "training"
    ) -> None:
        """Raise if results may not be written here. None: it cannot be resumed.

        `begun` names what is resumed.
        """
        names = os.listdir(self.path) if self.path.is_dir() else []
        # Features, and what a killed process was writing, do not count.
        is_new = all(n == self.features.name or n.startswith(".mfavb-") for n in names)
        kept = self._kept() if begun == "training" else (self.path / FOLDER).exists()
        can_resume = resume is not None and bool(kept)
        if is_new or overwrite or (resume and can_resume):
            return
        lacking = f", and holds no {begun} to --resume" if resume else ""
        advice = ", or --resume to continue it" if can_resume else ""
        raise ValueError(
            f"--out {self.path} is not empty{lacking}. Choose another folder, or add "
            f"--overwrite to replace the results of an earlier run{advice}."
        )

    def make(self) -> None:
        """Make the folder; if it cannot be written to, that is better known now."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.path):
                pass
        except OSError as error:
            place = f"--out {self.path}"
            raise OSError(error.errno, error.strerror, place) from error

    def keep_earlier_training(self, *, resume: bool) -> None:
        """Make training of a run before that of this one, or set it aside."""
        if kept := self._kept():
            first, *others = kept
            for other in others:
                other.unlink()
            first.rename(self.checkpoint if resume else self.earlier_checkpoint)

    def forget_replaced_training(self) -> None:
        """Remove training that results have replaced."""
        for path in (self.last_checkpoint, self.earlier_checkpoint):
            path.unlink(missing_ok=True)

    def _kept(self) -> list[Path]:
        """List the checkpoints that are there, the one to continue with first."""
        names = (self.checkpoint, self.last_checkpoint, self.earlier_checkpoint)
        return [path for path in names if path.exists()]


def write_results(
    estimator: Any,
    images: Images,
    results: ResultFolder,
    *,
    also: Sequence[str],
    words: Sequence[str],
    figures: dict[str, Any],
) -> Any:
    """Label images, write tables and figures, print them in short, return findings."""
    with working("labeling the images"):
        from sklearn_mfavb.inspection import gather_findings

        found = gather_findings(estimator, images.paths, with_score=True)
        figures = {**figures, "kmeans": compare_with_kmeans(estimator, found)}
    tables = GrowingTables(results.path, also, len(images.paths))
    tables.begin({})
    paths = [images.name(path) for path in images.paths]
    tables.add(found, found.source.unreadable, paths, cluster_names(estimator))
    tables.finish()
    figures["score"] = found.score
    progress = tables.progress
    summary = write_summary(estimator, images, results, progress, words, figures)
    print_summary(summary, estimator, results)
    tables.clear()
    return found


def write_summary(
    estimator: Any,
    images: Images,
    results: ResultFolder,
    progress: Mapping[str, Any],
    words: Sequence[str],
    figures: dict[str, Any],
) -> dict[str, Any]:
    """Write figures and skipped files; return the figures."""
    from sklearn_mfavb.persistence import library_versions

    unreadable = progress["unreadable"]
    ignored = {images.name(path): why for path, why in images.ignored.items()}
    left_out = sorted({**unreadable, **ignored}.items())
    write_table(results.path / "skipped.csv", ("path", "reason"), left_out)
    n_clusters, sizes = estimator.n_clusters_, progress["sizes"]
    summary = {
        "command": shlex.join([PROGRAM, *words]),
        "folder": images.root,
        "estimator": type(estimator).__name__,
        "fingerprint": model_fingerprint(estimator),  # decisions are about one model
        "settings": estimator.get_params(deep=False),
        "n_images": progress["n_done"] - len(unreadable),
        "n_clusters": n_clusters,
        "n_clusters_scores": estimator.n_clusters_scores_,
        "n_outliers": sizes.get("-1", 0),
        "n_skipped": len(unreadable),
        "n_ignored": len(ignored),
        "sizes": [sizes.get(str(cluster), 0) for cluster in range(n_clusters)],
        "score": None,
        "kmeans": None,
        "seconds": time.monotonic() - results.began_at,
        **figures,
        "versions": {"python": platform.python_version(), **library_versions()},
    }
    # What JSON does not have, such as the settings of an encoder, is written as text.
    text = json.dumps(summary, indent=2, ensure_ascii=False, default=repr)
    write_text(results.path / "result.json", text + "\n")
    say_of_files("skipped", unreadable, rest=": see skipped.csv")
    return summary


def compare_with_kmeans(estimator: Any, found: Any) -> dict[str, float] | None:
    """Compare labels with those of k-means on the same features or pixels.

    Of many images some are compared. None: there is nothing to compare.
    """
    import numpy as np
    from sklearn.cluster import KMeans
    from sklearn.metrics import adjusted_rand_score

    from sklearn_mfavb import KMeansClustering
    from sklearn_mfavb.estimators import comparable_rows

    n_clusters, members = estimator.n_clusters_, np.flatnonzero(found.labels >= 0)
    members = members[:: -(-len(members) // _MOST_COMPARED) or 1]
    if isinstance(estimator, KMeansClustering) or len(members) < n_clusters:
        return None
    rows = np.asarray(comparable_rows(found.inputs, estimator._runtime(), members)[:])
    began_at = time.monotonic()
    labels = KMeans(n_clusters, n_init=10, random_state=0).fit_predict(rows)
    return {
        "seconds": time.monotonic() - began_at,
        "agreement": float(adjusted_rand_score(found.labels[members], labels)),
    }


def print_summary(
    summary: dict[str, Any], estimator: Any, results: ResultFolder
) -> None:
    """Print the clusters in a line, and in another what k-means finds."""
    space = "pixels" if estimator.encoder is None else "features"
    sizes, kmeans = summary["sizes"], summary["kmeans"]
    n_outliers = summary["n_outliers"]
    others = f", {count(n_outliers, 'outlier')}" if n_outliers else ""
    score = summary["score"] if sum(sizes) >= _FEWEST_JUDGED else None
    agreement = "" if score is None else f"; neighbor agreement {score:.2f} "
    agreement += f"(0 = chance, 1 = perfect; by {space})" if agreement else ""
    print(
        f"{count(sum(sizes), 'image')} in {len(sizes):,} clusters of {min(sizes):,} to "
        f"{max(sizes):,}{others}{agreement}"
    )
    if kmeans is not None:
        print(
            f"k-means on the same {space} took {kmeans['seconds']:.1f} s; agreement "
            f"with these clusters {kmeans['agreement']:.2f} (adjusted Rand index: "
            "0 = chance, 1 = the same)"
        )
    print(f"results: {results.path}")


def write_page(estimator: Any, X: Any, page: Path, name: str, seed: int) -> None:
    """Write the report on images, or on what was found in them."""
    from sklearn_mfavb.report import write_report

    title = f"Clusters of {name}"
    say("writing the report")
    with working("writing the report"):
        write_report(estimator, X, page, title=title, random_state=seed)
    print(f"report: {page}")


def advice(words: Sequence[str]) -> str:
    """Write the command line, for a shell, that continues that of these words."""
    command, *rest = words
    kept = [word for word in rest if word not in ("--overwrite", "--resume")]
    again = [PROGRAM, command, "--resume", *kept]  # the option before a "--"
    return f"Continue with:\n  {shlex.join(again)}"
