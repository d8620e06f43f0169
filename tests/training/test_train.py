"""The training loop: stages, batches, schedules, weight decay, failures."""

import pickle
from itertools import chain, repeat

import pytest
import torch
from sklearn.exceptions import ConvergenceWarning
from skorch.callbacks import Callback
from torch import nn

from sklearn_mfavb.backbones import ConvStemViT
from sklearn_mfavb.heads import CenterHead, ClusterHeads, InstanceHead
from sklearn_mfavb.images import ImageDataset
from sklearn_mfavb.networks import ClusteringNetwork
from sklearn_mfavb.objectives import ContrastiveObjective, ContrastiveTerms
from sklearn_mfavb.training import EpochProgress, FollowQuery, balanced_batches
from sklearn_mfavb.training._net import AdamW
from sklearn_mfavb.training._train import make_schedule


class Look(Callback):
    """Show the net to a function at the beginning of every epoch."""

    def __init__(self, function=None):
        self.function = function

    def on_epoch_begin(self, net, **kwargs):
        if self.function:
            self.function(net)


def interrupt_at(epoch):
    """Make a callback that presses Ctrl-C in an epoch, counted from 1."""

    def press(net):
        if len(net.history) == epoch:
            raise KeyboardInterrupt

    return (("interrupt", Look(press)),)


@pytest.mark.parametrize(
    ("n_samples", "batch_size", "sizes"),
    [(10, 4, [4, 3, 3]), (257, 256, [129, 128]), (3, 256, [3]), (1, 8, [1])],
)
def test_batches_are_nearly_equal_and_cover_everything(n_samples, batch_size, sizes):
    """No image is left out, none comes twice, no batch is a crumb."""
    dataset = ImageDataset(None, None, features=torch.zeros(n_samples, 1))
    batches = [
        batch["index"].tolist()
        for batch in balanced_batches(dataset, batch_size, torch.device("cpu"))
    ]
    assert [len(batch) for batch in batches] == sizes
    seen = [index for batch in batches for index in batch]
    assert sorted(seen) == list(range(n_samples))


def test_history_numbers_epochs_over_stages_and_adds_terms_up(run, make_stage):
    """One row per epoch, with its stage; the loss is the sum of its terms."""
    objective = ContrastiveObjective(ContrastiveTerms(), balance_weight=1.0)
    stages = make_stage(2, name="first"), make_stage(3, objective=objective)
    history = run(*stages)
    assert [row["epoch"] for row in history] == [1, 2, 3, 4, 5]
    assert [row.get("stage") for row in history] == ["first"] * 2 + [None] * 3
    assert history[0].keys() == {"epoch", "stage", "loss", "instance_loss", "seconds"}
    for row in history[2:]:
        terms = row["instance_loss"] + row["cluster_loss"] + row["balance_loss"]
        assert row["loss"] == pytest.approx(terms)


def test_a_stage_goes_on_where_the_last_one_ended(run, make_network, make_stage):
    """It is prepared by what was learned, and has a learning rate of its own."""
    network, seen, peaks = make_network(), [], []
    look = ("look", Look(lambda net: peaks.append(net.lr)))

    def prepare():
        seen.append(next(network.parameters()).clone())

    stages = [
        make_stage(1, prepare=prepare, callbacks=(look,), rate=rate)
        for rate in (1.0, 0.1)
    ]
    run(*stages, network=network, learning_rate=0.5)
    assert not torch.equal(*seen)
    assert peaks == [0.5, pytest.approx(0.05)]


def test_stages_after_an_interrupted_one_are_prepared_but_not_run(run, make_stage):
    """The user keeps complete epochs, and later stages leave a usable network."""
    prepared = []
    stages = [
        make_stage(2, name="one", prepare=lambda: prepared.append(1)),
        make_stage(3, name="two", callbacks=interrupt_at(2)),
        make_stage(2, name="three", prepare=lambda: prepared.append(3)),
    ]
    with pytest.warns(ConvergenceWarning, match="1 of max_epochs=3 .* stage 'two'"):
        history = run(*stages)
    assert [row["stage"] for row in history] == ["one", "one", "two"]
    assert prepared == [1, 3]


