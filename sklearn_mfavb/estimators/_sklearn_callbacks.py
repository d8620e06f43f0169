"""A fit and its epochs as tasks, for scikit-learn's callbacks.

scikit-learn has them from 1.9 on, as an experiment that may change in any version: all
that is known of them, and of versions without them, is in this file.
"""

from collections.abc import Callable
from copy import copy
from functools import partial
from typing import Any, Self

from sklearn.base import BaseEstimator
from skorch.callbacks import Callback

from sklearn_mfavb.estimators._loop import read_history
from sklearn_mfavb.training import ClusteringNet

History = list[dict[str, Any]]
Learned = Callable[[], dict[str, Any]]  # attributes of a fitted estimator, when asked


class _NobodyListens:
    """The tasks of a fit where scikit-learn has no callbacks."""

    max_subtasks: int | None = None

    def call_on_fit_task_begin(self, **known: Any) -> Self:
        """Tell nobody."""
        return self

    def call_on_fit_task_end(self, **known: Any) -> bool:
        """Tell nobody, who does not ask to stop."""
        return False

    def subcontext(self, task_name: str) -> Self:
        """Stand for the tasks within as well."""
        return self


class _NoCallbacks:
    """What takes the place of scikit-learn's mixin before 1.9."""

    def _init_callback_context(self, max_subtasks: int | None = 0) -> _NobodyListens:
        """Return the task of a fit."""
        return _NobodyListens()


try:
    from sklearn.callback import CallbackSupportMixin
except ImportError:
    CallbackSupportMixin = _NoCallbacks


class FitTask:
    """A fit, as callbacks see it: a task whose subtasks are epochs.

    It sets the callbacks up; scikit-learn's wrapper of `fit` tears them down.

    Parameters
    ----------
    estimator : CallbackSupportMixin
        What is fitted.
    X, y : object
        What `fit` was given.
    clip_features : array-like or None
        What `fit` was given.
    """

    def __init__(
        self, estimator: BaseEstimator, X: Any, y: Any, *, clip_features: Any
    ) -> None:
        metadata = None if clip_features is None else {"clip_features": clip_features}
        self.known = {"estimator": estimator, "X": X, "y": y, "metadata": metadata}
        # How many there are is known when images have been read.
        self.context = estimator._init_callback_context(max_subtasks=None)
        self.epoch: Any = None
        self.is_stopped = False

    def begin(
        self,
        n_epochs: int,
        conclude: Callable[[Any, ClusteringNet, History], None],
    ) -> None:
        """Tell callbacks of the fit.

        Parameters
        ----------
        n_epochs : int
            Epochs that will be run, of all stages.
        conclude : callable
            Makes an estimator fitted, from skorch's loop and the epochs of `history_`.
        """
        self.context.max_subtasks = n_epochs
        self.conclude = conclude
        self.context.call_on_fit_task_begin(**self.known)

    def foresee(self, net: ClusteringNet, history: History) -> dict[str, Any]:
        """Say what the attributes of the estimator would be if training ended now."""
        ended = copy(self.known["estimator"])
        self.conclude(ended, net.snapshot(), history)
        return vars(ended)

    def end(self) -> None:
        """Tell callbacks that the estimator is fitted."""
        self.context.call_on_fit_task_end(**self.known, reconstruction_attributes={})

    def begin_epoch(self, learned: Learned) -> None:
        """Tell callbacks of an epoch, if none of them has asked to stop."""
        if self.is_stopped:
            raise KeyboardInterrupt
        self.epoch = self.context.subcontext(task_name="epoch")
        self.epoch.call_on_fit_task_begin(
            **self.known, reconstruction_attributes=learned
        )

    def end_epoch(self, learned: Learned) -> None:
        """Tell callbacks of an epoch's end, and stop training if one of them asks."""
        epoch, self.epoch = self.epoch, None
        self.is_stopped = True  # if one of them presses Ctrl-C, too
        self.is_stopped = epoch.call_on_fit_task_end(
            **self.known, reconstruction_attributes=learned
        )
        if self.is_stopped:
            raise KeyboardInterrupt

    def leave_epoch(self) -> None:
        """End the task of an epoch that was cut off, without anything to show."""
        if self.epoch is not None:
            self.epoch.call_on_fit_task_end(estimator=self.known["estimator"])
            self.epoch = None


class EpochTasks(Callback):
    """Make every epoch of a stage, in skorch's loop, a task of the fit.

    Parameters
    ----------
    fit : FitTask or None
        None when the stage is over: skorch keeps its callbacks, and they are pickled.
    past : list of dict
        The epochs of earlier stages.
    stage : str or None
        Name of the stage.
    """

    def __init__(self, fit: Any, past: History, stage: str | None) -> None:
        self.fit = fit
        self.past = past
        self.stage = stage

    def on_epoch_begin(self, net: ClusteringNet, **kwargs: Any) -> None:
        """Begin a task."""
        self.fit.begin_epoch(partial(self._foresee, net))

    def on_epoch_end(self, net: ClusteringNet, **kwargs: Any) -> None:
        """End a task."""
        self.fit.end_epoch(partial(self._foresee, net))

    def on_train_end(self, net: ClusteringNet, **kwargs: Any) -> None:
        """End what was cut off, and let go of the fit."""
        self.fit.leave_epoch()
        self.fit, self.past = None, []

    def _foresee(self, net: ClusteringNet) -> dict[str, Any]:
        """Say what the estimator would be if training ended now."""
        rows = read_history(net, n_before=len(self.past), stage=self.stage)
        return self.fit.foresee(net, [*self.past, *rows])
