"""Numbers of the lessons against independent references, on real trained networks."""

import heapq
import itertools

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.cluster import KMeans

from compression.engine import laboratory
from compression.engine.build import load_network
from compression.engine.laboratory.course import factors as factors_lesson
from compression.engine.laboratory.course import timing as timing_lesson
from compression.engine.laboratory.course.coding import codes_of, huffman_lengths
from compression.engine.measure import latency
from compression.engine.network.form import weighted_layers
from compression.engine.primitives.curvature import squared_derivatives
from compression.engine.techniques.context import fitting_images
from compression.engine.techniques.weight_sharing import CURVATURE_IMAGES
from compression.errors import InvalidRecipe, NotApplicable
from compression.inquiries import course as asked
from compression.models.subject import subject_of
from sample_models.catalogue import find_model

LAYER = "layers.1"


def answer(kind, prepared, **parameters):
    return laboratory.answer(kind(recipe=prepared.recipe, **parameters), prepared.bench)


@pytest.fixture(scope="module")
def weight():
    return weighted_layers(load_network(subject_of("mlp-digits")))[LAYER].weight.detach()


@pytest.fixture(scope="module")
def reached(bench):
    """What reaches the layer: the flattened calibration images."""
    return torch.from_numpy(bench.bench.dataset.calibration.x).flatten(1).double()


@pytest.fixture(scope="module")
def inputs(reached):
    """The same about their mean, for where a bias takes care of that."""
    return reached - reached.mean(0)


def relative_error(inputs, weight, new):
    """Of the answers themselves; the engine takes a way through moments, with one percent of ridge."""
    right, wrong = inputs @ weight.double().T, inputs @ (new - weight).double().T
    return float(wrong.square().sum() / right.square().sum())


class TestAnatomy:
    @pytest.mark.parametrize("name", ["bench", "conv_bench"])
    def test_all_parts_add_up_to_what_the_engine_counts(self, request, name):
        prepared = request.getfixturevalue(name)
        found = answer(asked.LayoutInquiry, prepared)
        baseline = prepared.bench.baseline.result
        assert found.weights.sum() + found.others == baseline.params
        assert found.macs.sum() == baseline.macs

    def test_layers_are_named_in_order(self, bench):
        found = answer(asked.LayoutInquiry, bench)
        assert found.layers == ("layers.1", "layers.3", "layers.5")
        assert found.weights.tolist() == found.macs.tolist() == [64 * 64, 32 * 64, 10 * 32]


class TestPruning:
    @pytest.fixture(scope="class")
    def found(self, bench):
        return answer(asked.PruningInquiry, bench, layer=LAYER)

    def test_the_smallest_weights_go_first(self, found, weight):
        for at, sparsity in enumerate(asked.SPARSITIES):
            gone = np.argsort(weight.abs().numpy(), axis=None, kind="stable")[: round(sparsity * weight.numel())]
            expected = np.zeros(weight.numel(), bool)
            expected[gone] = True
            shown = expected.reshape(weight.shape)[: asked.ROWS, : asked.COLUMNS]
            np.testing.assert_array_equal(found.gone_at["weights"] <= at, shown)
            assert found.zeros["weights"][at] == pytest.approx(sparsity, abs=1e-3)

    def test_errors_are_those_of_the_answers_as_cut(self, found, weight, reached):
        magnitude, answers = weight.abs(), reached @ weight.double().T
        varies = answers.var(0, correction=0).sum()
        for at in (5, 9):
            cut = np.quantile(magnitude.numpy(), asked.SPARSITIES[at])
            wrong = reached @ (weight * (magnitude > cut)).double().T - answers
            expected = wrong.square().mean(0).sum() / varies
            assert found.errors["weights"][at] == pytest.approx(float(expected), rel=0.1)

    def test_patterns_leave_what_they_say(self, found):
        for pattern, kept in (("2:4", 2), ("1:4", 1)):
            stays = found.gone_at[pattern].astype(bool).reshape(asked.ROWS, -1, 4)
            assert (stays.sum(2) == kept).all()
            assert found.zeros[pattern].tolist() == [1 - kept / 4]

    def test_whole_outputs_go_as_rows(self, found):
        rows = found.gone_at["channels"]
        assert (rows == rows[:, :1]).all()
        assert len(np.unique(rows)) > 3

    def test_outputs_stay_in_fours(self, found):
        stay = (1 - found.zeros["channels"]) * 64
        assert (stay.round(6) % 4 == 0).all()

    def test_freer_patterns_do_less_harm(self, found):
        at = asked.SPARSITIES.index(0.5)
        single, blocks, channels = (found.errors[name][at] for name in ("weights", "blocks", "channels"))
        assert single < blocks < channels
        assert single < found.errors["2:4"][0]

    def test_classes_stay(self, bench):
        assert "channels" not in answer(asked.PruningInquiry, bench, layer="layers.5").zeros

    def test_of_a_convolution_whole_filters_go(self, conv_bench):
        found = answer(asked.PruningInquiry, conv_bench, layer="stages.1.conv1")
        assert found.weights.shape == (32, 64)
        assert (found.gone_at["channels"] == found.gone_at["channels"][:, :1]).all()


