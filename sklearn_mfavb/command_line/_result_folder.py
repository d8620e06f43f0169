"""The folder that results are written to, and what may happen to older ones."""

import os
import shutil
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

# What a process that was killed was writing; see `sklearn_mfavb.files.replace_file`.
_HALF_WRITTEN = ".mfavb-"


@dataclass(frozen=True)
class ResultFolder:
    """Names of what is written, and the rules for a folder that has something in it.

    Parameters
    ----------
    path : pathlib.Path
        The folder.
    """

    path: Path

    @property
    def clusters(self) -> Path:
        """Table of the images and their clusters."""
        return self.path / "clusters.csv"

    @property
    def skipped(self) -> Path:
        """Table of the files that were left out."""
        return self.path / "skipped.csv"

    @property
    def summary(self) -> Path:
        """Settings, versions and figures."""
        return self.path / "result.json"

    @property
    def model(self) -> Path:
        """The fitted estimator."""
        return self.path / "model.mfavb"

    @property
    def report(self) -> Path:
        """The page for a browser."""
        return self.path / "report.html"

    @property
    def features(self) -> Path:
        """Features of an encoder, unless they are kept elsewhere."""
        return self.path / "features"

    @property
    def checkpoint(self) -> Path:
        """Training as far as it has come; `fit` removes it when it is complete."""
        return self.path / "training.checkpoint"

    @property
    def last_checkpoint(self) -> Path:
        """The same when training has ended, until all results are written."""
        return self.path / "training-end.checkpoint"

    @property
    def has_training(self) -> bool:
        """Whether there is training to go on with."""
        return self.checkpoint.exists() or self.last_checkpoint.exists()

    def begin(self, *, overwrite: bool) -> None:
        """Make the folder, for new results.

        Parameters
        ----------
        overwrite : bool
            Whether results of an earlier run may be replaced.

        Raises
        ------
        ValueError
            If it is not empty, and `overwrite` is False.
        OSError
            If it cannot be written to: better known now than after the training.
        """
        if self._names() and not overwrite:
            resume = ", or --resume to go on with it" if self.has_training else ""
            raise ValueError(
                f"--out {self.path} is not empty. Name a new folder, or add "
                f"--overwrite to replace the results of an earlier run{resume}."
            )
        self._make()

    def resume(self) -> None:
        """Make the folder, or find in it what to go on with.

        Raises
        ------
        ValueError
            If it holds something, but no training that could go on.
        OSError
            If it cannot be written to.
        """
        others = self._names() - {self.features.name}
        if others and not self.has_training:
            seen = (
                "holds results of a training that is complete"
                if self.summary.exists()
                else "is not empty and holds no training"
            )
            raise ValueError(
                f"--out {self.path} {seen}: there is nothing to --resume. Name a new "
                "folder, or add --overwrite to begin afresh."
            )
        self._make()
        if self.last_checkpoint.exists() and not self.checkpoint.exists():
            self.last_checkpoint.rename(self.checkpoint)

    def keep_checkpoint(self) -> None:
        """Give the checkpoint a second name, which the end of `fit` leaves alone."""
        if not self.checkpoint.exists():
            return
        self.last_checkpoint.unlink(missing_ok=True)
        try:
            os.link(self.checkpoint, self.last_checkpoint)
        except OSError:  # a file system without links
            shutil.copyfile(self.checkpoint, self.last_checkpoint)

    def finish(self) -> None:
        """Say that all results are written."""
        self.last_checkpoint.unlink(missing_ok=True)

    def forget_training(self) -> None:
        """Remove the checkpoint of an earlier run."""
        self.checkpoint.unlink(missing_ok=True)
        self.last_checkpoint.unlink(missing_ok=True)

    def _names(self) -> set[str]:
        """List what is in the folder."""
        with suppress(FileNotFoundError):
            names = set(os.listdir(self.path))
            return {name for name in names if not name.startswith(_HALF_WRITTEN)}
        return set()

    def _make(self) -> None:
        """Make the folder, and find out whether it can be written to."""
        self.path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=self.path):
            pass
