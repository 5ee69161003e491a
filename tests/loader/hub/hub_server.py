"""A hub of its own on this machine: it speaks the protocol of Hugging Face's, with a second host that has the content.

Requests for content do what `acts` says, one act for each request, and then behave.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
TOKEN = "hf_of_a_test"


@dataclass
class Repository:
    """`content`: by path; `announced`: what the hub says of a file where it is not the truth."""

    content: dict[str, bytes]
    commit: str = COMMIT
    gated: bool = False
    private: bool = False
    announced: dict[str, dict[str, Any]] = field(default_factory=dict)
    small: set[str] = field(default_factory=set)  # kept by git itself, without a SHA-256


@dataclass
class Request:
    host: str  # "hub" or "cdn"
    method: str
    path: str
    headers: dict[str, str]

    @property
    def start(self) -> int:
        """Of the range that was asked for."""
        return int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")[0])


Act = Callable[["_Handler", bytes, int], None]  # gets the whole content and where the answer shall begin


class HubServer:
    """`endpoint` is what a hub's address is to its clients."""

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}
        self.acts: deque[Act] = deque()  # of requests for content
        self.api_acts: deque[Act] = deque()  # of questions what a repository has
        self.requests: list[Request] = []
        self.held = threading.Event()  # a request is in the middle of its answer and waits for `release`
        self.release = threading.Event()
        self._hub, self.endpoint = self._serve("hub")
        self._cdn, self.cdn = self._serve("cdn")

    def _serve(self, host: str) -> tuple[ThreadingHTTPServer, str]:
        class Handler(_Handler):
            owner = self
            name = host

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, args=(0.01,), name=host).start()
        return server, f"http://127.0.0.1:{server.server_port}"

    def add(self, repo: str, content: dict[str, bytes], **more: Any) -> Repository:
        self.repositories[repo] = Repository(content, **more)
        return self.repositories[repo]

    def downloads(self, path: str = "") -> list[Request]:
        """Requests for the content of this file, or of any."""
        return [request for request in self.requests if request.host == "cdn" and request.path.endswith(path)]

    def hold(self, after: int) -> Act:
        """Send so many bytes, then nothing until `release` is set."""

        def act(handler: _Handler, content: bytes, start: int) -> None:
            handler.begin(content, start)
            handler.wfile.write(content[start : start + after])
            self.held.set()
            self.release.wait(30)
            handler.wfile.write(content[start + after :])

        return act

    def close(self) -> None:
        self.release.set()
        for server in (self._hub, self._cdn):
            server.shutdown()
            server.server_close()


