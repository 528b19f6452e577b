import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compression.engine.files.codec import adaptive_model
from compression.engine.files.codec.adaptive_model import CONTEXTS, MAX_MAGNITUDE, MEANS, Model, alphabet_of

ALL = np.arange(CONTEXTS)
LARGEST = [1, 2, 3, 5, 8, 11, 27, 100, MAX_MAGNITUDE]


def centre(level):
    """The context of a scale and the mean 0."""
    return level * (2 * MEANS + 1) + MEANS


def taught(largest, codes, level=8):
    """Counts after codes in one context."""
    counts = Model().start(largest)
    codes = np.asarray(codes, np.int64)
    counts.learn(np.array([centre(level)]), np.zeros(len(codes), np.int64), counts.alphabet.tokens(codes))
    return counts


class TestAlphabet:
    @pytest.mark.parametrize("largest", LARGEST)
    def test_every_code_has_one_token_and_a_place_in_it(self, largest):
        alphabet = alphabet_of(largest)
        codes = np.arange(-largest, largest + 1)
        tokens = alphabet.tokens(codes)
        places = np.abs(codes - alphabet.starts[tokens])
        assert (places < alphabet.widths[tokens]).all()
        assert len(set(zip(tokens.tolist(), places.tolist(), strict=True))) == len(codes) == alphabet.widths.sum()
        assert (np.sign(alphabet.starts[tokens]) == np.sign(codes)).all()

    @given(st.integers(1, 7))
    def test_small_codes_are_tokens(self, largest):
        assert len(alphabet_of(largest).widths) == 2 * largest + 1


class TestProbabilities:
    @pytest.mark.parametrize("largest", LARGEST)
    def test_are_whole_numbers_that_float32_adds_exactly(self, largest):
        table = taught(largest, [largest, -1, 0] * 3000).table(ALL)
        assert table.shape == (CONTEXTS, len(alphabet_of(largest).widths))
        assert (table == np.rint(table)).all() and table.min() >= 1
        assert table.sum(1, dtype=np.float64).max() < 1 << 24

    @pytest.mark.parametrize("largest", LARGEST)
    def test_first_are_those_of_a_logistic_distribution(self, largest):
        """Unless a decision is too rare: the middle scales."""
        alphabet, scale = alphabet_of(largest), adaptive_model.scales()[0][8]
        edges = np.append(np.abs(alphabet.starts[1::2]), largest + 1) - 0.5
        tail = 1 / (1 + np.exp(edges / scale))
        expected = (tail[:-1] - tail[1:]) * (tail[0] / (tail[0] - tail[-1]))
        row = Model().start(largest).table(np.array([centre(8)]))[0]
        found = row[1::2] / row.sum()
        likely = expected > 1e-3
        assert np.allclose(found[likely], expected[likely], rtol=0.1)
        assert np.array_equal(row[1::2], row[2::2])

    @pytest.mark.parametrize("largest", LARGEST)
    def test_become_what_was_counted(self, largest):
        generator = np.random.default_rng(0)
        codes = generator.permutation(np.repeat([0, 1, -1, largest, -largest], [50_000, 20_000, 5000, 20_000, 5000]))
        alphabet = alphabet_of(largest)
        share = np.bincount(alphabet.tokens(codes), minlength=len(alphabet.widths)) / len(codes)
        row = taught(largest, codes).table(np.array([centre(8)]))[0]
        assert np.abs(row / row.sum() - share).max() < 0.005

    def test_of_similar_contexts_learn_from_each_other(self):
        """Only one context saw codes, all zeros: zeros are now more likely where the guess was alike, only there."""
        alike = adaptive_model._tree_of(3).alike[0]
        similar = alike == alike[centre(8)]
        before, after = (taught(3, codes).table(ALL)[:, 0] for codes in ([], [0] * 5000))
        assert 1 < similar.sum() < CONTEXTS / 2
        assert (after[similar] > 1.5 * before[similar]).all()
        assert np.array_equal(after[~similar], before[~similar])

    def test_survival_is_made_of_exact_operations(self):
        """The exponential is a power: repeated squaring of what additions, products and divisions give."""
        z = np.linspace(-30, 30, 1001)
        exact = 1 / (1 + np.exp(z))
        assert np.abs(adaptive_model._survival(z) - exact).max() < 0.02
        assert np.allclose(adaptive_model._survival(z), 1 - adaptive_model._survival(-z), rtol=0, atol=1e-15)


class TestModel:
    def test_sums_over_what_is_alike_are_those_of_all_counts(self):
        counts = Model().start(20)
        generator = np.random.default_rng(0)
        for _ in range(5):
            used = np.sort(generator.choice(CONTEXTS, 40, replace=False))
            codes = generator.integers(-20, 21, 900)
            counts.learn(used, generator.integers(0, 40, 900), counts.alphabet.tokens(codes))
        assert np.array_equal(counts._alike, counts._sums(slice(None), counts.seen, counts.true))

    def test_forgets_most_but_keeps_proportions(self):
        model = Model()
        counts = model.start(3)
        tokens = counts.alphabet.tokens(np.array([0] * 3000 + [1] * 1000))
        counts.learn(np.array([7]), np.zeros(4000, np.int64), tokens)
        model.keep(counts)
        later = model.start(3)
        assert counts.seen[0, 7] == 4000 and later.seen[0, 7] == adaptive_model._MEMORY
        assert later.true[0, 7] == adaptive_model._MEMORY // 4

    def test_a_copy_is_independent(self):
        model = Model()
        copied = model.copy()
        counts = copied.start(3)
        counts.learn(np.array([7]), np.zeros(3, np.int64), np.array([0, 1, 2]))
        copied.keep(counts)
        assert copied.seen.sum() > 0 and model.seen.sum() == 0
