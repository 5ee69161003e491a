"""Which of the models in a repository is pulled, and why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from jupyter_uml.errors import NothingToPull
from jupyter_uml.loader.hub.listing import HubFile, Listing, Offer
from jupyter_uml.loader.hub.name import PullName
from jupyter_uml.loader.hub.quantisations import is_frugal, normal, rank

Fits = Callable[[int], bool]  # whether a model of so many bytes can run on this machine

_LITTLE = 4 << 30  # bytes: a model that is no larger may have eight bits a weight
_MAX_NAMES = 12


@dataclass(frozen=True, slots=True)
class Choice:
    """`why`: one sentence for people."""

    offer: Offer
    projector: HubFile | None
    why: str

    @property
    def files(self) -> tuple[HubFile, ...]:
        """All that has to come."""
        return (*self.offer.files, *([self.projector] if self.projector else []))

    @property
    def size_bytes(self) -> int:
        return sum(file.size_bytes for file in self.files)


def choose(listing: Listing, name: PullName, fits: Fits) -> Choice:
    """
    Raises:
        NothingToPull: nothing here is a model that loads, is what `name` asks for, or fits; or several are.
    """
    if not listing.offers:
        raise NothingToPull(_no_model(listing), param="model")

    def can_run(offer: Offer) -> bool:
        projector = listing.projector(offer)
        return fits(offer.size_bytes + (projector.size_bytes if projector else 0))

    if name.file or name.quantisation:
        offer = _named(listing.offers, name)
        why = "It was asked for." if can_run(offer) else "It was asked for, but will hardly fit this machine."
    else:
        offer, why = _best(listing.offers, can_run)
    return Choice(offer, listing.projector(offer), why)


def _named(offers: Sequence[Offer], name: PullName) -> Offer:
    if name.file:
        found = [offer for offer in offers if name.file in {file.path for file in offer.files}]
    else:
        wanted = normal(name.quantisation or "")
        found = [offer for offer in offers if offer.quantisation == wanted]
        found = found or [offer for offer in offers if offer.quantisation == f"UD-{wanted}"]
    if not found:
        raise NothingToPull(f"There is no {name.file or name.quantisation} here. {_there(offers)}", param="model")
    return _only(found)


def _best(offers: Sequence[Offer], can_run: Callable[[Offer], bool]) -> tuple[Offer, str]:
    """The best that fits and is not larger than its gain is worth; else the smallest of the larger ones."""
    known = [offer for offer in offers if rank(offer.quantisation) is not None]
    if not known:
        return _only(offers), "It is the only one."
    fitting = [offer for offer in known if can_run(offer)]
    if not fitting:
        smallest = min(known, key=lambda offer: offer.size_bytes)
        raise NothingToPull(
            f"None fits this machine: the smallest, {smallest.quantisation}, has {_gib(smallest.size_bytes)}. "
            "Name a quantisation to pull it all the same.",
            param="model",
        )
    worthy = [offer for offer in fitting if is_frugal(offer.quantisation or "") or _is_little(offer)]
    best = min(worthy, key=_quality) if worthy else max(fitting, key=_quality)
    _only(known)
    return best, _reason(best, known, fitting, worthy)


def _is_little(offer: Offer) -> bool:
    return offer.size_bytes <= _LITTLE and (rank(offer.quantisation) or 0) >= (rank("Q8_0") or 0)


def _quality(offer: Offer) -> tuple[int, int]:
    """Better is smaller; of mixtures that are called alike the larger one is better."""
    return rank(offer.quantisation) or 0, -offer.size_bytes


def _reason(best: Offer, known: Sequence[Offer], fitting: Sequence[Offer], worthy: Sequence[Offer]) -> str:
    if len(known) == 1:
        return "It is the only one, and fits this machine."
    size = _gib(best.size_bytes)
    if len(fitting) < len(known) and best is min(fitting, key=_quality):
        return f"With {size} it is the best of those that fit this machine."
    if not worthy:
        return f"With {size} it is the smallest one."
    if is_frugal(best.quantisation or ""):
        return f"With {size} it fits this machine; better ones cost memory and speed, and hardly show."
    return f"With {size} it is small enough to be had in this quality."


def _only(found: Sequence[Offer]) -> Offer:
    if len({offer.model for offer in found}) > 1:
        names = ", ".join(offer.name for offer in found[:_MAX_NAMES])
        raise NothingToPull(f"Several models are here. Name one of the files: {names}.", param="model")
    return found[0]


def _there(offers: Sequence[Offer]) -> str:
    names = dict.fromkeys(offer.quantisation or offer.name for offer in offers)
    return f"There is: {', '.join(names)}."


def _no_model(listing: Listing) -> str:
    other = f" It has {', '.join(listing.other_formats)}, which do not load." if listing.other_formats else ""
    if listing.files:
        names = ", ".join(file.path for file in listing.files[:_MAX_NAMES])
        return f"No GGUF file of this repository is a whole model: {names}.{other}"
    return f"This repository has no GGUF file.{other} Look for one whose name ends in -GGUF."


def _gib(size: int) -> str:
    return f"{size / 2**30:.1f} GiB" if size >= 1 << 30 else f"{size / 2**20:.0f} MiB"