async def until(condition: Callable[[], object], seconds: float = 10) -> None:
    """For what happens in other processes."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


def begun(cache: Path | None) -> int:
    """Bytes of files that have not come to their end."""
    assert cache
    return sum(path.stat().st_size for path in cache.rglob("*.incomplete"))


def refuse(status: int, **headers: str) -> Act:
    """Answer with this status."""

    def act(handler: _Handler, content: bytes, start: int) -> None:
        handler.error(status, **{name.replace("_", "-"): value for name, value in headers.items()})

    return act


def cut(after: int) -> Act:
    """Announce all, send so many bytes and hang up."""

    def act(handler: _Handler, content: bytes, start: int) -> None:
        handler.begin(content, start)
        handler.wfile.write(content[start : start + after])
        handler.close_connection = True

    return act


def end_early(after: int) -> Act:
    """Send so many bytes as if they were all of it."""

    def act(handler: _Handler, content: bytes, start: int) -> None:
        handler.send_response(206)
        handler.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        handler.send_header("Content-Length", str(after))
        handler.end_headers()
        handler.wfile.write(content[start : start + after])

    return act


def other_bytes(handler: _Handler, content: bytes, start: int) -> None:
    """As many bytes as announced, but others."""
    handler.begin(content, start)
    handler.wfile.write(bytes(len(content) - start))


def more_bytes(handler: _Handler, content: bytes, start: int) -> None:
    """More than announced."""
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(content) + 1000))
    handler.end_headers()
    handler.wfile.write(content + bytes(1000))


def no_ranges(handler: _Handler, content: bytes, start: int) -> None:
    """All of it, whatever part was asked for."""
    handler.begin(content, 0, status=200)
    handler.wfile.write(content)


def wrong_range(handler: _Handler, content: bytes, start: int) -> None:
    """A part, but not the one that was asked for."""
    handler.begin(content, start + 1)
    handler.wfile.write(content[start + 1 :])


def reply(body: bytes) -> Act:
    """This as JSON, whatever was asked."""

    def act(handler: _Handler, content: bytes, start: int) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return act


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    owner: HubServer
    name: str

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        headers = {name.title(): value for name, value in self.headers.items()}
        self.owner.requests.append(Request(self.name, self.command, unquote(path), headers))
        try:
            if self.name == "cdn":
                self._content(*self._file(path))
            elif path.startswith("/api/models/"):
                self._info(path.removeprefix("/api/models/"))
            else:
                self._resolve(path)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    do_HEAD = do_GET

    def log_message(self, *_: Any) -> None:
        pass

    def begin(self, content: bytes, start: int, status: int = 206) -> None:
        self.send_response(status)
        if status == 206:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()

    def error(self, status: int, **headers: str) -> None:
        body = json.dumps({"error": f"status {status}"}).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _allowed(self, repository: Repository | None) -> bool:
        known = self.headers.get("Authorization") == f"Bearer {TOKEN}"
        if repository is None or (repository.private and not known):
            self.error(404 if known else 401, **{"X-Error-Code": "RepoNotFound"})
            return False
        return True

    def _info(self, path: str) -> None:
        if self.owner.api_acts:
            self.owner.api_acts.popleft()(self, b"", 0)
            return
        repo, _, revision = path.partition("/revision/")
        repo = next((known for known in self.owner.repositories if known.lower() == repo.lower()), repo)
        repository = self.owner.repositories.get(repo)
        if not self._allowed(repository):
            return
        assert repository
        if unquote(revision) not in ("", "main", "refs/pr/1", repository.commit):
            self.error(404, **{"X-Error-Code": "RevisionNotFound"})
            return
        siblings = [_sibling(repository, name) for name in repository.content]
        reply(json.dumps({"id": repo, "sha": repository.commit, "siblings": siblings}).encode())(self, b"", 0)

    def _resolve(self, path: str) -> None:
        """`/owner/repo/resolve/<commit>/<file>` leads to the content network, and says what will be found there."""
        repo, _, rest = path.strip("/").partition("/resolve/")
        repository = self.owner.repositories.get(repo)
        if not self._allowed(repository):
            return
        assert repository
        if repository.gated and self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self.error(401, **{"X-Error-Code": "GatedRepo"})
            return
        name = unquote(rest.partition("/")[2])
        if name not in repository.content:
            self.error(404, **{"X-Error-Code": "EntryNotFound"})
            return
        self.send_response(302)
        self.send_header("Location", f"{self.owner.cdn}{path}?signature=x")
        self.send_header("X-Repo-Commit", repository.commit)
        self.send_header("X-Linked-Size", str(len(repository.content[name])))
        self.send_header("X-Linked-Etag", f'"{_sha256(repository.content[name])}"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _file(self, path: str) -> tuple[bytes, int]:
        repo, _, rest = path.strip("/").partition("/resolve/")
        content = self.owner.repositories[repo].content[unquote(rest.partition("/")[2])]
        return content, self.owner.requests[-1].start if "Range" in self.headers else -1

    def _content(self, content: bytes, start: int) -> None:
        if self.owner.acts:
            self.owner.acts.popleft()(self, content, max(start, 0))
        elif start >= len(content):
            self.error(416, **{"Content-Range": f"bytes */{len(content)}"})
        else:
            self.begin(content, max(start, 0), 200 if start < 0 else 206)
            self.wfile.write(content[max(start, 0) :])


def _sibling(repository: Repository, name: str) -> dict[str, Any]:
    content = repository.content[name]
    row: dict[str, Any] = {"rfilename": name, "size": len(content), "blobId": _git_sha1(content)}
    if name not in repository.small:
        row["lfs"] = {"size": len(content), "sha256": _sha256(content), "pointerSize": 134}
        row["lfs"] |= repository.announced.get(name, {})
    return row


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _git_sha1(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
