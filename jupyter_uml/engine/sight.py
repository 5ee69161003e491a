"""Images in prompts: the marks that stand for them in messages become rows of embeddings among the tokens."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import count

from jupyter_uml.engine.image_rows import ImagePlaces, ImageRows, Piece
from jupyter_uml.engine.model import Model
from jupyter_uml.engine.projector import Embeddings, Projector
from jupyter_uml.errors import InvalidRequest, ModelLoadFailed
from jupyter_uml.types import IMAGE_MARK, EffectiveSettings, GenerateRequest, Message

_END = "\ufdd2"  # another noncharacter: between it and the mark there is the image's number
_NUMBERED = re.compile(f"{IMAGE_MARK}(\\d+){_END}")

BLIND = (
    "This model cannot see images: it has no projector. Leave the images out, or put the model's mmproj file "
    "into the folder of its GGUF file and load it again."
)

log = logging.getLogger(__name__)


class Sight:
    """What a model can see. `blindness`: why it has no projector.

    `largest_whole`: rows that must be computed together, at most.
    """

    def __init__(self, projector: Projector | None, blindness: str = BLIND) -> None:
        self._projector, self._blindness = projector, blindness
        self.largest_whole = projector.largest_whole if projector is not None else 0

    @property
    def sees(self) -> bool:
        return self._projector is not None

    def check(self, request: GenerateRequest) -> None:
        """
        Raises:
            InvalidRequest: there are images, and the model cannot see, or what is asked for cannot be done with them.
        """
        if not any(message.images for message in request.messages):
            return
        if not self.sees:
            raise InvalidRequest(self._blindness, param="messages")
        if request.context_shift:
            raise InvalidRequest("A context with images cannot be shifted. Leave it out.", param="context_shift")
        if any(message.content.count(IMAGE_MARK) != len(message.images) for message in request.messages):
            raise InvalidRequest("A message must have as many marks of images as images.", param="messages")

    def numbered(self, messages: Sequence[Message]) -> list[Message]:
        """The messages, each mark with the number of its image: it is found wherever a template moves the text."""
        numbers = count()

        def number(message: Message) -> Message:
            if not message.images:
                return replace(message, content=message.content.replace(IMAGE_MARK, ""))
            content = re.sub(IMAGE_MARK, lambda _: f"{IMAGE_MARK}{next(numbers)}{_END}", message.content)
            return replace(message, content=content)

        return [number(message) for message in messages]

    def split(self, text: str, images: Sequence[bytes]) -> Iterator[str | list[Piece]]:
        """Texts, and what stands in the place of images between them.

        Raises:
            InvalidRequest: an image cannot be read, or not be seen by this model.
        """
        parts = _NUMBERED.split(text)
        for index, part in enumerate(parts):
            if index % 2 == 0:
                yield part
            elif int(part) < len(images):
                yield self._pieces(images[int(part)])

    def prepare(self, images: ImagePlaces) -> None:
        """Compute all rows, which may take seconds, before they are needed. For another thread.

        Raises:
            InvalidRequest: an image is damaged.
            EngineError: the projector failed.
        """
        for placed in images:
            self.embeddings(placed.rows)

    def embeddings(self, rows: ImageRows) -> Embeddings:
        """
        Raises:
            InvalidRequest: the image is damaged.
            EngineError: the projector failed.
        """
        assert self._projector is not None
        return self._projector.embeddings(rows)

    def close(self) -> None:
        if self._projector is not None:
            self._projector.close()

    def _pieces(self, image: bytes) -> list[Piece]:
        if self._projector is None:
            raise InvalidRequest(self._blindness, param="messages")
        pieces = self._projector.pieces(image)
        wholes = [len(piece.tokens) for piece in pieces if isinstance(piece, ImageRows) and piece.whole]
        if max(wholes, default=0) > self.largest_whole:
            raise InvalidRequest("The model's projector makes too many rows of this image. Scale it.", param="messages")
        return pieces


def open_eyes(model: Model, settings: EffectiveSettings) -> Sight:
    """By the projector beside the model. One whose projector is of no use still reads and writes."""
    path = model.spec.projector_path
    if path is None:
        return Sight(None)
    try:
        return Sight(Projector(model, path, settings.n_threads, use_gpu=settings.n_gpu_layers > 0))
    except ModelLoadFailed as error:
        log.warning("%s", error.message)
        return Sight(None, f"This model cannot see images. {error.message}")
