"""All endpoints. A test holds this list to the files of the package."""

from __future__ import annotations

from typing import Any

from jupyter_uml.protocol.chat_completions import ChatCompletions
from jupyter_uml.protocol.embeddings import Embeddings
from jupyter_uml.protocol.endpoint import Endpoint
from jupyter_uml.protocol.messages import CountTokens, Messages
from jupyter_uml.protocol.rerank import Rerank, RerankV2
from jupyter_uml.protocol.responses import RESPONSES
from jupyter_uml.protocol.responses_tokens import InputTokens
from jupyter_uml.protocol.text_completions import TextCompletions
from jupyter_uml.protocol.tokenize import ApplyTemplate, Detokenize, Tokenize

ENDPOINTS: tuple[Endpoint[Any], ...] = (
    ChatCompletions(),
    TextCompletions(),
    Embeddings(),
    Rerank(),
    RerankV2(),
    Tokenize(),
    Detokenize(),
    ApplyTemplate(),
    RESPONSES,
    InputTokens(),
    Messages(),
    CountTokens(),
)
