"""What a person writes to name a model of the hub, in all the ways in which it is copied from somewhere."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote

from jupyter_uml.errors import InvalidRequest

MAX_NAME = 1024  # characters
MAIN = "main"

_SITE = re.compile(r"^(?:hf://|(?:https?://)?(?:www\.)?(?:huggingface\.co|hf\.co)/)", re.IGNORECASE)
_REPO = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}")
_REVISION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/+-]{0,254}")
_QUANTISATION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_PAGES = ("blob", "resolve", "raw", "tree")  # of a repository, with a revision and a path behind them
_FILE = ".gguf"
_ANY = "latest"  # Ollama's word for what is taken where nothing is asked for
_HOW = "Write owner/repository, owner/repository:Q4_K_M or owner/repository/file.gguf; @revision may follow."


@dataclass(frozen=True, slots=True)
class PullName:
    """A repository and what is wanted of it: a quantisation, a file (any part of a split one), or None: choose."""

    repo: str
    quantisation: str | None = None
    file: str | None = None
    revision: str = MAIN

    @classmethod
    def parse(cls, text: str) -> PullName:
        """`owner/repo[:quant][@revision]`, with a file's path instead of the quantisation, or an address of a page.

        Raises:
            InvalidRequest: it is none of these; `param` is "model".
        """
        path, is_address = _SITE.subn("", text.strip())
        if is_address:
            path = path.partition("#")[0].partition("?")[0]
        if len(path) > MAX_NAME or "://" in path:
            raise _wrong()
        parts = path.split("/")
        if len(parts) > 3 and parts[2] in _PAGES:
            return _of_page(parts)
        path, _, revision = path.partition("@")
        path, _, wanted = path.partition(":")
        parts = path.rstrip("/").split("/")
        if len(parts) > 2:
            if wanted or not parts[-1].lower().endswith(_FILE):
                raise _wrong()
            wanted = "/".join(parts[2:])
        return _checked("/".join(parts[:2]), wanted, revision or MAIN)

    def __str__(self) -> str:
        wanted = f":{self.quantisation}" if self.quantisation else f"/{self.file}" if self.file else ""
        return self.repo + wanted + ("" if self.revision == MAIN else f"@{self.revision}")


def is_inside(path: str) -> bool:
    """Whether a name of a file leads nowhere but into the folder that it is relative to, on any system."""
    parts = path.split("/")
    plain = not any(ord(char) < 32 or char in '\\:*?"<>|\x7f' for char in path)
    return plain and all(part.strip(". ") and len(part.encode(errors="replace")) < 256 for part in parts)


def is_revision(text: str) -> bool:
    """A branch, a tag or a commit, which can also be the name of a file in the cache."""
    return _REVISION.fullmatch(text) is not None and is_inside(text)


def _of_page(parts: list[str]) -> PullName:
    revision = unquote(parts[3])
    path = unquote("/".join(parts[4:]))
    return _checked("/".join(parts[:2]), path if path.endswith(_FILE) else "", revision)


def _checked(repo: str, wanted: str, revision: str) -> PullName:
    if not _REPO.fullmatch(repo) or ".." in repo or "--" in repo or not is_revision(revision):
        raise _wrong()
    if wanted.lower().endswith(_FILE):
        if not is_inside(wanted):
            raise _wrong()
        return PullName(repo, file=wanted, revision=revision)
    if wanted and not _QUANTISATION.fullmatch(wanted):
        raise _wrong()
    return PullName(repo, quantisation=wanted if wanted and wanted.lower() != _ANY else None, revision=revision)


def _wrong() -> InvalidRequest:
    return InvalidRequest(f"This does not name a model of the hub. {_HOW}", param="model")
