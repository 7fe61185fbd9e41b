"""`POST /v1/embeddings`, in the shape of OpenAI's API: vectors of texts, as the student reads queries and documents."""

import base64
from typing import Annotated, Literal

import msgspec
import numpy as np
from msgspec import Meta

from limbeck.serve.messages import MAX_DOCUMENTS, decoded

EXAMPLE = 'Send {"input": ["a text", "another"]}'
Text = Annotated[str, Meta(min_length=1)]


class EmbeddingsRequest(msgspec.Struct):
    """One text or several. OpenAI's own client asks for base64, unless it is told otherwise."""

    input: Text | Annotated[list[Text], Meta(min_length=1, max_length=MAX_DOCUMENTS)]
    encoding_format: Literal["float", "base64"] = "float"
    model: str | None = None

    @property
    def texts(self) -> list[str]:
        """The texts."""
        return [self.input] if isinstance(self.input, str) else self.input


class Embedding(msgspec.Struct):
    """A vector: numbers, or the bytes of its little-endian float32s in base64."""

    index: int
    embedding: list[float] | str
    object: str = "embedding"


class EmbeddingsAnswer(msgspec.Struct):
    """A vector for each text, in their order."""

    model: str
    data: list[Embedding]
    object: str = "list"

    @classmethod
    def of(cls, vectors: np.ndarray, asked: EmbeddingsRequest, model: str) -> "EmbeddingsAnswer":
        """The answer that carries `vectors` (n, d)."""
        rows = vectors.astype("<f4")
        if asked.encoding_format == "float":
            return cls(model, [Embedding(i, row) for i, row in enumerate(rows.tolist())])
        return cls(model, [Embedding(i, base64.b64encode(row.tobytes()).decode()) for i, row in enumerate(rows)])


def read_embeddings(body: bytes) -> EmbeddingsRequest:
    """The request in a body; `Refused` says what is wrong with it."""
    return decoded(body, EmbeddingsRequest, EXAMPLE)
