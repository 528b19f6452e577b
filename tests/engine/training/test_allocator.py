import ctypes
import sys

import pytest

from compression.engine.training import allocator
from compression.engine.training.allocator import LARGEST_BLOCK, NEVER, reused_memory


class Recorder:
    """The two functions of the C library, and what they were told."""

    def __init__(self):
        self.calls = []

    def mallopt(self, name, value):
        self.calls.append((name, value))
        return 1

    def malloc_trim(self, pad):
        self.calls.append(("trim", pad))
        return 1


def test_freed_memory_is_kept_inside_and_given_back_after(monkeypatch):
    library = Recorder()
    monkeypatch.setattr(allocator, "_gnu_library", lambda: library)

    @reused_memory()
    def fail():
        library.calls.append("fails")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert library.calls[:3] == [(-3, LARGEST_BLOCK), (-1, NEVER), "fails"]
    assert library.calls[3:] == [(-1, 2 * LARGEST_BLOCK), ("trim", 0)]


def test_other_c_libraries_are_left_alone(monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    allocator._gnu_library.cache_clear()
    try:
        with reused_memory():
            assert allocator._gnu_library() is None
    finally:
        allocator._gnu_library.cache_clear()


@pytest.mark.skipif(sys.platform != "linux", reason="page faults are counted on Linux")
def test_a_block_that_is_freed_and_asked_for_again_faults_once():
    import resource

    library = allocator._gnu_library()
    if library is None:
        pytest.skip("not the GNU C library")
    library.malloc.restype, library.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    library.free.restype, library.free.argtypes = None, [ctypes.c_void_p]

    def faults():
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(8):
            block = library.malloc(LARGEST_BLOCK // 2)
            ctypes.memset(block, 1, LARGEST_BLOCK // 2)
            library.free(block)
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    pages = LARGEST_BLOCK // 2 // resource.getpagesize()
    with reused_memory():
        assert faults() < 2 * pages
