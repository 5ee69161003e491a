"""OpenAI's `v1/responses/input_tokens`: how long is the prompt that a response would be made from?"""

from __future__ import annotations

from typing import Any

from jupyter_uml.errors import InvalidRequest, UmlError
from jupyter_uml.protocol.endpoint import Caller, Endpoint, Verbs
from jupyter_uml.protocol.responses.body import ResponsesRequest
from jupyter_uml.protocol.responses.endpoint import RESPONSES
from jupyter_uml.protocol.responses.errors import error_fields
from jupyter_uml.types import PromptRequest


class InputTokens(Endpoint[ResponsesRequest]):
    path = "v1/responses/input_tokens"
    summary = "The number of tokens of a response's prompt. Takes the body of v1/responses and generates nothing."
    body = ResponsesRequest

    async def whole(self, service: Verbs, body: ResponsesRequest, caller: Caller) -> dict[str, Any]:
        if body.stream:
            raise InvalidRequest("stream: a number is not streamed.", param="stream")
        request = RESPONSES.begin(service, body, caller).request
        prompt = await service.compute(PromptRequest(request.id, request.model, request, hold=request.hold))
        return {"object": "response.input_tokens", "input_tokens": len(prompt.tokens)}

    def error_body(self, error: UmlError, request_id: str) -> dict[str, Any]:
        return {"error": error_fields(error)}
