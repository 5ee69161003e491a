"""A row of `GET pull`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from jupyter_uml.loader.hub.pull import Found, Pull


def pull_row(pull: Pull) -> dict[str, Any]:
    """How far it is."""
    found = found_row(pull.found) if pull.found else None
    progress = asdict(pull.progress) if pull.progress else None
    return {"id": pull.id, "model": str(pull.name), "found": found, "progress": progress}


def found_row(found: Found) -> dict[str, Any]:
    """What its repository has, and what of it is coming."""
    listing, choice = found.listing, found.choice
    return {
        "repository": listing.repo,
        "commit": listing.commit,
        "quantisation": choice.offer.quantisation,
        "files": [file.path for file in choice.files],
        "size_bytes": choice.size_bytes,
        "why": choice.why,
        "offers": [
            {"quantisation": offer.quantisation, "file": offer.name, "size_bytes": offer.size_bytes}
            for offer in listing.offers
        ],
        "other_formats": list(listing.other_formats),
    }
