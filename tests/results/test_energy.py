import pytest

from compression.recipe.recipe import make_recipe
from compression.results import energy
from tests.support.made_up_results import fabricate


def measures(**changes):
    nothing = {"macs": 0, "integer_macs": 0, "weight_bytes": 0, "activation_bytes": 0, "activation_traffic_bytes": 0}
    return fabricate(make_recipe("mlp-digits", [])).baseline.model_copy(update=nothing | changes)


def test_lenet_300_by_hand():
    """266,200 products and 266,610 floats: 1.2 µJ of arithmetic, 170 µJ if every weight comes from DRAM."""
    lenet = measures(macs=266_200, weight_bytes=4 * 266_610)
    assert energy.energy(lenet).arithmetic == pytest.approx(1.2e-6, rel=0.03)
    assert energy.energy(lenet, "dram").weights == pytest.approx(170e-6, rel=0.01)
    assert energy.energy(lenet, "cache").weights == pytest.approx(1.33e-6, rel=0.01)
    assert energy.energy(lenet, "dram").joules / energy.energy(lenet, "cache").joules > 60


def test_integer_kernels_need_a_fifteenth():
    floats = energy.energy(measures(macs=1000)).arithmetic
    integers = energy.energy(measures(macs=1000, integer_macs=1000)).arithmetic
    halves = energy.energy(measures(macs=1000, integer_macs=500)).arithmetic
    assert floats == pytest.approx(4.6e-9)
    assert integers == pytest.approx(0.3e-9)
    assert halves == pytest.approx((floats + integers) / 2)


def test_the_switch_moves_weights_only():
    row = measures(macs=10, weight_bytes=100, activation_traffic_bytes=1000)
    cache, dram = energy.energy(row, "cache"), energy.energy(row, "dram")
    assert dram.weights == pytest.approx(128 * cache.weights)
    assert (dram.arithmetic, dram.activations) == (cache.arithmetic, cache.activations)
    assert cache.joules == pytest.approx(cache.arithmetic + cache.weights + cache.activations)
    assert cache.activations == pytest.approx(1000 * 1.25e-12)


def test_carbon_is_energy_times_the_grid():
    assert energy.carbon_grams_per_million(3.6, 500) == pytest.approx(500)  # 1 J each is 1/3.6 kWh a million
    assert energy.carbon_grams_per_million(1e-6) == pytest.approx(energy.WORLD_GRID / 3.6e6)
    assert energy.carbon_grams_per_million(1.0, 0) == 0


@pytest.mark.parametrize(("joules", "intensity"), [(-1.0, 473), (1.0, -5)])
def test_negative_values_are_refused(joules, intensity):
    with pytest.raises(ValueError, match=str(int(min(joules, intensity)))):
        energy.carbon_grams_per_million(joules, intensity)
