from compression.engine.byte_cache import Shelf


def test_gives_back_what_was_put_there():
    shelf = Shelf(10)
    shelf.put("a", [1], 4)
    assert shelf.get("a") == [1]
    assert shelf.get("b") is None


def test_the_least_recently_used_goes_first():
    shelf = Shelf(10)
    shelf.put("a", 1, 4)
    shelf.put("b", 2, 4)
    shelf.get("a")
    shelf.put("c", 3, 4)
    assert [shelf.get(key) for key in "abc"] == [1, None, 3]


def test_what_is_too_large_is_not_kept_and_pushes_nothing_out():
    shelf = Shelf(10)
    shelf.put("a", 1, 4)
    shelf.put("b", 2, 11)
    assert [shelf.get(key) for key in "ab"] == [1, None]


def test_putting_anew_replaces_value_and_size():
    shelf = Shelf(10)
    shelf.put("a", 1, 9)
    shelf.put("a", 2, 1)
    shelf.put("b", 3, 9)
    assert [shelf.get(key) for key in "ab"] == [2, 3]
    shelf.put("a", 4, 11)
    assert shelf.get("a") is None
