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
    def earlier_checkpoint(self) -> Path:
        """That of the run before, until the one that replaces it has its own."""
        return self.path / "training-before.checkpoint"

    @property
    def has_training(self) -> bool:
        """Whether there is training of this run to go on with."""
        return self.checkpoint.exists() or self.last_checkpoint.exists()

    @property
    def has_ended(self) -> bool:
        """Whether the last stage that was begun has ended, results not yet written."""
        return self.last_checkpoint.exists()

    def begin(self, *, overwrite: bool, can_resume: bool = False) -> None:
        """Make the folder, for new results.

        Parameters
        ----------
        overwrite : bool
            Whether results of an earlier run may be replaced.
        can_resume : bool, default=False
            Whether the command could go on with training that is kept there.

        Raises
        ------
        ValueError
            If it is not empty, and `overwrite` is False.
        OSError
            If it cannot be written to: better known now than after the training.
        """
        if self._names() and not overwrite:
            has_more = can_resume and self._kept()
            resume = ", or --resume to go on with it" if has_more else ""
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
        if others and not self._kept():
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
        self._move_training(self.checkpoint)

    def keep_checkpoint(self) -> None:
        """Give the checkpoint a second name, which the end of `fit` leaves alone."""
        if not self.checkpoint.exists():
            return
        self.last_checkpoint.unlink(missing_ok=True)
        try:
            os.link(self.checkpoint, self.last_checkpoint)
        except OSError:  # a file system without links
            shutil.copyfile(self.checkpoint, self.last_checkpoint)

    def set_aside_training(self) -> None:
        """Keep the training of the run before, until there is some of this one."""
        self._move_training(self.earlier_checkpoint)

    def forget_earlier(self) -> None:
        """Remove the checkpoint of the run before, if this one has its own."""
        if self.checkpoint.exists():
            self.earlier_checkpoint.unlink(missing_ok=True)

    def forget_last_checkpoint(self) -> None:
        """Remove the second name of the checkpoint."""
        self.last_checkpoint.unlink(missing_ok=True)

    def finish(self, *, has_report: bool) -> None:
        """Say that all results are written; a page of other results must not stay."""
        if not has_report:
            self.report.unlink(missing_ok=True)
        self.forget_last_checkpoint()

    def _kept(self) -> list[Path]:
        """List the checkpoints that are there, the one to go on with first."""
        names = (self.checkpoint, self.last_checkpoint, self.earlier_checkpoint)
        return [path for path in names if path.exists()]

    def _move_training(self, name: Path) -> None:
        """Give the training that could go on this name, and let no other stay."""
        if kept := self._kept():
            first, *others = kept
            for other in others:
                other.unlink()
            first.rename(name)

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
