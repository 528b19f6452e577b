"""What a runtime file answers: logits and predicted classes, computed by ONNX Runtime on the CPU."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as _errors

from compression.engine.onnx_graph import giving
from compression.errors import CorruptFile, Diverged
from compression.models.data import Split
from compression.results.machine import BATCH_SIZE, THREADS, describe_machine
from compression.results.predictions import Classes, as_classes
from compression.watch import SILENT, Watch

BATCH = 50
"""Images at once: enough to keep two threads busy, few enough for activations to stay in the caches. ResNet-8 takes a
tenth longer with 250, a fifth with half of its channels."""

Run = Callable[[], object]

_VNNI = {"avx512_vnni", "avx_vnni"}
_LOADING_ERRORS = (
    DecodeError,
    _errors.Fail,
    _errors.InvalidArgument,
    _errors.InvalidGraph,
    _errors.InvalidProtobuf,
    _errors.NotImplemented,
    _errors.RuntimeException,
)


def open_session(
    onnx_bytes: bytes,
    threads: int | None = None,
    *,
    optimize: bool = True,
    save_as: Path | None = None,
    profile_to: Path | None = None,
) -> onnxruntime.InferenceSession:
    """An ONNX Runtime session on the CPU, with `threads` threads (None: one for each core).

    `save_as` names a file for the graph that the runtime makes out of this one and really runs: constants
    folded, layers fused, integer kernels chosen, memory laid out for this processor; `optimize=False` runs
    such a graph as it is. `profile_to` begins the name of a file in which the time of each node is written when the
    session's `end_profiling` is called. Opening cannot be interrupted, but nobody who cancels waits for it: it takes 1
    to 13 ms of a processor for the sample models. Raises `CorruptFile` when the bytes are no network that ONNX Runtime
    can run.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or 0
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 3  # errors only; warnings would go to the terminal of whoever started us
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # idle threads must not burn a core
    if not optimize:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    if save_as is not None:
        options.optimized_model_filepath = str(save_as)
    if profile_to is not None:
        options.enable_profiling = True
        options.profile_file_prefix = str(profile_to)
    if not has_exact_products():
        # Other x86 processors add products of 8-bit numbers in 16 bits, which overflow. This makes them exact
        # and integer kernels up to twice as slow; with VNNI they are exact anyway.
        options.add_session_config_entry("session.x64quantprecision", "1")
    try:
        return onnxruntime.InferenceSession(loadable(onnx_bytes), options, providers=["CPUExecutionProvider"])
    except _LOADING_ERRORS as error:
        raise CorruptFile(f"ONNX Runtime cannot load this runtime file: {error}. Compress the model again.") from error


def has_exact_products() -> bool:
    """Whether this processor adds products of 8-bit numbers without overflow by itself."""
    return bool(_VNNI & set(describe_machine().instruction_sets))


def loadable(onnx_bytes: bytes) -> bytes:
    """The same network as it can be loaded here: where products must be made exact, no two nodes share signed codes.

    For that the runtime writes them anew as unsigned ones under the same name, which fails the second time.
    """
    if has_exact_products():
        return onnx_bytes
    model = onnx.load_from_string(onnx_bytes)
    signed = {tensor.name: tensor for tensor in model.graph.initializer if tensor.data_type == onnx.TensorProto.INT8}
    taken: set[str] = set()
    for node in model.graph.node:
        for place, name in enumerate(node.input):
            if name in taken:
                copy = model.graph.initializer.add()
                copy.CopyFrom(signed[name])
                copy.name = node.input[place] = f"{name} for {node.output[0]}"
            elif name in signed:
                taken.add(name)
    return bytes(model.SerializeToString())


@functools.lru_cache(maxsize=2)  # a variant and its baseline, which is the same one for a whole sweep
def optimized(onnx_bytes: bytes) -> bytes:
    """The graph that the runtime makes out of a file, as a file: loaded with `optimize=False` it runs the same.

    Loading that takes a quarter to a half of the time, for what is opened again and again. It fits this processor
    and this version of the runtime, and no others. May raise `CorruptFile`.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "optimized.onnx"
        open_session(onnx_bytes, THREADS, save_as=path)
        return path.read_bytes()


def watching(model: onnx.ModelProto, names: Iterable[str]) -> onnxruntime.InferenceSession:
    """A session of the graph as it is, that gives these values instead of the logits."""
    return open_session(giving(model, names).SerializeToString(), THREADS, optimize=False)


def one_image(session: onnxruntime.InferenceSession, seed: int | None = None) -> dict[str, NDArray[np.float32]]:
    """What a session can be run on: one image of zeros or, with a `seed`, of random numbers, for each of its inputs."""
    random = np.random.default_rng(seed or 0)
    found = {}
    for source in session.get_inputs():
        images, *shape = source.shape
        whole = (images if isinstance(images, int) else BATCH_SIZE, *shape)
        found[source.name] = np.zeros(whole, np.float32) if seed is None else random.standard_normal(whole, np.float32)
    return found


def bound(session: onnxruntime.InferenceSession, x: NDArray[np.float32]) -> Run:
    """A call that runs a session on this input, with as little Python around it as there can be."""
    binding = session.io_binding()
    binding.bind_ortvalue_input(session.get_inputs()[0].name, onnxruntime.OrtValue.ortvalue_from_numpy(x))
    binding.bind_output(session.get_outputs()[0].name)
    return lambda: session.run_with_iobinding(binding)


def called(session: onnxruntime.InferenceSession, x: NDArray[np.float32]) -> Run:
    """A call that runs a session on this input, as a Python program would."""
    feed = {session.get_inputs()[0].name: x}
    return lambda: session.run(None, feed)


def predict(
    onnx_bytes: bytes, split: Split, watch: Watch = SILENT, so_far: Callable[[Classes], None] = lambda classes: None
) -> Classes:
    """Predicted class of each image of `split`; after each batch `so_far` is told those of all images by then.

    Raises `CorruptFile` when the file cannot be run and `Diverged` when a logit is not finite.
    """
    classes: Classes | None = None
    for logits in _answers(_session(onnx_bytes), split, watch):
        found = as_classes(logits.argmax(axis=1), logits.shape[1])
        classes = found if classes is None else np.concatenate([classes, found])
        so_far(classes)
    assert classes is not None, "no part of a data set is empty"
    return classes


def logits_of(onnx_bytes: bytes, split: Split, watch: Watch = SILENT) -> NDArray[np.float32]:
    """Logits (N x classes) of the images of `split`. Raises what `predict` does."""
    return run_images(_session(onnx_bytes), split, watch)


def _session(onnx_bytes: bytes) -> onnxruntime.InferenceSession:
    return open_session(optimized(onnx_bytes), optimize=False)


def run_images(session: onnxruntime.InferenceSession, split: Split, watch: Watch = SILENT) -> NDArray[np.float32]:
    """What a session answers on the images of `split`, N x classes; raises `Diverged` where that is not finite."""
    return np.concatenate(list(_answers(session, split, watch)))


def _answers(session: onnxruntime.InferenceSession, split: Split, watch: Watch) -> Iterator[NDArray[np.float32]]:
    """The same, batch by batch."""
    (source,) = session.get_inputs()
    done = 0
    for x, _ in split.batches(BATCH):
        watch.check()
        (logits,) = session.run(None, {source.name: np.ascontiguousarray(x, dtype=np.float32)})
        if not np.isfinite(logits).all():
            raise Diverged("The compressed network's outputs are not finite numbers. Choose milder settings.")
        done += len(x)
        watch.report(done / len(split), f"evaluating: {done:,} of {len(split):,} images")
        yield logits
