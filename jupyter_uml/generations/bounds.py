"""How much is kept of generations and how long, so that memory stays bounded whoever asks for how much."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Bounds:
    """Bytes, numbers and seconds.

    What grows beyond `log` loses its oldest events, and so does what grows where nothing that has ended is left to make
    room for it: whoever reads along loses nothing, whoever comes later is told.
    """

    log: int = 32 * MIB  # of one: a token is an event of 250 bytes, so this is the context of 128k tokens written full
    owner: int = 64 * MIB  # of all that one principal has: two such answers, or some hundreds of usual ones
    total: int = 256 * MIB  # of everybody's: what a server of notebooks has to spare beside its models
    each: int = 128  # generations of one principal: a day of work in a notebook
    readers: int = 16  # of one generation at the same time: each is a connection
    keep_seconds: float = 24 * 3600.0  # after the end: who closes the notebook in the evening has it in the morning
    early_stops: int = 256  # stops that came before their generation, which are remembered until it does
    early_seconds: float = 60.0  # for which they are: a request that is overtaken is late by seconds at most


BOUNDS = Bounds()
