"""Work is divided among joblib's workers, and comes out as from one process."""

import os

import joblib
import numpy as np
import pytest
from PIL import Image
from torch.utils.data import TensorDataset, default_convert

from sklearn_mfavb import MFAVBClustering, Reading
from sklearn_mfavb.datasets import make_shape_images
from sklearn_mfavb.parallel import map_parts, map_tasks

IMAGES, _ = make_shape_images(60, n_clusters=3, image_size=8, random_state=0)
METHODS = ("predict", "predict_proba", "transform", "score_samples")


@pytest.fixture(scope="module")
def clusterer():
    settings = {"max_epochs": 2, "batch_size": 7, "random_state": 0, "outliers": 0.1}
    return MFAVBClustering(3, **settings).fit(IMAGES)


@pytest.fixture
def files(tmp_path):
    """Twenty files, the last but one broken."""
    for number, pixels in enumerate(IMAGES[:20]):
        Image.fromarray(pixels).save(tmp_path / f"{number:02d}.png")
    (tmp_path / "18.png").write_bytes(b"no image")
    return tmp_path


def in_threads():
    return joblib.parallel_config("threading", n_jobs=2)


def numbers(first, last):
    return f"tasks {first} to {last}"


@pytest.mark.parametrize("method", METHODS)
def test_results_are_those_of_one_process(clusterer, method):
    alone = getattr(clusterer, method)(IMAGES)
    with in_threads():
        divided = getattr(clusterer, method)(IMAGES)
    np.testing.assert_array_equal(divided, alone)


@pytest.mark.parametrize(
    "kind",
    [list, default_convert, lambda X: TensorDataset(default_convert(X))],
    ids=["list", "tensor", "dataset"],
)
def test_images_of_every_kind_are_divided(clusterer, kind):
    with in_threads():
        labels = clusterer.predict(kind(IMAGES))
    np.testing.assert_array_equal(labels, clusterer.predict(IMAGES))


def test_features_are_divided_by_n_jobs(tiny, files):
    """So are images with names, and what cannot be read is known afterwards."""
    settings = {"batch_size": 3, "reading": Reading(on_error="skip")}
    alone = tiny(**settings).transform(files)
    with joblib.parallel_config("threading"):
        divided = tiny(**settings, n_jobs=2).transform(files)
    assert np.flatnonzero(np.isnan(alone).all(axis=1)).tolist() == [18]
    np.testing.assert_array_equal(divided, alone)


def test_workers_share_a_cache(tiny, files, tmp_path_factory):
    settings = {"batch_size": 3, "cache_dir": tmp_path_factory.mktemp("cache")}
    (files / "18.png").unlink()
    with in_threads():
        first = tiny(**settings).transform(files)
        again = tiny(**settings).transform(files)
    np.testing.assert_array_equal(again, first)


def test_an_error_is_that_of_one_process(clusterer, files):
    """A broken file that shows when pixels are read is named by number and path."""
    Image.fromarray(IMAGES[18]).save(files / "18.png")
    content = (files / "18.png").read_bytes()
    (files / "18.png").write_bytes(content[:-40])  # its header is whole
    with pytest.raises(ValueError, match=r"image 18 \(.*18\.png\)") as alone:
        clusterer.predict(files)
    with in_threads(), pytest.raises(ValueError, match="image 18") as divided:
        clusterer.predict(files)
    assert str(divided.value) == str(alone.value)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_an_iterator_of_batches_gives_one_of_labels(clusterer, n_jobs):
    starts = range(0, 60, 8)
    with joblib.parallel_config("threading", n_jobs=n_jobs):
        parts = list(clusterer.predict(IMAGES[i : i + 8] for i in starts))
    assert [len(labels) for labels in parts] == [8] * 7 + [4]
    np.testing.assert_array_equal(np.concatenate(parts), clusterer.predict(IMAGES))


def test_a_stream_is_read_as_labels_are_taken(clusterer):
    taken = []

    def endless():
        while True:
            taken.append(len(taken))
            yield IMAGES[:4]

    labels = clusterer.predict(endless())
    assert taken == []
    assert len(next(labels)) == 4
    assert taken == [0]


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_an_error_names_the_batch(clusterer, n_jobs):
    batches = iter([IMAGES[:4], IMAGES[:4], np.full((2, 8, 8), np.nan)])
    with joblib.parallel_config("threading", n_jobs=n_jobs):
        labels = clusterer.predict(batches)
        assert len(next(labels)) == len(next(labels)) == 4
        with pytest.raises(ValueError, match="NaN") as caught:
            next(labels)
    assert "batch 2 of X" in caught.value.__notes__[0]


def test_features_do_not_fit_an_iterator(clusterer):
    with pytest.raises(ValueError, match="features cannot be passed beside an iter"):
        clusterer.predict(iter([IMAGES]), features=np.ones((60, 2)))