class TestRounding:
    @pytest.fixture(scope="class")
    def found(self, bench):
        return answer(asked.RoundingInquiry, bench, layer=LAYER)

    def test_the_sample_goes_to_its_nearest_level(self, found):
        for granularity, method in asked.GRIDS:
            name = f"{granularity} {method}"
            for bits, row, rounded in zip(asked.BITS, found.levels[name], found.rounded[name], strict=True):
                levels = row[~np.isnan(row)].astype(np.float64)
                assert len(levels) == (2 if bits == 1 else 2**bits - 1)
                distance = np.abs(found.sample[:, None].astype(np.float64) - levels)
                np.testing.assert_allclose(np.abs(rounded - found.sample), distance.min(1), atol=1e-6)

    def test_grids_over_the_full_range_reach_the_largest_weight(self, found, weight):
        row = weight[found.channel]
        for name, reach in (("tensor nearest", weight.abs().max()), ("channel nearest", row.abs().max())):
            for levels in found.levels[name][1:]:
                assert np.nanmax(levels) == pytest.approx(float(reach), rel=2e-3)

    def test_errors_are_those_of_the_answers(self, found, weight, inputs):
        for bits in (2, 4, 8):
            high = 2 ** (bits - 1) - 1
            step = weight.abs().amax(1, keepdim=True) / high
            new = (weight / step).round().clamp(-high, high) * step
            expected = relative_error(inputs, weight, new)
            assert found.errors["channel nearest"][bits - 1] == pytest.approx(expected, rel=0.15)

    def test_the_corner_that_is_drawn_is_rounded_in_the_same_way(self, found, weight):
        step = weight.abs().max() / 3
        expected = ((weight / step).round().clamp(-3, 3) * step)[: asked.ROWS, : asked.COLUMNS]
        np.testing.assert_allclose(found.corners["tensor nearest"][2], expected.numpy(), atol=2e-3)
        np.testing.assert_allclose(found.weights, weight[: asked.ROWS, : asked.COLUMNS].numpy(), atol=1e-3)

    def test_ranges_and_histogram_are_the_weights(self, found, weight):
        np.testing.assert_allclose(found.ranges, np.stack([weight.numpy().min(1), weight.numpy().max(1)], 1))
        assert found.counts.sum() == weight.numel()


class TestTeacher:
    @pytest.fixture(scope="class")
    def found(self, bench):
        return answer(asked.TeacherInquiry, bench)

    def test_temperature_divides_the_logits(self, found, bench):
        split = bench.bench.dataset.validation
        model = find_model("mlp-digits").load()
        at = [int(np.flatnonzero((split.images == image).all((1, 2, 3)))[0]) for image in found.images]
        with torch.no_grad():
            logits = model(torch.from_numpy(split.x)).double().numpy()
        for place, temperature in enumerate(asked.TEMPERATURES):
            odds = np.exp(logits / temperature - (logits / temperature).max(1, keepdims=True))
            shares = odds / odds.sum(1, keepdims=True)
            np.testing.assert_allclose(found.probabilities[place], shares[at], atol=1e-4)
            assert found.entropy_bits[place] == pytest.approx(stats.entropy(shares, base=2, axis=1).mean(), abs=1e-3)

    def test_pictures_are_different_and_the_doubtful_ones_come_first(self, found):
        assert len(np.unique(found.images.reshape(len(found.images), -1), axis=0)) == asked.TEACHER_PICTURES
        ranked = np.sort(found.probabilities[0], axis=1)
        margin = ranked[:, -1] - ranked[:, -2]
        half = asked.TEACHER_PICTURES // 2
        assert margin[:half].max() <= margin[half:].min() + 1e-6


