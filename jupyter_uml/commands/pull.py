"""`jupyter uml pull`: brings a model from the hub, with or without a server that runs.

A server that pulls the same file at the same time is waited for, and finds what came here: they share the cache.
"""

from __future__ import annotations

import sys
from dataclasses import asdict
from inspect import cleandoc
from typing import Any

from traitlets import Bool, Unicode

from jupyter_uml.commands.command import JSON_FLAG, Command
from jupyter_uml.commands.progress_bar import ProgressBar, size
from jupyter_uml.errors import InvalidRequest
from jupyter_uml.loader.hub.choice import choose
from jupyter_uml.loader.hub.hub import Hub, Progress
from jupyter_uml.loader.hub.listing import Listing
from jupyter_uml.loader.hub.name import PullName
from jupyter_uml.loader.hub.pull import Found, Pulled, Pulls, id_in
from jupyter_uml.loader.memory.model_sizes import fits_this_machine


class PullApp(Command):
    """Bring a model from Hugging Face's hub."""

    name = "jupyter uml pull"
    description = (
        "Bring a model from Hugging Face's hub into the cache that its tools share, and print the id to load it by. "
        "Exit status: 0 it is here, 1 it is not, 130 interrupted (the next pull goes on from there)."
    )
    examples = cleandoc("""
        jupyter uml pull Qwen/Qwen3-8B-GGUF              # the quantisation that suits this machine
        jupyter uml pull Qwen/Qwen3-8B-GGUF:Q6_K         # this one
        jupyter uml pull Qwen/Qwen3-8B-GGUF --list       # what there is
        HF_TOKEN=… jupyter uml pull owner/private-repo@v2
    """)
    aliases = {"hub-endpoint": "PullApp.hub_endpoint"}  # noqa: RUF012  as traitlets wants it
    flags = {  # noqa: RUF012
        **JSON_FLAG,
        "list": ({"PullApp": {"list_only": True}}, "Only say what the repository has."),
    }
    hub_endpoint = Unicode(help="Address of the hub. Empty: as UMLApp.hub_endpoint says.").tag(config=True)
    list_only = Bool(False, help="Only say what the repository has.").tag(config=True)

    async def run(self) -> None:
        if len(self.extra_args) != 1:
            raise InvalidRequest("Say which model: jupyter uml pull owner/repository[:quantisation]")
        name = PullName.parse(self.extra_args[0])
        hub = Hub(self.hub_endpoint or self.setting("hub_endpoint", "") or None)
        if self.list_only:
            self._tell(await hub.listing(name.repo, name.revision))
        else:
            await self._pull(Pulls(hub, fits_this_machine, id_in(self.catalog())), name)

    def _tell(self, listing: Listing) -> None:
        choice = choose(listing, PullName(listing.repo), fits_this_machine)
        if self.as_json:
            self.print_json(_offered(listing) | {"suits": choice.offer.name, "why": choice.why})
        else:
            print(table(listing))
            print(f"Suits this machine: {choice.offer.name}. {choice.why}")

    async def _pull(self, pulls: Pulls, name: PullName) -> None:
        bar = ProgressBar()
        try:
            async for event in pulls.start(name).events():
                match event:
                    case Found():
                        print(_told(event), file=sys.stderr)
                    case Progress():
                        bar.show(event)
                    case Pulled():
                        bar.end()
                        self._tell_end(event)
        finally:
            bar.end()
            await pulls.close()

    def _tell_end(self, pulled: Pulled) -> None:
        if self.as_json:
            self.print_json(asdict(pulled) | {"path": str(pulled.path)})
        else:
            print(f"It lies at {pulled.path}", file=sys.stderr)
            print(pulled.model or pulled.path)


def _offered(listing: Listing) -> dict[str, Any]:
    offers = [
        {"name": offer.name, "quantisation": offer.quantisation, "size_bytes": offer.size_bytes}
        for offer in listing.offers
    ]
    return {
        "repo": listing.repo,
        "commit": listing.commit,
        "offers": offers,
        "projectors": [file.path for file in listing.projectors],
        "other_formats": list(listing.other_formats),
    }


def table(listing: Listing) -> str:
    """A row for each model that could be pulled."""
    width = max((len(offer.name) for offer in listing.offers), default=0)
    rows = [
        f"{offer.name:{width}}  {offer.quantisation or '?':8}  {size(offer.size_bytes):>10}" for offer in listing.offers
    ]
    if listing.projectors:
        told = ", ".join(f"{file.path} ({size(file.size_bytes)})" for file in listing.projectors)
        rows.append(f"Sees images with: {told}.")
    if listing.other_formats:
        rows.append(f"Does not load: {', '.join(listing.other_formats)}.")
    return "\n".join(rows)


def _told(found: Found) -> str:
    choice = found.choice
    files = f", {len(choice.files)} files" if len(choice.files) > 1 else ""
    return f"{choice.offer.name} ({size(choice.size_bytes)}{files}). {choice.why}"
