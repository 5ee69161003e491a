"""All endpoints. A test holds this list to the files of the package."""

from __future__ import annotations

from typing import Any

from jupyter_uml.protocol.anthropic.endpoint import CountTokens, Messages
from jupyter_uml.protocol.endpoint import Endpoint
from jupyter_uml.protocol.native.inline_completion import InlineCompletion
from jupyter_uml.protocol.native.rerank import Rerank, RerankV2
from jupyter_uml.protocol.native.tokenize import ApplyTemplate, Detokenize, Tokenize
from jupyter_uml.protocol.openai.chat import ChatCompletions
from jupyter_uml.protocol.openai.completions import TextCompletions
from jupyter_uml.protocol.openai.embeddings import Embeddings
from jupyter_uml.protocol.responses.endpoint import RESPONSES
from jupyter_uml.protocol.responses.tokens import InputTokens

ENDPOINTS: tuple[Endpoint[Any], ...] = (
    ChatCompletions(),
    TextCompletions(),
    Embeddings(),
    Rerank(),
    RerankV2(),
    Tokenize(),
    Detokenize(),
    ApplyTemplate(),
    InlineCompletion(),
    RESPONSES,
    InputTokens(),
    Messages(),
    CountTokens(),
)