class TestSharing:
    @pytest.fixture(scope="class")
    def found(self, bench):
        return answer(asked.SharingInquiry, bench, layer=LAYER)

    @pytest.fixture(scope="class")
    def importance(self, bench):
        """How strongly the logits depend on each weight, as weight sharing sees it."""
        network = load_network(subject_of("mlp-digits"))
        x = fitting_images(bench.bench.dataset)[:CURVATURE_IMAGES]
        return squared_derivatives(network, x, 0)[LAYER].flatten()

    def test_values_are_as_good_as_those_of_another_k_means(self, found, weight, importance):
        points = weight.numpy().reshape(-1, 1).astype(np.float64)
        for at, clusters in enumerate(asked.CLUSTERS[:6]):
            counts = (importance / importance.mean()).numpy() + 4 / clusters**2
            other = KMeans(clusters, n_init=3, random_state=0).fit(points, sample_weight=counts)
            assert found.errors[at] <= 1.002 * other.inertia_ / (counts * np.square(points).ravel()).sum()

    def test_each_weight_takes_its_nearest_value(self, found, weight, importance):
        flat = weight.numpy().ravel()
        values = found.values[4][: asked.CLUSTERS[4]]
        nearest = np.abs(flat[:, None] - values).argmin(1)
        counts = np.bincount(nearest, minlength=256)
        assert np.abs(counts - found.members[4]).sum() <= 4  # ties
        change = values[nearest] - flat
        counted = importance.numpy() / importance.numpy().mean() + 4 / asked.CLUSTERS[4] ** 2
        expected = (counted * np.square(change)).sum() / (counted * np.square(flat)).sum()
        assert found.errors[4] == pytest.approx(expected, rel=1e-3)
        assert found.size == flat.size == found.members[4].sum()

    def test_even_spacing_is_never_better(self, found):
        assert (found.errors <= found.even_errors * 1.001).all()


class TestFactors:
    @pytest.fixture(scope="class")
    def found(self, bench):
        return answer(asked.FactorInquiry, bench, layer=LAYER)

    def test_errors_are_those_of_the_answers(self, found, weight, inputs):
        left, right = (part.astype(np.float64) for part in (found.left, found.right))
        assert left.shape == (asked.ROWS, 64)
        assert right.shape == (64, asked.COLUMNS)
        _, _, directions = np.linalg.svd((inputs @ weight.double().T).numpy(), full_matrices=False)
        for rank in (1, 8, 32):
            kept = torch.from_numpy(directions[:rank].T @ directions[:rank]) @ weight.double()
            assert found.errors[rank] == pytest.approx(relative_error(inputs, weight, kept), rel=0.15, abs=3e-4)
        assert found.errors[0] == pytest.approx(1)
        assert found.errors[64] == pytest.approx(0, abs=1e-9)

    def test_the_plain_one_is_that_of_numpy(self, found, weight, inputs):
        u, s, v = np.linalg.svd(weight.double().numpy())
        for rank in (4, 16):
            kept = torch.from_numpy((u[:, :rank] * s[:rank]) @ v[:rank])
            assert found.plain_errors[rank] == pytest.approx(relative_error(inputs, weight, kept), rel=0.15, abs=3e-4)
        assert (found.errors <= found.plain_errors + 1e-9).all()

    def test_the_full_product_is_the_layer(self, found, weight):
        product = found.left.astype(np.float64) @ found.right.astype(np.float64)
        np.testing.assert_allclose(product, weight.numpy()[: asked.ROWS, : asked.COLUMNS], atol=5e-3)

    @pytest.mark.parametrize("layer", [torch.nn.Conv2d(16, 16, 1, groups=16), torch.nn.Conv2d(16, 16, 3)])
    def test_layers_that_are_no_matrix_are_refused(self, conv_bench, monkeypatch, layer):
        monkeypatch.setattr(factors_lesson, "layer_of", lambda model, inquiry: layer)
        with pytest.raises(NotApplicable, match="is no matrix"):
            answer(asked.FactorInquiry, conv_bench, layer="stages.1.conv1")


