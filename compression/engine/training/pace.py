"""How fast this machine trains a model: what turns a budget of seconds into passes over the training images."""

from __future__ import annotations

import contextlib
import itertools
import json
import time

import torch
from torch import fx

from compression import atomic
from compression.engine.network.form import clone
from compression.engine.training.device import CPU, training_device
from compression.engine.training.loop import optimized, steady
from compression.engine.training.speed import FEWEST_STEPS
from compression.models.data import Dataset
from compression.models.subject import Subject, speed_path
from compression.recipe.budgets import BATCH_SIZE

WARM_UP, TIMED, LONG_S = 2, 8, 2.0
"""Steps of training before the clock is read, and those that are timed; where they take so many seconds, fewer."""


def keep_speed(subject: Subject, model: fx.GraphModule, dataset: Dataset) -> None:
    """Time how fast the model trains, once for all, and write it where `Subject.images_per_second` finds it.

    Where nothing can be written budgets go on with what another machine took.
    """
    path = speed_path(subject.name)
    if path.exists():
        return
    content = json.dumps({"images_per_second": images_per_second(model, dataset)})
    with contextlib.suppress(OSError):
        atomic.write_first(path, content.encode())


def images_per_second(model: fx.GraphModule, dataset: Dataset) -> float:
    """How many images a second a copy of the model is trained on.

    By processor time where one thread computes, so that other programs hardly count; else by wall time.
    """
    alone = training_device() == CPU and torch.get_num_threads() == 1
    clock = time.thread_time if alone else time.perf_counter
    running = optimized(clone(model), dataset, steps=FEWEST_STEPS, learning_rate=1e-4, seed=0, schedule=steady)
    with contextlib.closing(running):
        times = [clock() for _ in itertools.islice(running, WARM_UP + 1)]
        for _ in itertools.islice(running, TIMED):
            times.append(clock())
            if times[-1] - times[WARM_UP] > LONG_S:
                break
    steps = len(times) - 1 - WARM_UP
    return steps * min(BATCH_SIZE, len(dataset.train)) / max(times[-1] - times[WARM_UP], 1e-9)
