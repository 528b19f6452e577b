"""What every inquiry has in common. Torch-free."""

from __future__ import annotations

import hashlib
import json
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from compression.recipe.recipe import Recipe


class Part(BaseModel):
    """A part of an answer."""

    model_config = ConfigDict(frozen=True)


class Answer(Part):
    """What an inquiry finds; written to the store as JSON."""


class Inquiry(BaseModel):
    """A question about one measured recipe that takes longer to answer than a page may wait.

    A step is data and a technique carries it out; an inquiry is data and `compression.engine.laboratory` answers it.
    The same inquiry of the same result is answered once: raise `VERSION` where the answer to the same question changes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    VERSION: ClassVar[int] = 1
    KIND: ClassVar[str]
    ANSWER: ClassVar[type[Answer]]
    WORDS: ClassVar[str]

    recipe: Recipe

    def __init_subclass__(cls, *, kind: str = "", answer: type[Answer] = Answer, words: str = "") -> None:
        """`kind` is its name, in databases too; `words` say what is being found out: 'looking into the layers'."""
        super().__init_subclass__()
        cls.KIND, cls.ANSWER, cls.WORDS = kind, answer, words

    @property
    def kind(self) -> str:
        """The name of this kind of inquiry, in databases too."""
        return self.KIND

    @property
    def inquiry_id(self) -> str:
        """16 hexadecimal digits, the same for the same question asked by the same version."""
        content = json.dumps([self.VERSION, self._content()], sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    def answer_key(self, result_key: str) -> str:
        """64 hexadecimal digits: this inquiry of one result."""
        return hashlib.sha256(json.dumps([self.inquiry_id, result_key]).encode()).hexdigest()

    def to_json(self) -> str:
        """Everything that the question says."""
        return json.dumps(self._content(), ensure_ascii=False)

    def _content(self) -> dict[str, Any]:
        return {"kind": self.KIND, **self.model_dump(mode="json")}
