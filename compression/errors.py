"""The errors that a person may see. Each message says what was wrong and what to do about it."""


class CompressionError(Exception):
    """Root of every error that is raised on purpose; its text is meant for the user."""


class InvalidRecipe(CompressionError):
    """A recipe, step or setting that cannot be carried out."""


class NotApplicable(InvalidRecipe):
    """A step that makes no sense for this model: its text says why."""


class UnknownModel(CompressionError):
    """A model name that the catalogue does not hold."""


class UnsupportedModel(CompressionError):
    """A network with a layer that the engine cannot carry out or write down."""


class DataUnavailable(CompressionError):
    """A data set that is neither on this machine nor reachable."""


class CorruptFile(CompressionError):
    """A stored file, weights file or artifact that does not pass its checks."""


class RefusedFile(CompressionError):
    """What a person brought cannot be taken; the text says why."""


class StorageFailed(CompressionError):
    """The database or the artifact folder could not be written or read (a full disk, say)."""


class Diverged(CompressionError):
    """Training or calibration produced values that are not finite: the variant has no numbers to show."""


class OutOfMemory(CompressionError):
    """What was asked for does not fit into this machine's memory."""


class Cancelled(CompressionError):
    """The person, or the page on the person's behalf, gave the work up."""
