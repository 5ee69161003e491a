"""`jupyter uml unload`: gives a model's memory back."""

from __future__ import annotations

from dataclasses import asdict
from inspect import cleandoc

from traitlets import Bool

from jupyter_uml.commands.progress_bar import size
from jupyter_uml.commands.server_command import ServerCommand


class UnloadApp(ServerCommand):
    """Give a model's memory back."""

    name = "jupyter uml unload"
    description = (
        "Unload a model from the running server: after the answers that are under way, or with --force at once. "
        "Exit status: 0 it is not loaded any more, 1 something went wrong."
    )
    examples = cleandoc("""
        jupyter uml unload Qwen3-8B-Q4_K_M
        jupyter uml unload demo --force        # streams of it end with an error
    """)
    flags = {  # noqa: RUF012  as traitlets wants it
        **ServerCommand.flags,
        "force": ({"UnloadApp": {"force": True}}, "Do not wait for answers that are under way."),
    }
    force = Bool(False, help="Do not wait for answers that are under way.").tag(config=True)

    async def run(self) -> None:
        model = self.argument("model")
        async with self.client() as client:
            before = await client.model(model)
            after = await client.unload(model, self.force)
        if self.as_json:
            self.print_json(asdict(after))
        elif before.pid is None:
            print(f"{after.id} was not loaded.")
        else:
            gave_back = f"; it took {size(before.memory_bytes)}" if before.memory_bytes else ""
            print(f"{after.id} is unloaded{gave_back}.")
