"""Whether the files of a result are what was measured, before they are handed out. Torch-free."""

from __future__ import annotations

from compression.inquiries.inquiry import Answer, Inquiry


class Verification(Answer):
    """What a fresh look at the files found.

    `decodes_alike`: the stored file decodes to the runtime file, byte for byte. `different` of `n_test` predictions
    of the runtime file, loaded anew, are not those that the engine kept; `ties` of them are undecided between two
    classes up to rounding. `accuracy` is what the fresh run gives. The names are SHA-256.
    """

    stored_sha256: str
    onnx_sha256: str
    decodes_alike: bool
    is_valid_onnx: bool
    n_test: int
    different: int
    ties: int
    accuracy: float
    kept_accuracy: float
    opset: int
    runtime: str

    @property
    def is_sound(self) -> bool:
        """Whether the files may be handed out."""
        return self.decodes_alike and self.is_valid_onnx and self.different == self.ties


class VerificationInquiry(
    Inquiry, kind="verification", answer=Verification, words="checking the files against the engine"
):
    """Load the result's files anew and compare them with what the engine measured."""
