"""The benchmark of speed: measuring, recording, reporting, and a fair reference."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from sklearn_mfavb import MFAVBClustering, VTCCClustering
from sklearn_mfavb.backbones import resolve_vit_size
from sklearn_mfavb.contrast import AcrossPairs, WithinPair
from sklearn_mfavb.datasets import make_shape_images
from sklearn_mfavb.views import View

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
N_CLUSTERS = 10
# Of cases that differ by their network only, one.
CASES = (
    *("ceilings", "train_vtcc", "train_mfavb", "share_vtcc", "predict_mfavb"),
    *("overhead_small", "clip", "neighbors", "growth_batch_size", "profile_mfavb"),
)
TABLE = """\
| what | ours | against | ratio | target |
| --- | --- | --- | --- | --- |
| training, VTCC | 40 images/s | reference: 8 images/s | 5.00 x (4.00 to 6.00) \
| at least 5 x |
| operations | 300 GFLOP/s | square: 600 GFLOP/s | 50.0 % | at least 40 % |
| operations | 300 GFLOP/s | linear: 1200 GFLOP/s | 25.0 % |  |
| epoch | 1.03 s | bare loop: 1 s | +3.0 % (+1.0 to +5.0) | at most 5 % |
| neighbours | 50 s |  | 300 MiB | less than 1024 MiB |
"""


def run_program(name, *arguments):
    """Run a program of the benchmarks as users do."""
    return subprocess.run(
        [sys.executable, BENCHMARKS / name, *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """Run every kind of case once, at sizes that mean nothing."""
    path = tmp_path_factory.mktemp("speed") / "speed.jsonl"
    done = run_program("speed.py", "--quick", "--results", path, "--only", *CASES)
    assert done.returncode == 0, done.stderr
    assert "skipped: clip: --weights FILE names none." in done.stdout
    return path


@pytest.fixture
def benchmarks(monkeypatch):
    """Let a test import the modules of the benchmarks."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))


def test_quick_run_records_every_case_with_all_repetitions(quick):
    """Contenders were measured equally often, at least five times."""
    records = {
        record["case"]: record
        for record in map(json.loads, quick.read_text().splitlines())
    }
    assert records.keys() == set(CASES) - {"clip"}
    for record in records.values():
        assert record["quick"]
        assert record["device"]
        assert record["n_threads"] == 1
        assert record["versions"].keys() >= {"torch", "timm"}
        assert record["libraries"].keys() >= {"torchvision", "pillow"}
        counts = {len(seconds) for seconds in record.get("seconds", {}).values()}
        assert len(counts) <= 1 and all(count >= 5 for count in counts)
    for name in ("train_vtcc", "train_mfavb", "predict_mfavb"):
        assert {"ours", "reference"} <= records[name]["seconds"].keys()
    assert records["train_mfavb"]["precision"] in {"float32", "bfloat16"}
    assert len(records["profile_mfavb"]["items"]) == 10
    (point,) = records["growth_batch_size"]["points"]
    assert len(point["seconds"]) == 5
    assert point["rise_mib"] >= 0


def test_report_of_a_quick_run_has_every_table_and_the_plot(quick, tmp_path):
    """The tables say that quick numbers mean nothing."""
    done = run_program("report.py", "--speed", "--results", quick, "--output", tmp_path)
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "speed.md").read_text("utf-8")
    assert "## cpu, threads: 1, quick: these numbers mean nothing" in text
    for title in ("The machine:", "by images in a batch:", "Profile of one"):
        assert title in text
    plot = (tmp_path / "speed_growth_0.png").read_bytes()
    assert plot.startswith(b"\x89PNG")


def hand_made(case, kind, what, seconds, **changes):
    """Write a record whose medians are easy to find."""
    setting = {"quick": False, "device": "cpu", "n_threads": 2}
    record = {"case": case, "kind": kind, "what": what, "seconds": seconds}
    return {**setting, "instructions": "AVX512", **record, **changes}


def test_report_compares_medians_with_targets(tmp_path):
    """Rates, ratios and targets are those of the last record of each case."""
    ours, theirs = [0.8, 0.8, 0.8], [3.2, 4.0, 4.8]
    flop = {"ours": 3e11, "square": 6e11, "linear": 12e11}
    equal = {name: [1.0, 1.0, 1.0] for name in flop}
    epochs = {"ours": [1.01, 1.03, 1.05], "bare loop": [1.0, 1.0, 1.0]}
    turns = {"ours": ours, "reference": theirs}
    records = [
        hand_made("train_vtcc", "comparison", "before", turns, n_images=1),
        hand_made("train_vtcc", "comparison", "training, VTCC", turns, n_images=32),
        hand_made("share_vtcc", "share", "operations", equal, flop=flop),
        hand_made("overhead_small", "overhead", "epoch", epochs),
        hand_made(
            "neighbors", "neighbors", "neighbours", {"ours": [50.0]}, rise_mib=300.0
        ),
    ]
    path = tmp_path / "speed.jsonl"
    path.write_text("".join(f"{json.dumps(record)}\n" for record in records))
    done = run_program("report.py", "--speed", "--results", path)
    assert done.stdout[done.stdout.index("| what |") :] == TABLE


