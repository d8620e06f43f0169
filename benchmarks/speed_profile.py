"""A profile of a training step: the items that take longest by themselves."""

from contextlib import suppress
from typing import Any

import torch
from recording import Record
from skorch import NeuralNet
from skorch.callbacks import Callback
from speed_plan import Plan, Workload, make_images
from speed_timing import EnoughRounds
from torch.profiler import ProfilerActivity, profile

N_WARM_UP = 8  # steps; in the first, memory comes from the system page by page
N_PROFILED = 4
# What the profiler writes down lies between the blocks of memory that steps use again,
# and the largest no longer fit. Without spare memory in the process they came from the
# system anew, and ReLU's backward pass took five times as long as without a profile.
N_SPARE = 2**30  # bytes
N_ITEMS = 10


class ProfiledSteps(Callback):
    """Profile steps of a fit, each from the end of the step before to its own."""

    def __init__(self, activities: list[ProfilerActivity], n_spare: int) -> None:
        self.activities = activities
        self.n_spare = n_spare  # bytes
        self.n_done = 0

    def on_batch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Start after the warm-up, and stop some steps later."""
        self.n_done += 1
        if self.n_done == N_WARM_UP:
            torch.ones(self.n_spare, dtype=torch.uint8)
            self.profile = profile(activities=self.activities)
            self.profile.start()
        elif self.n_done == N_WARM_UP + N_PROFILED:
            self.profile.stop()
            raise EnoughRounds


def profile_step(plan: Plan, workload: Workload) -> Record:
    """Record the ten largest items of a step, by the time that is theirs alone."""
    on_gpu = plan.device.type == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
    steps = ProfiledSteps(activities, 0 if plan.is_quick or on_gpu else N_SPARE)
    n_steps = N_WARM_UP + N_PROFILED  # of one epoch, so that none ends within
    images = make_images(n_steps * workload.batch_size, workload.image_size)
    with suppress(EnoughRounds):
        workload.make_estimator(plan.device).set_params(callbacks=[steps]).fit(images)
    events = steps.profile.key_averages()
    microseconds = {
        event.key: (
            event.self_device_time_total if on_gpu else event.self_cpu_time_total
        )
        / N_PROFILED
        for event in events
    }
    calls = {event.key: round(event.count / N_PROFILED) for event in events}
    total = sum(microseconds.values())
    largest = sorted(microseconds, key=lambda name: -microseconds[name])[:N_ITEMS]
    return {
        "kind": "profile",
        "what": f"one training step, {workload}",
        "total_ms": round(total / 1e3, 2),
        "items": [
            {
                "name": name,
                "ms": round(microseconds[name] / 1e3, 2),
                "share": round(microseconds[name] / total, 4),
                "calls": calls[name],
            }
            for name in largest
        ],
    }
