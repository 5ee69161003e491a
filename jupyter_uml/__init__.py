"""jupyter_uml: the Universal Model Launcher for Jupyter. This page is the map of the code.

The way of a request, here of a `%%uml` cell:

1. `kernel/magics.py` takes the cell, `kernel/question.py` makes a request of it, `kernel/answering.py` asks it and
   shows what comes (a command of `%uml` is a file of `kernel/verbs/`). `client/client.py` finds the server
   (`client/discover.py`) and sends the request (`client/transport.py`). An `openai` program or the sidebar sends the
   same bytes.
2. `server/base.py` is the gate: who asks (`server/credentials.py`), may they, is the body sound. `server/endpoint.py`
   is the route of every protocol. It enters by `server/gate.py`, which holds keys, limits, usage and audit (`access/`);
   `server/passage.py` is one request's way through, and what is recorded of it. `protocol/` says what the protocols
   mean: `openai/chat.py`, for instance, turns OpenAI's fields into a `GenerateRequest` (`types/`).
3. `service.py` is the product without HTTP. It asks `loader/loader.py` for the use of the model's engine, which is
   started just in time, once for all who ask: `loader/catalog/` knows the file, `loader/memory/` what it will take,
   `loader/lifecycle/` who makes room for it and how long it stays. Before a busy engine all wait their turn
   (`access/turns.py`), so that nobody's batch stands before everybody else.
4. `loader/handle.py` sends the request through `loader/process.py` to the model's worker process, in the messages of
   `ipc.py`.
5. `worker.py` hands it to `engine/engine.py`, which builds the prompt (`engine/prompt.py`, with the chat template of
   `engine/chat.py`; a gap in code by `engine/gap.py`), settles what is expected of the answer
   (`engine/expectation.py`: tools, form, reasoning) and lets it wait for a place (`engine/places.py`).
6. `Engine.step()` gives places, with whatever prefix is already computed (`engine/kv_cache.py`, `engine/state_store.py`
   for RAM and disk), plans (`engine/scheduler.py`), guesses ahead (`engine/speculation.py`, `engine/drafting.py`),
   computes (`engine/context.py`), draws the next tokens (`engine/sampler.py`, `engine/grammar.py`) and tells text,
   reasoning and tool calls apart (`engine/emission.py`, `engine/output.py`, a file of `engine/formats/` for each family
   of models). Embeddings and scores take turns with that (`engine/side_work.py`).
7. One message a step brings the new pieces back; `service.py` yields them as chunks, `protocol/` makes them events,
   `server/stream.py` writes these at the reader's pace.
8. The client decodes them (`client/sse.py`), and `display/render.py` shows them: as Markdown that cannot harm the page
   (`display/markdown.py`), with its code in colours (`display/highlight.py`).

Closing the stream at any point of this way aborts the sequence in the engine, unless the request has a label: then
`generations/` keeps the answer in a log, `server/kept.py` and `client/local_generations.py` write it, anybody who is
allowed to reads it on, and only `stop` ends it. Errors travel the same way back, as the tree of `errors.py`. A process
without a server runs steps 3 to 7 in place (`LocalTransport`), the `openai` package included.

Beside the way: `kernel/record.py` says in each output what its answer came from, `kernel/answer_cache.py` keeps
answers, `kernel/verify.py` asks them again; `kernel/map.py` is `uml.map`. `kernel/model_panel.py` is the panel for
models: `live_models.py` hears what the server says, `forecast.py` what would fit, `audience.py` whether anybody looks;
`kernel/chat_panel.py` with `kernel/chat/` is the one to talk in, and `kernel/esm.py` joins the `assets/` of both.
`loader/hub/` brings models here, `loader/health.py` watches the workers; `live/` sees what changes, tells whoever
watches (`server/events.py`, `client/watch.py`) and stops what runs (`server/running.py`). `cell_traceback.py` shortens
what a cell shows of an error; `commands/` holds the sub-commands of `jupyter uml`; `server/extension.py` is what
Jupyter starts, `server/parts.py` builds everything once; `demo/` holds the bundled model and what it was trained by.

`labextension/` (outside the package) is JupyterLab's part: the sidebar over the live state (`src/live.ts`), the status
bar and the palette, `src/answers/` for answers that went on without their page, `src/cells/` for what the chat exports,
`src/inline/` for suggestions while typing (`protocol/native/inline_completion.py`, of whose text `suggestion.py` keeps
what is worth offering). A file imports from lower layers only, as `tests/test_layers.py` lists them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from jupyter_uml.kernel.chat_panel import ChatPanel
    from jupyter_uml.kernel.map import amap
    from jupyter_uml.kernel.map import map as map
    from jupyter_uml.kernel.model_panel import ModelPanel

__version__ = "0.1.0"
# Without `map`: a star import must not take Python's own away.
__all__ = ["ChatPanel", "ModelPanel", "__version__", "amap", "load_ipython_extension"]

# Imported when they are first used: `import jupyter_uml` must cost nothing.
_LAZY = {
    "ModelPanel": "jupyter_uml.kernel.model_panel",
    "ChatPanel": "jupyter_uml.kernel.chat_panel",
    "amap": "jupyter_uml.kernel.map",
    "map": "jupyter_uml.kernel.map",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def load_ipython_extension(shell: InteractiveShell) -> None:
    """`%load_ext jupyter_uml`."""
    import_module("jupyter_uml.kernel.magics").register(shell)


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    """Where Jupyter Server finds the extension."""
    from jupyter_uml.server.extension import UMLApp

    return [{"module": "jupyter_uml", "app": UMLApp}]


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    """Where JupyterLab finds the sidebar in a development install."""
    return [{"src": "labextension", "dest": "jupyter-uml"}]
