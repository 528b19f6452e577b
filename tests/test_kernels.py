import pytest

from compression.kernels import nearest_multiple


@pytest.mark.parametrize(
    ("n", "share", "multiple", "expected"),
    [
        (16, 0.5, 1, 8),
        (16, 0.9, 1, 14),
        (16, 0.05, 1, 1),
        (2, 0.05, 1, 1),
        (1, 0.05, 1, 1),
        (16, 0.7, 4, 12),
        (16, 0.05, 4, 4),
        (20, 0.9, 8, 16),  # 18 is as near to 16 as to 24, which is more than there are
        (50, 0.9, 8, 48),
        (50, 1, 8, 50),
        (6, 0.5, 8, 6),  # cannot be a multiple of 8
        (16, 0.99, 16, 16),
        (40, 0.1, 16, 16),
    ],
)
def test_nearest(n, share, multiple, expected):
    assert nearest_multiple(n, share, multiple) == expected


@pytest.mark.parametrize("multiple", [1, 2, 4, 8, 16])
def test_never_falls_as_the_share_rises(multiple):
    for n in range(1, 70):
        counts = [nearest_multiple(n, percent / 100, multiple) for percent in range(0, 101)]
        assert counts == sorted(counts)
        assert min(counts) >= 1 and max(counts) == n
