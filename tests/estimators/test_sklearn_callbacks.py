"""What scikit-learn's callbacks see of a fit, and what they do to it."""

import pickle
import runpy

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn_mfavb.estimators._sklearn_callbacks import CallbackSupportMixin
from skorch.callbacks import Callback, EarlyStopping

import sklearn_mfavb
from sklearn_mfavb import SCANClustering
from sklearn_mfavb.backbones import ConvStemViT
from sklearn_mfavb.datasets import make_shape_images
from sklearn_mfavb.estimators import _sklearn_callbacks

callback = pytest.importorskip("sklearn.callback", reason="scikit-learn before 1.9")

pytestmark = pytest.mark.filterwarnings(
    "ignore:Only .* clusters hold images:sklearn.exceptions.ConvergenceWarning"
)


def tiny_backbone(*, image_size, n_channels, **sees):
    """Build a transformer of one layer, 16 wide."""
    grid = tuple(side // 4 for side in image_size)
    sizes = {"patch_size": 4, "embed_dim": 16, "n_heads": 2, "depth": 1}
    return ConvStemViT(grid, n_channels=n_channels, **sizes, **sees)


TINY = {"backbone": tiny_backbone}
FITS = {
    "MFAVBClustering": ({"max_epochs": 3, "embed_dim": 16}, 3),
    "VTCCClustering": ({"max_epochs": 2, "embed_dim": 16}, 2),
    "ContrastiveClustering": ({"max_epochs": 2, **TINY}, 2),
    "SCANClustering": ({"max_epochs": 2, **TINY}, 2 + 2 + 1),
    "AnchorClustering": ({"max_epochs": 2, **TINY}, 1 + 2),
    "CueCoClustering": ({"max_epochs": 2, **TINY}, 2),
}


class Recorder:
    """Note every call of a hook; ask to stop, or fail, where it is told to."""

    def __init__(self, *, stop_after=None, fail_at=None, error=RuntimeError):
        self.stop_after = stop_after
        self.fail_at = fail_at
        self.error = error
        self.calls = []

    def note(self, hook, context):
        """Note a call, and fail if it is the one."""
        call = (hook, context.task_name, context.task_id)
        self.calls.append(call)
        if self.fail_at == call:
            raise self.error("told to")

    def setup(self, estimator, context):
        self.note("setup", context)

    def on_fit_task_begin(self, estimator, context):
        self.note("begin", context)
        if context.task_name == "fit":
            self.n_expected = context.max_subtasks

    def on_fit_task_end(self, estimator, context):
        self.note("end", context)
        return context.task_name == "epoch" and context.task_id + 1 == self.stop_after

    def teardown(self, estimator, context):
        self.note("teardown", context)

    def n_epochs(self):
        """Count the epochs that ended."""
        return sum(call[:2] == ("end", "epoch") for call in self.calls)


class PropagatedRecorder(Recorder):
    """Set on a pipeline or a search, it is handed down."""

    max_propagation_depth = None


class Keeper(Recorder):
    """Keep what the hooks are given, by task."""

    def __init__(self):
        super().__init__()
        self.begun, self.ended = {}, {}

    def on_fit_task_begin(
        self, estimator, context, *, X, y, metadata, fitted_estimator
    ):
        self.begun[context.task_name, context.task_id] = fitted_estimator

    def on_fit_task_end(self, estimator, context, *, X, y, metadata, fitted_estimator):
        self.X, self.y, self.metadata = X, y, metadata
        self.ended[context.task_name, context.task_id] = fitted_estimator


@pytest.fixture(scope="module")
def images():
    """Few images of three shapes."""
    return make_shape_images(48, n_clusters=3, image_size=8, random_state=0)[0]


def build(name, **parameters):
    """Build an estimator of the table, with other parameters."""
    settings = {"random_state": 0, "batch_size": 16, **FITS[name][0], **parameters}
    return getattr(sklearn_mfavb, name)(3, **settings)


@pytest.mark.parametrize("name", FITS)
def test_epochs_of_all_stages_are_the_tasks_of_a_fit(name, images):
    """Every epoch begins and ends as a task, and their number is known at once."""
    recorder = Recorder()
    n_epochs = FITS[name][1]
    assert build(name).set_callbacks(recorder).fit(images).n_iter_ == n_epochs
    assert recorder.n_expected == n_epochs
    epochs = [
        (hook, "epoch", epoch) for epoch in range(n_epochs) for hook in ("begin", "end")
    ]
    assert recorder.calls == [
        ("setup", "fit", 0),
        ("begin", "fit", 0),
        *epochs,
        ("end", "fit", 0),
        ("teardown", "fit", 0),
    ]


def test_hooks_are_given_what_fit_was_given(quick, images):
    """X and y arrive as they are, features of the user's as metadata."""
    keeper = Keeper()
    labels, features = np.zeros(48), np.random.default_rng(0).normal(size=(48, 5))
    quick(clip="precomputed", max_epochs=1).set_callbacks(keeper).fit(
        images, labels, clip_features=features
    )
    assert keeper.X is images
    assert keeper.y is labels
    assert keeper.metadata["clip_features"] is features
    quick(max_epochs=1).set_callbacks(keeper).fit(images)
    assert keeper.metadata is None


@pytest.mark.parametrize("name", ["MFAVBClustering", "SCANClustering"])
def test_fitted_estimator_is_what_fit_would_leave(name, images):
    """After the last epoch it is the result; earlier ones stay what they were."""
    keeper = Keeper()
    fitted = build(name).set_callbacks(keeper).fit(images)
    last = fitted.n_iter_ - 1
    for copy in (keeper.ended["epoch", last], keeper.ended["fit", 0]):
        assert copy is not fitted
        assert_array_equal(copy.labels_, fitted.labels_)
        assert_array_equal(copy.predict(images), fitted.labels_)
        assert_array_equal(copy.transform(images), fitted.transform(images))
        assert copy.history_ == fitted.history_
    for epoch in range(last):
        early = keeper.ended["epoch", epoch]
        assert early.n_iter_ == epoch + 1
        assert_array_equal(early.predict(images), early.labels_)
        later = keeper.begun["epoch", epoch + 1]
        assert_array_equal(early.transform(images), later.transform(images))
    first = keeper.begun["epoch", 0]
    assert first.n_iter_ == 0
    assert not np.array_equal(first.transform(images), fitted.transform(images))


def test_fitted_estimator_has_the_encoder(quick, tiny, images):
    """With an encoder it predicts too, in a first fit and in another."""
    clusterer = quick(clip=tiny())
    for _ in range(2):
        keeper = Keeper()
        clusterer.set_callbacks(keeper).fit(images)
        early = keeper.ended["epoch", 0]
        assert_array_equal(early.predict(images), early.labels_)


def test_history_of_a_warm_start_goes_on(quick, images):
    """The fitted estimator of a second fit has the epochs of the first."""
    keeper = Keeper()
    clusterer = quick(warm_start=True).fit(images).set_callbacks(keeper).fit(images)
    early = keeper.ended["epoch", 0]
    assert early.history_ == clusterer.history_[:3]


@pytest.mark.parametrize("name", ["SCANClustering", "AnchorClustering"])
def test_looking_changes_nothing(name, images):
    """Callbacks that ask for a fitted estimator leave the result as it is."""
    watched = build(name).set_callbacks(Keeper()).fit(images)
    alone = build(name).fit(images)
    assert_array_equal(watched.labels_, alone.labels_)
    weights = alone.net_.module_.state_dict()
    for key, value in watched.net_.module_.state_dict().items():
        assert torch.equal(value, weights[key]), key


def test_a_hook_that_returns_true_stops_training(quick, images):
    """Training ends there as by Ctrl-C: with labels, and a warning."""
    recorder = Recorder(stop_after=2)
    with pytest.warns(ConvergenceWarning, match="after 2 of max_epochs=5"):
        fitted = quick(max_epochs=5).set_callbacks(recorder).fit(images)
    assert fitted.n_iter_ == recorder.n_epochs() == 2
    assert recorder.calls[-2:] == [("end", "fit", 0), ("teardown", "fit", 0)]
    assert fitted.labels_.shape == (48,)


@pytest.mark.parametrize(
    "told",
    [
        {"stop_after": 2},
        {"fail_at": ("end", "epoch", 1), "error": KeyboardInterrupt},
    ],
)
def test_stopping_in_the_last_epoch_of_a_stage_stops_the_fit(told, images):
    """No other stage follows."""
    recorder = Recorder(**told)
    scan = SCANClustering(3, pretext_epochs=2, max_epochs=2, random_state=0, **TINY)
    with pytest.warns(ConvergenceWarning, match="after 0 .* stage 'clustering'"):
        assert scan.set_callbacks(recorder).fit(images).n_iter_ == 2
    assert recorder.n_epochs() == 2


class PressCtrlC(Callback):
    """Interrupt the second epoch."""

    def on_batch_end(self, net, **kwargs):
        if len(net.history) == 2:
            raise KeyboardInterrupt


def test_an_epoch_that_is_cut_off_is_ended(quick, images):
    """Every task that begins ends, and one that did nothing has nothing to show."""
    keeper = Keeper()
    with pytest.warns(ConvergenceWarning, match="after 1 of"):
        quick(callbacks=[PressCtrlC()]).set_callbacks(keeper).fit(images)
    assert keeper.begun.keys() == keeper.ended.keys()
    assert keeper.ended["epoch", 1] is None


@pytest.mark.parametrize(
    "call",
    [
        ("setup", "fit", 0),
        ("begin", "fit", 0),
        ("begin", "epoch", 1),
        ("end", "epoch", 1),
        ("end", "fit", 0),
        ("teardown", "fit", 0),
    ],
    ids=lambda call: " ".join(map(str, call)),
)
def test_a_failing_callback_is_torn_down(quick, images, call):
    """The error is passed on, every callback torn down, and another fit works."""
    failing, other = Recorder(fail_at=call), Recorder()
    clusterer = quick().set_callbacks(other, failing)
    with pytest.raises(RuntimeError, match="told to"):
        clusterer.fit(images)
    assert ("teardown", "fit", 0) in other.calls
    assert ("teardown", "fit", 0) in failing.calls
    assert hasattr(clusterer, "net_") == (call[0] == "teardown")
    assert not [name for name in vars(clusterer) if "ctx" in name]
    assert clusterer.set_callbacks().fit(images).n_iter_ == 2


def test_a_fit_that_fails_tears_callbacks_down(quick):
    """A progress bar does not go on after an error of ours."""
    recorder = Recorder()
    with pytest.raises(ValueError, match="n_clusters"):
        quick().set_callbacks(recorder).fit(np.zeros((2, 100)))
    assert [hook for hook, *_ in recorder.calls] == ["setup", "teardown"]


@pytest.fixture
def checkpoint(tmp_path, monkeypatch):
    """Name a file that is written after every epoch, however long that takes."""
    monkeypatch.setattr("sklearn_mfavb.training._checkpoint._SHARE_OF_TIME", np.inf)
    return tmp_path / "kept"


def test_a_resumed_fit_counts_what_is_left(images, checkpoint):
    """With a checkpoint the tasks are the epochs that are run, in any stage."""
    parameters = {"pretrain_epochs": 2, "checkpoint": checkpoint}
    killed = build("AnchorClustering", max_epochs=3, **parameters)
    # Killed in the second epoch of the second stage.
    killed.set_callbacks(Recorder(fail_at=("begin", "epoch", 3)))
    with pytest.raises(RuntimeError, match="told to"):
        killed.fit(images)
    recorder = Recorder()
    goes_on = build("AnchorClustering", max_epochs=3, **parameters)
    goes_on.set_callbacks(recorder).fit(images)
    assert recorder.n_expected == recorder.n_epochs() == 2
    assert goes_on.n_iter_ == 5
    whole = clone(goes_on).set_params(checkpoint=None).set_callbacks().fit(images)
    assert_array_equal(goes_on.labels_, whole.labels_)


def test_a_callback_that_fails_at_the_end_leaves_the_checkpoint(
    quick, images, checkpoint
):
    """Training is not lost: another fit has nothing left to train."""
    recorder = Recorder(fail_at=("end", "fit", 0))
    clusterer = quick(checkpoint=checkpoint).set_callbacks(recorder)
    with pytest.raises(RuntimeError, match="told to"):
        clusterer.fit(images)
    recorder = Recorder()
    assert clusterer.set_callbacks(recorder).fit(images).n_iter_ == 2
    assert recorder.n_expected == recorder.n_epochs() == 0


def test_clones_and_pickles_keep_callbacks_and_nothing_of_the_fit(quick, images):
    """scikit-learn's rule for clones; a pickle has the callbacks and no images."""
    recorder = Recorder()
    fitted = quick().set_callbacks(recorder).fit(images)
    recorder.calls.clear()
    clone(fitted).fit(images)
    assert recorder.n_epochs() == 2
    recorder.calls.clear()
    copy = pickle.loads(pickle.dumps(fitted))
    assert_array_equal(copy.predict(images), fitted.labels_)
    copy.fit(images)
    assert recorder.calls == []
    assert copy._skl_callbacks[0].n_epochs() == 2
    kept = len(pickle.dumps(fitted.set_callbacks()))
    assert kept < len(pickle.dumps(quick().fit(images))) + 100


def test_a_saved_model_leaves_callbacks_out(quick, images, tmp_path):
    """Without pickle there is no code in the file, and a warning says so."""
    keeper = Keeper()
    fitted = quick().set_callbacks(keeper).fit(images)
    for estimator in (fitted, keeper.ended["epoch", 0]):
        with pytest.warns(UserWarning, match="Not saved, .*callbacks"):
            estimator.save(tmp_path / "model")
        loaded = sklearn_mfavb.load(tmp_path / "model")
        assert_array_equal(loaded.predict(images), estimator.labels_)
        assert not hasattr(loaded, "_skl_callbacks")


def test_a_pipeline_and_a_search_hand_callbacks_down(quick, images):
    """Epochs are tasks within the tasks of meta-estimators."""
    recorder = PropagatedRecorder()
    pipeline = make_pipeline(FunctionTransformer(), quick())
    with pytest.warns(UserWarning, match="FunctionTransformer does not support"):
        pipeline.set_callbacks(recorder).fit(images)
    assert recorder.n_epochs() == 2
    recorder.calls.clear()
    search = GridSearchCV(quick(), {"max_epochs": [1, 2]}, cv=2, refit=False)
    search.set_callbacks(recorder).fit(images)
    assert recorder.n_epochs() == 2 * (1 + 2)
    assert sum(call[0] == "setup" for call in recorder.calls) == 1


def test_scoring_monitor_follows_known_classes(quick, shapes):
    """With classes as `y`, scikit-learn's monitor scores every epoch."""
    images, classes = shapes
    monitor = callback.ScoringMonitor(scoring="adjusted_rand_score")
    quick(max_epochs=3).set_callbacks(monitor).fit(images, classes)
    rows = monitor.get_logs().data
    scores = [row["adjusted_rand_score"] for row in rows if row["task_name"] == "epoch"]
    assert len(scores) == 3
    assert np.isfinite(scores).all()


def test_progress_bar_counts_epochs(quick, images, capsys):
    """scikit-learn's bar runs to its end, and ours beside it."""
    pytest.importorskip("rich", reason="rich draws scikit-learn's bar")
    quick(verbose=1).set_callbacks(callback.ProgressBar()).fit(images)
    printed = capsys.readouterr()
    assert "MFAVBClustering - fit" in printed.out
    assert "100%" in printed.out
    assert "2/2" in printed.err


def test_callbacks_in_the_wrong_place_are_told_the_right_one(quick, images):
    """Callbacks of skorch and of scikit-learn are not mixed up."""
    with pytest.raises(TypeError, match="set by set_callbacks"):
        quick(callbacks=[Recorder()]).fit(images)
    with pytest.raises(TypeError, match="FitCallback"):
        quick().set_callbacks(EarlyStopping("train_loss"))


def test_versions_without_callbacks_fit_as_before(images, monkeypatch):
    """Where scikit-learn has no callbacks there is nothing to set, and `fit` works."""
    monkeypatch.delattr(callback, "CallbackSupportMixin")
    older = runpy.run_path(_sklearn_callbacks.__file__)["CallbackSupportMixin"]
    assert not hasattr(older, "set_callbacks")
    monkeypatch.setattr(
        CallbackSupportMixin, "_init_callback_context", older._init_callback_context
    )
    recorder = Recorder()
    fitted = build("SCANClustering").set_callbacks(recorder).fit(images)
    assert fitted.n_iter_ == 5
    assert recorder.calls == []
