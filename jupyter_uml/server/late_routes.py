"""Routes that are made when the first request asks for one, or in the background before that."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any

from tornado.httputil import HTTPMessageDelegate, HTTPServerRequest
from tornado.routing import AnyMatches, RuleRouter
from tornado.web import Application, ErrorHandler

from jupyter_uml.errors import UmlError

_BROKEN = (
    "The model server could not start in this Jupyter server, whose log says why under `the model server cannot work`. "
    "Mend that, and start Jupyter again."
)

log = logging.getLogger(__name__)


class LateRoutes(RuleRouter):
    """A router as Tornado's applications have them, whose rules are made later."""

    def __init__(self, application: Application, make: Callable[[], Sequence[Any]]) -> None:
        """`make`: rules as `Application.add_handlers` takes them. It is called once."""
        super().__init__()
        self._application, self._make = application, make

    def be_ready(self) -> None:
        """Have the rules. Where they cannot be made the log says why, and all requests for them are refused."""
        if not self.rules:
            self.add_rules(self._made())

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> HTTPMessageDelegate | None:
        self.be_ready()
        return super().find_handler(request, **kwargs)

    def get_target_delegate(self, target: Any, request: HTTPServerRequest, **params: Any) -> HTTPMessageDelegate | None:
        return self._application.get_handler_delegate(request, target, **params)

    def _made(self) -> Sequence[Any]:
        try:
            return self._make()
        except Exception:
            log.exception("the model server cannot work")
            return [(AnyMatches(), _BrokenHandler, {"status_code": HTTPStatus.SERVICE_UNAVAILABLE})]


class _BrokenHandler(ErrorHandler):
    """What all requests are told, in the shape of our errors."""

    def write_error(self, status_code: int, **_: Any) -> None:
        self.set_header("Content-Type", "application/json")
        self.finish(json.dumps({"error": UmlError(_BROKEN).to_dict()}))
