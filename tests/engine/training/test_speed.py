import json
import math
from dataclasses import asdict

import pytest
import torch
from torch import nn

from compression.engine.network.form import ActivationQuantizer
from compression.engine.training import speed
from compression.engine.training.speed import (
    BFLOAT16,
    CHANNELS_LAST,
    FASTEST,
    FEWEST_STEPS,
    PLAIN,
    always,
    candidates,
    choose,
    measure,
    training_mode,
)


class Viewing(nn.Module):
    """A network that people write: `view` needs channels that lie apart."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.classifier = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Linear(144, 10)

    def forward(self, x):
        return self.classifier(self.norm(self.conv(x)).view(len(x), -1))


class Flattening(Viewing):
    def forward(self, x):
        return self.classifier(self.norm(self.conv(x)).flatten(1))


def batch(n=8, channels=1):
    torch.manual_seed(0)
    return torch.randn(n, channels, 8, 8), torch.arange(n) % 10


@pytest.fixture
def timings(fresh_home, monkeypatch):
    """Seconds that the test is to find, by mode, and how often it was made."""
    seconds, asked = {PLAIN: 1.0, CHANNELS_LAST: 0.5, FASTEST: 0.2, BFLOAT16: 0.2}, []

    def fabricated(model, x, y, modes):
        asked.append(modes)
        return {mode: seconds[mode] for mode in modes}

    monkeypatch.setattr(speed, "_MEMORY", {})
    monkeypatch.setattr(speed, "measure", fabricated)
    seconds["asked"] = asked
    return seconds


def chosen(model=None, n=8, steps=FEWEST_STEPS):
    return training_mode(model or Flattening(), *batch(n), steps)


class TestMode:
    @pytest.mark.parametrize("channels", [1, 3])
    def test_images_have_the_same_values_and_layers_follow_their_layout(self, channels):
        x, _ = batch(channels=channels)
        laid_out = CHANNELS_LAST.images(x)
        assert torch.equal(laid_out, x)
        assert laid_out.stride() == (64 * channels, 1, 8 * channels, channels)
        answer = nn.Conv2d(channels, 4, 3)(laid_out)
        assert answer.is_contiguous(memory_format=torch.channels_last)
        assert not nn.Conv2d(channels, 4, 3)(PLAIN.images(x)).is_contiguous(memory_format=torch.channels_last)

    def test_layers_compute_in_bfloat16_and_parameters_stay(self):
        layer = nn.Linear(4, 2)
        for mode, dtype in ((FASTEST, torch.bfloat16), (PLAIN, torch.float32)):
            with mode.arithmetic():
                answer = layer(torch.randn(3, 4))
            assert answer.dtype == dtype
            answer.float().sum().backward()
            assert layer.weight.dtype == layer.weight.grad.dtype == torch.float32


class TestCandidates:
    def test_layouts_matter_to_convolutions_only(self):
        assert candidates(Flattening()) == [PLAIN, CHANNELS_LAST, FASTEST]
        assert candidates(nn.Linear(4, 2)) == [PLAIN, BFLOAT16]

    def test_rounded_activations_are_not_rounded_again(self):
        assert candidates(nn.Sequential(Flattening(), ActivationQuantizer(0.1, 0))) == [PLAIN, CHANNELS_LAST]
        assert candidates(nn.Sequential(nn.Linear(4, 2), ActivationQuantizer(0.1, 0))) == [PLAIN]


class TestChoosing:
    @pytest.mark.parametrize(
        ("plain", "channels_last", "fastest", "expected"),
        [
            (1.0, 0.97, 0.9, PLAIN),  # a gain that noise could be
            (1.0, 0.8, 0.75, CHANNELS_LAST),
            (1.0, 0.8, 0.4, FASTEST),
            (1.0, 1.2, 0.9, PLAIN),  # nothing slower than plain
            (1.0, 1.2, 0.5, FASTEST),
            (1.0, math.inf, 2.0, PLAIN),
        ],
    )
    def test_a_mode_has_to_be_clearly_faster(self, plain, channels_last, fastest, expected):
        assert choose({PLAIN: plain, CHANNELS_LAST: channels_last, FASTEST: fastest}) == expected

    def test_modes_that_do_not_run_are_not_chosen(self):
        assert choose({PLAIN: 1.0}) == PLAIN


class TestRemembering:
    def test_a_choice_holds_however_timings_change(self, timings, monkeypatch):
        assert chosen() == FASTEST
        timings[FASTEST] = 9.0
        assert chosen() == FASTEST
        monkeypatch.setattr(speed, "_MEMORY", {})  # another process
        assert chosen() == FASTEST
        assert len(timings["asked"]) == 1

    def test_it_is_written_down_with_what_led_to_it(self, timings, fresh_home):
        chosen()
        (path,) = (fresh_home / "training").iterdir()
        kept = json.loads(path.read_text())
        assert kept["mode"] == asdict(FASTEST)
        assert [one["seconds"] for one in kept["step_seconds"]] == [1.0, 0.5, 0.2]

    def test_another_machine_network_or_batch_is_measured_anew(self, timings, monkeypatch):
        chosen()
        wider = Flattening()
        wider.classifier = nn.Sequential(nn.Linear(144, 144), nn.Linear(144, 10))
        chosen(wider)
        chosen(n=4)
        monkeypatch.setattr(speed, "machine_id", lambda: "another")
        chosen()
        monkeypatch.setattr(speed, "ENGINE_VERSION", "another")
        chosen()
        assert len(timings["asked"]) == 5

    def test_slightly_narrower_networks_share_a_test(self, timings):
        chosen()
        narrower = Flattening()
        narrower.classifier = nn.Linear(144, 8)
        chosen(narrower)
        assert len(timings["asked"]) == 1

    def test_who_was_first_decides(self, timings, fresh_home, monkeypatch):
        def slower_than_another_process(model, x, y, modes):
            with monkeypatch.context() as other:
                other.setattr(speed, "measure", lambda *given: {PLAIN: 1.0, CHANNELS_LAST: 0.1})
                assert chosen() == CHANNELS_LAST
            monkeypatch.setattr(speed, "_MEMORY", {})
            return {PLAIN: 1.0, FASTEST: 0.1}

        monkeypatch.setattr(speed, "measure", slower_than_another_process)
        assert chosen() == CHANNELS_LAST
        assert len(list((fresh_home / "training").iterdir())) == 1

    @pytest.mark.parametrize("damage", ["", "{}", '{"mode": 3}', "\x00"])
    def test_a_damaged_file_is_replaced(self, timings, fresh_home, monkeypatch, damage):
        chosen()
        (path,) = (fresh_home / "training").iterdir()
        path.write_text(damage)
        monkeypatch.setattr(speed, "_MEMORY", {})
        timings[FASTEST] = 9.0
        assert chosen() == CHANNELS_LAST
        assert json.loads(path.read_text())["mode"] == asdict(CHANNELS_LAST)

    def test_without_a_place_to_write_the_choice_holds_for_the_process(self, timings, fresh_home):
        (fresh_home / "training").write_text("in the way")
        assert chosen() == chosen() == FASTEST
        assert len(timings["asked"]) == 1

    def test_short_trainings_are_plain_whatever_was_measured(self, timings):
        assert chosen(steps=FEWEST_STEPS - 1) == PLAIN
        chosen()
        assert chosen(steps=FEWEST_STEPS - 1) == PLAIN

    def test_a_network_of_a_known_kind_that_cannot_run_so_is_plain(self, timings):
        assert chosen() == FASTEST
        assert chosen(Viewing()) == PLAIN
        assert len(timings["asked"]) == 1

    def test_a_mode_can_be_forced(self, timings):
        with always(BFLOAT16):
            assert chosen() == BFLOAT16
        assert timings["asked"] == []
        assert chosen() == FASTEST


class TestMeasuring:
    def test_times_every_mode_and_leaves_the_model_as_it_was(self):
        model, (x, y) = nn.Sequential(Flattening(), nn.Dropout()).eval(), batch()
        before = {name: value.clone() for name, value in model.state_dict().items()}
        state = torch.get_rng_state()
        seconds = measure(model, x, y, candidates(model))
        assert list(seconds) == [PLAIN, CHANNELS_LAST, FASTEST]
        assert all(0 < value < math.inf for value in seconds.values())
        assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
        assert all(parameter.grad is None for parameter in model.parameters())
        assert torch.equal(torch.get_rng_state(), state)
        assert not model.training

    def test_leaves_out_what_does_not_run(self):
        assert list(measure(Viewing(), *batch(), candidates(Viewing()))) == [PLAIN]

    def test_a_network_that_runs_in_no_mode_says_so(self):
        with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
            measure(nn.Linear(3, 2), torch.zeros(2, 4), torch.zeros(2, dtype=torch.int64), [PLAIN, BFLOAT16])
