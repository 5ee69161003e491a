"""Who asks: by a key of ours, else by what Jupyter knows of its users."""

from __future__ import annotations

import re

from jupyter_core.utils import ensure_async
from jupyter_server.auth.identity import User
from jupyter_server.base.handlers import JupyterHandler
from tornado.web import HTTPError

from jupyter_uml.access import ALL_SCOPES, KEY_PREFIX, Principal
from jupyter_uml.errors import AuthenticationFailed, PermissionDenied
from jupyter_uml.server.cors import same_origin
from jupyter_uml.server.gate import JUPYTER_USER, Gate

READING = ("GET", "HEAD", "OPTIONS")
_BAD_KEY = "This API key is not valid."
_BETWEEN = re.compile(r"[\s,]+")  # headers that came twice are joined by commas
_ANONYMOUS = re.compile(r"[0-9a-f]{32}")  # the names that Jupyter makes up, a new one for each sign-in


class CredentialHandler(JupyterHandler):
    """A handler that knows who asks."""

    gate: Gate

    async def authenticate_request(self) -> Principal:
        """A key of ours first: a bad one is an error, never a reason to look for a cookie.

        Raises:
            AuthenticationFailed: nobody, or not with this credential.
            PermissionDenied: Jupyter's authorizer, or the rules for browsers, do not allow it.
        """
        by_api_key = self._read_api_key()
        if self._shows_key:
            return self._by_key()
        user = await ensure_async(self.identity_provider.get_user(self))
        self.current_user = self._jupyter_current_user = user
        if by_api_key and not self.identity_provider.is_token_authenticated(self):
            self.current_user = self._jupyter_current_user = user = None  # it was found by a cookie
        if user is None:
            raise AuthenticationFailed(
                "No valid credential. Send an API key or Jupyter's token as `Authorization: Bearer …`."
            )
        action = "read" if self.request.method in ("GET", "HEAD") else "execute"
        if not await ensure_async(self.authorizer.is_authorized(self, user, action, "uml")):
            raise PermissionDenied("Jupyter's authorizer does not allow this.")
        return principal_of(user)

    @property
    def shows_credential(self) -> bool:
        """Whether the request came with one, good or bad, that is no cookie."""
        in_headers = not self.request.headers.keys().isdisjoint({"Authorization", "X-Api-Key"})
        return in_headers or bool(self.get_query_argument("token", ""))

    @property
    def _shows_key(self) -> bool:
        return self._key_in_url or bool(self._shown_keys)

    @property
    def _shown_keys(self) -> set[str]:
        """All that look like keys of ours, wherever in the headers: a second credential does not make up for one."""
        headers = self.request.headers
        words = _BETWEEN.split(f"{headers.get('Authorization', '')} {headers.get('X-Api-Key', '')}")
        return {word for word in words if word.startswith(KEY_PREFIX)}

    @property
    def _key_in_url(self) -> bool:
        return self.get_query_argument("token", "").startswith(KEY_PREFIX)  # where logs would keep it

    def _by_key(self) -> Principal:
        self.current_user = self._jupyter_current_user = None
        words = self.request.headers.get("Authorization", "").split()
        proper = not self._key_in_url and len(words) == 2 and words[0].lower() in ("bearer", "token")
        principal = self.gate.find(words[1]) if proper and self._shown_keys == {words[1]} else None
        if principal is None:
            raise AuthenticationFailed(_BAD_KEY)
        return principal

    def check_key(self) -> None:
        """Of one that has come with this request, now.

        Raises:
            AuthenticationFailed: it has expired, or been revoked.
        """
        if not any(map(self.gate.keys.is_active, self._shown_keys)):
            raise AuthenticationFailed(_BAD_KEY)

    def _read_api_key(self) -> bool:
        """Whether the credential is in the header X-Api-Key, where Anthropic's clients put it."""
        headers = self.request.headers
        if "X-Api-Key" not in headers or "Authorization" in headers:
            return False
        headers["Authorization"] = f"Bearer {headers['X-Api-Key']}"
        return True

    def check_page(self) -> bool:
        """Whether a page of this server asks: its cookie counts then. Browsers say so of all that writes, and of
        sockets.

        Raises:
            PermissionDenied: a page of another site does, which is not allowed to, whatever credential it has.
        """
        origin = self.request.headers.get("Origin")
        if origin is None:
            return False
        pattern = self.allow_origin_pat  # Jupyter's own settings, for servers behind another name; `*` is no name
        allowed = origin.lower() == self.allow_origin or (pattern and re.match(pattern, origin.lower()))
        if same_origin(origin, self.request.headers.get("Host")) or allowed:
            return True
        if not self.gate.cors.allows(origin):
            raise PermissionDenied("Requests from this origin are not allowed.")
        return False

    def check_browser(self) -> None:
        """What a cookie alone must not do: act for a page of another site.

        Raises:
            PermissionDenied: it looks as if it did.
        """
        try:
            if not self.check_origin():
                raise PermissionDenied("Requests from this origin are not allowed.")
            if self.request.method not in READING:
                self.check_xsrf_cookie()
        except HTTPError as error:
            raise PermissionDenied(
                "The XSRF token is missing or wrong. Programs send Jupyter's token as `Authorization: Bearer …`; "
                "a server without a token can be written to from its own pages only."
            ) from error

    def check_xsrf_cookie(self) -> None:
        # Tornado calls this before `prepare`, when it is not known yet who asks; `check_browser` calls it again.
        if getattr(self, "_jupyter_current_user", None) is not None:
            super().check_xsrf_cookie()


def principal_of(user: User) -> Principal:
    """Users whose names Jupyter makes up are one: they have come by the same token or password."""
    if _ANONYMOUS.fullmatch(user.username) and user.name.startswith("Anonymous "):
        return JUPYTER_USER
    return Principal(f"user:{user.username}", user.name, ALL_SCOPES)
