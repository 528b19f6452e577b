"""Whether the files of a result are what was measured: loaded anew, as somebody who downloads them would."""

from __future__ import annotations

import hashlib

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from compression.engine.files import stored_file
from compression.engine.laboratory.bench import Bench
from compression.engine.measure.evaluation import open_session, run_images
from compression.inquiries.verification import Verification, VerificationInquiry
from compression.results.predictions import Classes

TIE = 1e-4
"""Logits closer than this, relative to the largest, are a tie: another way of adding up the same numbers decides."""


def verify(inquiry: VerificationInquiry, bench: Bench) -> Verification:
    """Decode the stored file, load the runtime file with the runtime's own defaults, and answer every test image."""
    subject, test = bench.variant, bench.dataset.test
    bench.watch.report(0.0, "decoding the stored file")
    decoded = stored_file.decode(subject.stored)
    logits = run_images(open_session(subject.onnx), test, bench.watch)  # not the optimized graph that is timed
    predictions = logits.argmax(axis=1)
    different = predictions != subject.predictions
    return Verification(
        stored_sha256=hashlib.sha256(subject.stored).hexdigest(),
        onnx_sha256=hashlib.sha256(subject.onnx).hexdigest(),
        decodes_alike=decoded.SerializeToString(deterministic=True) == subject.onnx,
        is_valid_onnx=_is_valid(subject.onnx),
        n_test=len(test),
        different=int(different.sum()),
        ties=int((different & _undecided(logits, subject.predictions)).sum()),
        accuracy=float((predictions == test.y).mean()),
        kept_accuracy=subject.result.accuracy,
        opset=next(entry.version for entry in decoded.opset_import if entry.domain in ("", "ai.onnx")),
        runtime=f"ONNX Runtime {onnxruntime.__version__}",
    )


def _undecided(logits: NDArray[np.float32], classes: Classes) -> NDArray[np.bool_]:
    """Images on which these classes are as good as the best."""
    best = logits.max(axis=1)
    kept = logits[np.arange(len(logits)), classes]
    tied: NDArray[np.bool_] = best - kept <= TIE * np.maximum(1.0, np.abs(best))
    return tied


def _is_valid(content: bytes) -> bool:
    try:
        onnx.checker.check_model(onnx.load_model_from_string(content))
    except (onnx.checker.ValidationError, ValueError):
        return False
    return True