def test_an_error_of_the_iterator_is_raised():
    def tasks():
        yield (1,)
        raise OSError("the line is dead")

    with in_threads():
        outputs = map_tasks(lambda x: x, tasks(), describe=numbers)
        assert next(outputs) == 1
        with pytest.raises(OSError, match="the line is dead"):
            next(outputs)


def test_the_first_error_is_raised_whoever_is_faster():
    def fail(number):
        raise ValueError(f"task {number}")

    with in_threads(), pytest.raises(ValueError, match="task 0"):
        list(map_tasks(fail, ((i,) for i in range(9)), describe=numbers))


class Numbers:
    """Stands for a data set."""

    def __len__(self):
        return 40

    def part(self, positions):
        return Part(positions)

    def note_unreadable(self, positions, unreadable):
        pass

    def describe(self, first, last):
        return f"images {first[0]} to {last[-1]}"


class Part:
    unreadable: dict[int, str]

    def __init__(self, positions):
        self.unreadable = {}
        self.positions = positions


def test_parts_are_whole_batches_in_order():
    batches = np.array_split(np.arange(40), 13)

    def read(part, batches):
        yield from (part.positions[batch] for batch in batches)

    with in_threads():
        outputs = list(map_parts(read, Numbers(), batches))
    assert len(outputs) == 8  # four for each worker
    np.testing.assert_array_equal(np.concatenate(outputs), np.arange(40))


def test_a_function_travels_once_to_each_process(tmp_path):
    """With processes: it is unpickled as often as there are workers that had work."""
    # Functions within functions are pickled by value: workers know no test modules.

    class Function:
        def __init__(self, folder):
            self.folder = folder

        def __setstate__(self, state):
            import os
            import tempfile

            self.__dict__ = state
            tempfile.mkstemp(prefix=f"{os.getpid()}-", dir=self.folder)

        def __call__(self, number):
            import os
            import time

            time.sleep(0.05)
            return os.getpid()

    with joblib.parallel_config("loky", n_jobs=2):
        tasks = ((number,) for number in range(20))
        pids = list(map_tasks(Function(tmp_path), tasks, describe=numbers))
    arrivals = [int(path.name.split("-")[0]) for path in tmp_path.iterdir()]
    assert os.getpid() not in pids
    assert sorted(arrivals) == sorted(set(pids))


def test_a_lost_worker_is_an_error_that_names_the_images():
    batches = np.array_split(np.arange(40), 10)

    class Part:
        unreadable: dict[int, str] = {}  # noqa: RUF012

        def __init__(self, positions):
            self.positions = positions

    class Images(Numbers):
        def part(self, positions):
            return Part(positions)

    def die(part, batches):
        import os

        if 21 in part.positions:
            os._exit(1)
        yield part.positions

    message = r"A worker was lost that had some of images \d+ to \d+ \(Terminated"
    processes = joblib.parallel_config("loky", n_jobs=2)
    with processes, pytest.raises(ChildProcessError, match=message):
        list(map_parts(die, Images(), batches))


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["loky", "multiprocessing"])
def test_processes_give_what_one_gives(clusterer, backend):
    with joblib.parallel_config(backend, n_jobs=2):
        divided = [getattr(clusterer, method)(IMAGES) for method in METHODS]
    for method, outputs in zip(METHODS, divided, strict=True):
        np.testing.assert_array_equal(outputs, getattr(clusterer, method)(IMAGES))


@pytest.mark.slow
def test_a_dask_cluster_gives_what_one_process_gives(clusterer, tiny, files, tmp_path):
    """Labels, features, streams; a worker that is killed is replaced by the engine."""
    distributed = pytest.importorskip("dask.distributed")
    reading = Reading(on_error="skip")
    features = tiny(reading=reading, batch_size=3).transform(files)
    mark = tmp_path / "died"

    def die_once(number, mark):
        import os

        if number == 3 and not mark.exists():
            mark.touch()
            os._exit(1)
        return number

    cluster = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None
    )
    with cluster, distributed.Client(cluster), joblib.parallel_config("dask"):
        for method in METHODS:
            divided = getattr(clusterer, method)(IMAGES)
            with joblib.parallel_config("sequential"):
                alone = getattr(clusterer, method)(IMAGES)
            np.testing.assert_array_equal(divided, alone)
        np.testing.assert_array_equal(
            tiny(reading=reading, batch_size=3).transform(files), features
        )
        stream = clusterer.predict(IMAGES[i : i + 25] for i in range(0, 60, 25))
        np.testing.assert_array_equal(
            np.concatenate(list(stream)), clusterer.predict(IMAGES)
        )
        tasks = ((number, mark) for number in range(8))
        assert list(map_tasks(die_once, tasks, describe=numbers)) == [*range(8)]
