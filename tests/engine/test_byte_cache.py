from compression.engine.byte_cache import ByteCache


def test_gives_back_what_was_put_there():
    cache = ByteCache(10)
    cache.put("a", [1], 4)
    assert cache.get("a") == [1]
    assert cache.get("b") is None


def test_the_least_recently_used_goes_first():
    cache = ByteCache(10)
    cache.put("a", 1, 4)
    cache.put("b", 2, 4)
    cache.get("a")
    cache.put("c", 3, 4)
    assert [cache.get(key) for key in "abc"] == [1, None, 3]


def test_what_is_too_large_is_not_kept_and_pushes_nothing_out():
    cache = ByteCache(10)
    cache.put("a", 1, 4)
    cache.put("b", 2, 11)
    assert [cache.get(key) for key in "ab"] == [1, None]


def test_putting_anew_replaces_value_and_size():
    cache = ByteCache(10)
    cache.put("a", 1, 9)
    cache.put("a", 2, 1)
    cache.put("b", 3, 9)
    assert [cache.get(key) for key in "ab"] == [2, 3]
    cache.put("a", 4, 11)
    assert cache.get("a") is None