def test_unknown_case_is_named_with_those_there_are(benchmarks, monkeypatch, capsys):
    """A wrong name is an error before anything is measured."""
    import speed

    monkeypatch.setattr(sys, "argv", ["speed.py", "--only", "trian_vtcc"])
    with pytest.raises(SystemExit):
        speed.parse_options()
    message = capsys.readouterr().err
    assert "no such case: trian_vtcc; of ceilings, train_vtcc" in message


def test_profile_is_short_for_its_cases(benchmarks, monkeypatch):
    """`--profile` asks for both profiles and nothing else."""
    import speed

    monkeypatch.setattr(sys, "argv", ["speed.py", "--profile"])
    assert tuple(speed.parse_options().only) == ("profile_mfavb", "profile_vtcc")


def fit_small(estimator_class, size):
    """Fit for one epoch; return the network as it predicts, and what it minimised."""
    images = np.random.default_rng(0).integers(0, 256, (40, *size.image_size, 3))
    clusterer = estimator_class(
        N_CLUSTERS, embed_dim=size.embed_dim, max_epochs=1, random_state=0, device="cpu"
    )
    net = clusterer.fit(images.astype(np.uint8)).net_
    network = net.module_.eval()
    network.pixel_mean.zero_()
    network.pixel_std.fill_(1.0)
    return network, net.criterion_


def leaves(network):
    """List the layers that have weights, in the order of the network."""
    layers = [part for part in network.modules() if not list(part.children())]
    return [layer for layer in layers if list(layer.parameters())]


def copy_weights(ours, plain):
    """Give the plain network the weights of ours, layer by layer."""
    with torch.no_grad():
        plain.class_token.copy_(ours.backbone.class_token)
        plain.positions.copy_(ours.backbone.positions)
    for layer, its in zip(leaves(ours), leaves(plain), strict=True):
        its.load_state_dict(layer.state_dict())


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", ["VTCC", "MFAVB"])
def test_reference_computes_what_ours_computes(name, benchmarks):
    """With the same weights, loss and labels are equal: the networks are the same."""
    import speed_reference

    estimator_class = {"VTCC": VTCCClustering, "MFAVB": MFAVBClustering}[name]
    contrast_class = {"VTCC": WithinPair, "MFAVB": AcrossPairs}[name]
    size = resolve_vit_size((16, 16), embed_dim=32)
    network, objective = fit_small(estimator_class, size)
    plain = getattr(speed_reference, f"Plain{name}")(size, N_CLUSTERS).eval()
    copy_weights(network, plain)
    views = torch.rand(2 * plain.n_pairs, 12, 3, 16, 16)
    with torch.no_grad():
        first, second = (View(torch.cat(list(views[i::2]))) for i in (0, 1))
        contrast = contrast_class(None, None)
        terms = objective(contrast.positives(*network.forward_views(first, second)))
        torch.testing.assert_close(plain.loss(*views), sum(terms.values()))
        labels = network(View(views[0]))[:, 0].argmax(1)
        for predict in plain.ways_to_predict().values():
            assert predict(views[0]).tolist() == labels.tolist()


def test_formula_counts_what_torch_counts(benchmarks):
    """The matrix operations of the step at 224 pixels are known in two ways."""
    from speed_ceilings import count_step, count_step_by_hand
    from speed_plan import FULL

    counted = count_step(FULL.vtcc)
    assert counted == count_step_by_hand(FULL.vtcc)
    assert counted > 1e12


def test_time_of_a_fit_is_read_between_its_steps(benchmarks):
    """Rivals run after every round but the first, and nothing else of fit is run."""
    from speed_timing import time_fit

    images, _ = make_shape_images(40, n_clusters=2, image_size=8)
    clusterer = VTCCClustering(2, batch_size=10, random_state=0)
    turns = []

    def rival(net, dataset):
        turns.append(len(dataset))
        return 0.5

    rounds = time_fit(clusterer, images, n_steps=4, n_rounds=3, rivals={"it": rival})
    assert turns == [40] * 3
    assert rounds.seconds["it"] == [0.5] * 3
    assert len(rounds.seconds["ours"]) == 3
    assert rounds.n_done == 28  # each round begins with three steps that are not timed
    assert not hasattr(clusterer, "labels_")
