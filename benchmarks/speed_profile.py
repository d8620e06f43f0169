"""A profile of one training step: the items that take longest by themselves."""

from contextlib import suppress
from typing import Any

from recording import Record
from skorch import NeuralNet
from skorch.callbacks import Callback
from speed_plan import Plan, Workload, make_images
from speed_timing import EnoughRounds
from torch.profiler import ProfilerActivity, profile

N_WARM_UP = 3  # steps
N_ITEMS = 10


class ProfiledStep(Callback):
    """Profile one step of a fit, from the end of the step before to its own."""

    def __init__(self, activities: list[ProfilerActivity]) -> None:
        self.activities = activities
        self.n_done = 0

    def on_batch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Start after the warm-up, and stop one step later."""
        self.n_done += 1
        if self.n_done == N_WARM_UP:
            self.profile = profile(activities=self.activities)
            self.profile.start()
        elif self.n_done > N_WARM_UP:
            self.profile.stop()
            raise EnoughRounds


def profile_step(plan: Plan, workload: Workload) -> Record:
    """Record the ten largest items of a step, by the time that is theirs alone."""
    on_gpu = plan.device.type == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
    step = ProfiledStep(activities)
    n_images = (N_WARM_UP + 1) * workload.batch_size  # so that no epoch ends within
    images = make_images(n_images, workload.image_size)
    with suppress(EnoughRounds):
        workload.make_estimator(plan.device).set_params(callbacks=[step]).fit(images)
    events = step.profile.key_averages()
    microseconds = {
        event.key: event.self_device_time_total if on_gpu else event.self_cpu_time_total
        for event in events
    }
    calls = {event.key: event.count for event in events}
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
