"""The OpenAPI 3.1 document of a server's routes, made from the models that its bodies are checked by.

Format: https://spec.openapis.org/oas/v3.1.0
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from jupyter_uml import __version__
from jupyter_uml.protocol.endpoint import Endpoint
from jupyter_uml.protocol.examples import EXAMPLES, VARIABLES

_JSON_TYPE = "application/json"
_REF = "#/components/schemas/{model}"
_ERROR = {
    "type": "object",
    "properties": {
        "message": {"type": "string"},
        "type": {"type": "string"},
        "param": {"type": ["string", "null"]},
        "code": {"type": "string"},
    },
    "required": ["message", "type", "param", "code"],
}
_JSON_TYPE = "application/json"
_GROUPS = {
    "OpenAI": "What programs for OpenAI's API ask. Point them at this server's `v1`.",
    "Anthropic": "What programs for Anthropic's API ask. Point them at this server's root.",
    "Models": "What there is, loading and unloading, pulling from a hub.",
    "Generations": "Answers that were asked for with an id of their own: they go on without their readers.",
    "Keys": "Who may ask for what, how much of it, and what was used.",
    "Texts": "What a model reads: tokens and prompts.",
    "Server": "How it is, and what it can be asked.",
}
_KEPT = (
    "With the header `X-Generation-Id`, 8 to 64 letters, digits, - and _ of your own, a streamed answer is kept: it "
    "goes on when the connection is lost. The same request again reads it from its beginning, "
    "`generations/{id}/events` from any place, and only `DELETE generations/{id}` stops it. The header "
    "`X-Generation-Label` says what it is for, as JSON: `kind` (cell, panel or client), `cell` and `question`."
)
_ERROR_BODY = {"type": "object", "properties": {"error": {"$ref": _REF.format(model="Error")}}, "required": ["error"]}


@dataclass(frozen=True, slots=True)
class Operation:
    """A method of a route. `path` below the server's root, variables in braces. `media`: the types of its answers.

    `query`: what may stand in its URL; a list is one text, its values apart by commas.
    """

    method: str
    path: str
    summary: str
    body: type[BaseModel] | None = None
    streams: bool = False
    media: tuple[str, ...] = (_JSON_TYPE,)
    query: type[BaseModel] | None = None
    description: str = ""

    @classmethod
    def of(cls, endpoint: Endpoint[Any]) -> Operation:
        streams = "stream" in endpoint.body.model_fields
        description = _KEPT if streams else ""
        return cls("post", endpoint.path, endpoint.summary, endpoint.body, streams, description=description)


def document(operations: Sequence[Operation]) -> dict[str, Any]:
    """The document, as JSON values."""
    bodies = {operation.body: None for operation in operations if operation.body is not None}
    names, definitions = models_json_schema([(body, "validation") for body in bodies], ref_template=_REF)
    paths: dict[str, Any] = {}
    for operation in operations:
        schema = names[(operation.body, "validation")] if operation.body is not None else None
        paths.setdefault(f"/{operation.path}", {})[operation.method] = _operation(operation, schema)
    schemas = {**definitions.get("$defs", {}), "Error": _ERROR, "ErrorBody": _ERROR_BODY}
    key = {"type": "http", "scheme": "bearer", "description": "An API key, or Jupyter's token."}
    return {
        "openapi": "3.1.0",
        "info": {"title": "jupyter_uml", "version": __version__, "summary": "Language models of this machine."},
        "tags": [{"name": name, "description": text} for name, text in _GROUPS.items()],
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": {"key": key}},
        "security": [{"key": []}],
    }


def _operation(operation: Operation, schema: dict[str, Any] | None) -> dict[str, Any]:
    good: dict[str, Any] = {
        media: {"schema": {"type": "object" if media == _JSON_TYPE else "string"}} for media in operation.media
    }
    if operation.streams:
        good["text/event-stream"] = {}  # OpenAPI 3.1 has no words for events
    made: dict[str, Any] = {
        "operationId": re.sub(r"\W+", "_", f"{operation.method}_{operation.path}").strip("_"),
        "summary": operation.summary,
        **({"description": operation.description} if operation.description else {}),
        "tags": [_group(operation.path)],
        "responses": {
            "2XX": {"description": "The answer.", "content": good},
            "default": {"description": "What is wrong.", "content": _json({"$ref": _REF.format(model="ErrorBody")})},
        },
    }
    if parameters := [*_parameters(re.findall(r"{(\w+)}", operation.path)), *_queried(operation.query)]:
        made["parameters"] = parameters
    if schema is not None:
        named = {name: {"value": body} for name, body in EXAMPLES.get(operation.path, {}).items()}
        made["requestBody"] = {"required": True, "content": {_JSON_TYPE: {"schema": schema, "examples": named}}}
    return made


def _group(path: str) -> str:
    match path.split("/"):
        case ["v1", "messages", *_]:
            return "Anthropic"
        case ["v1" | "v2", *_]:
            return "OpenAI"
        case ["models" | "load_model" | "unload_model" | "profiles" | "pull", *_]:
            return "Models"
        case ["generations" | "running", *_]:
            return "Generations"
        case ["keys" | "usage", *_]:
            return "Keys"
        case ["tokenize" | "detokenize" | "apply-template" | "inline_completion"]:
            return "Texts"
    return "Server"


def _parameters(names: Iterable[str]) -> Iterable[dict[str, Any]]:
    for name in names:
        example = {"example": VARIABLES[name]} if name in VARIABLES else {}
        yield {"name": name, "in": "path", "required": True, "schema": {"type": "string"}, **example}


def _queried(query: type[BaseModel] | None) -> Iterable[dict[str, Any]]:
    schema = query.model_json_schema() if query is not None else {}
    for name, value in schema.get("properties", {}).items():
        plain = next((kind for kind in value.get("anyOf", ()) if kind != {"type": "null"}), value)  # null: left out
        kept = {key: part for key, part in plain.items() if key not in ("title", "default") or part is not None}
        yield {"name": name, "in": "query", "schema": kept, "style": "form", "explode": False}


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {_JSON_TYPE: {"schema": schema}}