def test_ctrl_c_before_anything_was_learned_is_ctrl_c(run, make_stage):
    """Without one complete epoch there is nothing to label by."""
    with pytest.raises(KeyboardInterrupt):
        run(make_stage(callbacks=interrupt_at(1)))


@pytest.mark.parametrize("name", ["cosine", "constant"])
def test_schedule_is_followed_step_by_step(run, make_stage, name):
    """Warm-up is counted in epochs, of three steps here; it never outlasts a stage."""
    rates = []

    class Rates(Callback):
        def on_batch_end(self, net, **kwargs):
            rates.append(net.optimizer_.param_groups[0]["lr"])

    kept = {"schedule": name, "warmup_epochs": 2, "learning_rate": 0.5}
    run(make_stage(3), callbacks=[Rates()], **kept)
    factor = make_schedule(name, 9, 6)
    assert rates == pytest.approx([0.5 * factor(step) for step in range(1, 10)])
    rates.clear()
    run(make_stage(1), callbacks=[Rates()], **kept)
    assert rates[:2] == pytest.approx([0.5 * 2 / 3, 0.5])


def test_schedules_rise_to_one_then_fall_or_stay():
    """Linear warm-up, a peak of exactly one, then a cosine to zero, or one."""
    cosine = [make_schedule("cosine", 50, 5)(step) for step in range(51)]
    constant = [make_schedule("constant", 50, 5)(step) for step in range(51)]
    assert cosine[:5] == constant[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert max(cosine) == 1.0
    assert sorted(cosine[5:], reverse=True) == cosine[5:]
    assert cosine[50] == pytest.approx(0.0, abs=1e-12)
    assert constant[5:] == [1.0] * 46
    for kind in ("cosine", "constant"):
        assert make_schedule(kind, 4, 0)(0) == make_schedule(kind, 4, 4)(4) == 1.0


def test_the_optimizer_is_that_of_torch():
    """It makes the same steps, and closures find gradients recorded."""
    networks = [torch.nn.Linear(3, 2) for _ in range(2)]
    networks[1].load_state_dict(networks[0].state_dict())
    for network, kind in zip(networks, (AdamW, torch.optim.AdamW), strict=True):
        optimizer = kind(network.parameters(), lr=0.1, weight_decay=0.2, fused=True)

        def closure(network=network, optimizer=optimizer):
            optimizer.zero_grad()
            network(torch.eye(3)).square().sum().backward()

        for _ in range(3):
            optimizer.step(closure)
    assert torch.equal(networks[0].weight, networks[1].weight)
    assert torch.equal(networks[0].bias, networks[1].bias)


def test_weight_decay_spares_what_has_no_scale_and_leaves_out_what_is_frozen(
    run, make_stage
):
    """Biases, normalizations, class tokens and centers do not decay."""
    sizes = {"n_channels": 1, "patch_size": 2, "embed_dim": 4, "n_heads": 1, "depth": 1}
    network = ClusteringNetwork(
        ConvStemViT(None, feature_dims=(4,), **sizes),
        InstanceHead(4, 3),
        ClusterHeads(4, 2, 1, CenterHead),
    )
    network.backbone.feature_tokens.requires_grad_(False)
    groups = []
    look = Look(lambda net: groups.extend(net.optimizer_.param_groups))
    run(make_stage(1), network=network, weight_decay=0.3, callbacks=[look])
    names = {
        id(value): name
        for name, value in network.named_parameters()
        if "feature_tokens" not in name
    }
    decayed, spared = (
        {names[id(value)] for value in group["params"]} for group in groups
    )
    assert [group["weight_decay"] for group in groups] == [0.3, 0.0]
    assert {"cluster_heads.0.centers", "backbone.class_token"} <= spared
    assert all("weight" in name and "norm" not in name for name in decayed)
    assert decayed | spared == set(names.values())


def test_frozen_parts_never_drift(run, make_network, make_stage):
    """Frozen weights and batch statistics stay, also if a callback embeds images."""
    network = make_network()
    network.cluster_heads.requires_grad_(False)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    look = Look(lambda net: net.module_.eval())
    run(make_stage(2), network=network, callbacks=[look])
    for key, value in network.state_dict().items():
        moved = key.startswith("instance_head")
        assert torch.equal(before[key], value) is not moved, key
    assert network.instance_head.training
    assert not network.cluster_heads.training


def test_a_loss_that_is_not_finite_stops_with_advice(run, make_network, make_stage):
    """The error names the epoch and the term; it comes before the epoch is kept."""
    factors = chain([1.0] * 3, repeat(float("nan")))  # the second epoch has no loss

    class Broken(nn.Module):
        def forward(self, positives):
            [(first, _)] = positives
            return {"odd_loss": next(factors) * first.projection[:, 0].mean()}

    epochs = []
    look = Look(lambda net: epochs.append(len(net.history)))
    with pytest.raises(FloatingPointError, match=r"epoch 2 \(odd_loss=nan\).*lower"):
        run(make_stage(objective=Broken()), callbacks=[look])
    assert epochs == [1, 2]


def test_verbose_shows_a_bar_or_a_table(run, make_stage, capsys):
    """Bars have the name of the stage and count its epochs; 0 is silent.

    A bar can be pickled after training, as models with callbacks are.
    """
    bar = EpochProgress()
    run(make_stage(1, callbacks=(("bar", bar),)))
    pickle.dumps(bar)
    capsys.readouterr()
    run(make_stage(3))
    assert capsys.readouterr() == ("", "")
    run(make_stage(3, name="warming"), verbose=1)
    printed = capsys.readouterr()
    assert "warming" in printed.err
    assert "3/3" in printed.err
    assert printed.out == ""
    run(make_stage(3), verbose=2)
    assert "instance_loss" in capsys.readouterr().out


def test_callbacks_come_as_in_skorch(run, make_stage):
    """As a class, as an object, or with a name; all else is refused."""
    for callback in (Look, Look(), ("named", Look())):
        assert len(run(make_stage(1), callbacks=[callback])) == 1
    for callback in ("EarlyStopping", ("name", 3), object):
        with pytest.raises(TypeError, match="callbacks must be skorch callbacks"):
            run(make_stage(), callbacks=[callback])


@pytest.mark.parametrize("dtype", [None, torch.bfloat16, torch.float16])
def test_autocast_is_as_asked(run, make_network, make_stage, dtype):
    """The forward pass runs in the wanted type, the losses in float32."""
    network, seen, losses = make_network(), set(), set()
    network.instance_head.layers.register_forward_hook(
        lambda module, inputs, output: seen.add(output.dtype)
    )

    class Watch(nn.Module):
        def forward(self, positives):
            assert not torch.is_autocast_enabled("cpu")
            [(first, _)] = positives
            losses.add(first.projection.dtype)
            return {"loss": first.projection.mean()}

    run(make_stage(1, objective=Watch()), network=network, dtype=dtype)
    assert seen == {dtype or torch.float32}
    assert losses == {torch.float32}


def test_the_copy_follows_after_every_training_step(run, make_network, make_stage):
    """Once per batch, with the momentum given."""
    network, momenta = make_network(), []
    network.follow = momenta.append
    follow = (("follow", FollowQuery(0.7)),)
    run(make_stage(2, callbacks=follow), network=network)
    assert momenta == [0.7] * 6


def test_steps_whose_float16_gradients_overflow_are_left_out(
    run, make_network, make_stage
):
    """The scale falls until they do not, and training goes on."""
    network, moved = make_network(), []
    first = network.instance_head.layers[0].weight
    before = [first.detach().clone()]

    class Moved(Callback):
        def on_batch_end(self, net, **kwargs):
            moved.append(not torch.equal(first, before[0]))
            before[0] = first.detach().clone()

    class Steep(nn.Module):
        def forward(self, positives):
            [(output, _)] = positives
            return {
                "loss": 1e3 * output.projection.square().sum(dim=1).sqrt().mean()
                + 1e3 * output.projection[:, 0].mean()
            }

    run(
        make_stage(8, objective=Steep()),
        network=network,
        dtype=torch.float16,
        callbacks=[Moved()],
        warmup_epochs=0,
    )
    assert not moved[0]
    assert all(moved[-3:-1])
    assert first.isfinite().all()