class TestCoding:
    @pytest.fixture(scope="class")
    def found(self, bench):
        return answer(asked.CodingInquiry, bench, layer=LAYER)

    def test_entropy_is_scipys(self, found, weight):
        for at, (sparsity, bits) in enumerate(itertools.product(asked.CODED_SPARSITIES, asked.BITS)):
            place = divmod(at, len(asked.BITS))
            codes = codes_of(weight, weight, sparsity, bits)
            _, counts = np.unique(codes, return_counts=True)
            assert found.entropy[place] == pytest.approx(stats.entropy(counts, base=2))
            assert sorted(found.counts[place][found.counts[place] > 0]) == sorted(counts)
            assert (codes == 0).mean() >= sparsity - 1e-3

    def test_huffman_words_are_between_the_entropy_and_one_bit_more(self, found):
        share = found.counts / found.size
        words = (share * found.lengths).sum(-1)
        assert (words >= np.maximum(found.entropy - 1e-9, 0)).all()
        assert (words <= found.entropy + 1).all()

    def test_plain_bits_are_the_width_of_the_range(self, found):
        used = (found.counts > 0).sum(-1)
        widths = np.ceil(np.log2(np.maximum(used, 2)))
        assert (np.abs(found.plain[:, 1:] - widths[:, 1:]) <= 0.02).all()

    def test_coded_is_smaller_than_plain(self, found):
        assert (found.arithmetic <= found.plain + 0.05).all()
        assert (found.huffman <= found.plain + 0.05).all()
        assert found.arithmetic[2, 3] < 0.5 * found.plain[2, 3]

    @pytest.mark.parametrize("counts", [[5, 9, 12, 13, 16, 45], [1, 1, 1, 1], [0, 7, 0, 1], [1, 2, 4, 8, 16, 32, 64]])
    def test_huffman_lengths_cost_the_least(self, counts):
        heap = [count for count in counts if count]
        heapq.heapify(heap)
        least = 0
        while len(heap) > 1:  # the cost of the tree is the sum of all its inner nodes
            joined = heapq.heappop(heap) + heapq.heappop(heap)
            least += joined
            heapq.heappush(heap, joined)
        lengths = huffman_lengths(counts)
        assert (lengths * counts).sum() == least
        assert sum(2.0**-length for length in lengths if length) == 1

    def test_a_symbol_alone_has_one_bit(self):
        assert huffman_lengths([0, 5]).tolist() == [0, 1]


class TestTiming:
    def test_every_run_is_there_and_the_ratio_is_that_of_their_medians(self, bench):
        found = answer(asked.TimingInquiry, bench)
        assert found.times_ms.shape == (2, latency.ROUNDS, 40)
        assert (found.times_ms > 0).all()
        own, baseline = np.median(found.times_ms, axis=2)
        assert min(own / baseline) <= found.ratio <= max(own / baseline)
        assert found.ratio_low <= found.ratio <= found.ratio_high

    def test_convolutions_are_timed_whole_and_split(self, bench, monkeypatch):
        for name, values in (("KERNELS", (3,)), ("CHANNELS", (8, 16)), ("SIDES", (7,))):
            monkeypatch.setattr(timing_lesson, name, values)
        monkeypatch.setattr(timing_lesson, "RUNS", 8)
        found = answer(asked.SplitInquiry, bench)
        assert found.whole_ms.shape == found.ratio.shape == (1, 2, 2, 1)
        np.testing.assert_allclose(found.ratio, found.split_ms / found.whole_ms, rtol=0.5)  # of rounds, of all runs
        assert (found.ratio_low <= found.ratio).all()

    def test_the_split_form_is_depthwise_then_pointwise(self):
        depthwise, pointwise = timing_lesson._separable(3, 8, 16)
        assert depthwise.groups == 8
        assert (pointwise.kernel_size, pointwise.out_channels) == ((1, 1), 16)


@pytest.mark.parametrize(
    "kind",
    [asked.PruningInquiry, asked.RoundingInquiry, asked.SharingInquiry, asked.FactorInquiry, asked.CodingInquiry],
)
class TestEveryLayerInquiry:
    def test_an_unknown_layer_is_refused_with_the_names(self, kind, bench):
        with pytest.raises(InvalidRecipe, match=r"no layer 'nothing'.*layers\.1, layers\.3, layers\.5"):
            answer(kind, bench, layer="nothing")

    def test_convolutions_work_too(self, kind, conv_bench):
        layer = "stages.1.shortcut.0" if kind is asked.FactorInquiry else "stages.1.conv1"
        found = answer(kind, conv_bench, layer=layer)
        assert len(found.model_dump_json()) < 1_000_000
