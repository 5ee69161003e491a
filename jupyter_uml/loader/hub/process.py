"""`python -m jupyter_uml.loader.hub.process`: does one job with the hub and ends.

A process of its own, because huggingface_hub takes its settings from the environment when it is imported, waits without
a way to be woken, and can be ended at any moment this way. It ends when its stdin does: with whoever started it.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
import traceback
from dataclasses import replace

from huggingface_hub import HfApi
from huggingface_hub.hf_api import RepoSibling

from jupyter_uml import __version__
from jupyter_uml.errors import DownloadFailed, UmlError
from jupyter_uml.loader.hub.download import LIBRARY, Download, Tries, token_for
from jupyter_uml.loader.hub.faults import fault_of
from jupyter_uml.loader.hub.listing import HubFile, Listing, formats_among
from jupyter_uml.loader.hub.messages import Failed, ListJob, Message, decode_job, encode
from jupyter_uml.loader.hub.name import is_inside

MAX_FILES = 100_000
_LIST_TRIES = 3
_COMMIT = re.compile(r"[0-9a-f]{40}")
_DIGEST = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all; the one who started us decides
    pipe = os.dup(1)
    os.dup2(2, 1)  # what a library prints must not stand between our messages
    job = decode_job(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()

    def send(message: Message) -> None:
        rest = encode(message)
        while rest:
            rest = rest[os.write(pipe, rest) :]

    try:
        if isinstance(job, ListJob):
            send(list_repository(job))
        else:
            Download(job, send).run()
    except Exception as error:
        if not isinstance(error, UmlError):
            traceback.print_exc()
        send(Failed(fault_of(error).error.to_dict()))


def list_repository(job: ListJob) -> Listing:
    """
    Raises:
        UmlError: the hub cannot be asked, or does not show it.
    """
    api = HfApi(endpoint=job.endpoint, token=token_for(job), library_name=LIBRARY, library_version=__version__)
    patience = replace(job.patience, attempts=min(_LIST_TRIES, job.patience.attempts))  # somebody waits for it
    tries = Tries(patience, lambda: None)
    while True:
        try:
            info = api.model_info(job.repo, revision=job.revision, files_metadata=True, timeout=job.patience.silence)
            # In the hub's own capitals: else the same would come once more, into another folder of the cache.
            repo = info.id if info.id.casefold() == job.repo.casefold() else job.repo
            return _listing(repo, info.sha or "", info.siblings or [])
        except Exception as error:
            tries.failed(error)


def _listing(repo: str, commit: str, siblings: list[RepoSibling]) -> Listing:
    """Names of files and commits become names in our cache: only those that cannot lead out of it are taken."""
    if not _COMMIT.fullmatch(commit) or len(siblings) > MAX_FILES:
        raise DownloadFailed("The hub's answer cannot be understood: is it a hub at all?")
    models = [file for file in siblings if file.rfilename.endswith(".gguf") and is_inside(file.rfilename)]
    files = tuple(file for sibling in models if (file := _file(sibling)))
    return Listing(repo, commit, files, formats_among(sibling.rfilename for sibling in siblings))


def _file(sibling: RepoSibling) -> HubFile | None:
    size = sibling.lfs.size if sibling.lfs else sibling.size
    digest = sibling.lfs.sha256 if sibling.lfs else sibling.blob_id
    if not size or size < 0 or not digest or not _DIGEST.fullmatch(digest):
        return None
    return HubFile(sibling.rfilename, size, digest)


def _end_with_parent() -> None:
    while os.read(0, 1):  # past Python's buffer, whose lock must be free when the interpreter ends
        pass
    os._exit(1)


if __name__ == "__main__":
    main()
