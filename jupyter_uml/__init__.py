"""jupyter_uml: the Universal Model Launcher for Jupyter. This page is the map of the code.

The way of a request, here of a `%%uml` cell:

1. `kernel/magics.py` takes the cell and calls the client; `client/client.py` finds the server (`client/discover.py`)
   and sends the request (`client/transport.py`). An `openai` program or the sidebar sends the same bytes.
2. `server/base.py` is the gate: who asks, may they, is the body sound. `server/openai.py` is the route, and
   `server/openai_types.py` turns OpenAI's fields into a `GenerateRequest` (`types.py`).
3. `service.py` is the product without HTTP. It asks `loader/loader.py` for the model's engine, which is started
   just in time, once for all who ask.
4. `loader/handle.py` sends the request through `loader/process.py` to the model's worker process, in the messages of
   `ipc.py`.
5. `worker.py` hands it to `engine/engine.py`, which builds the prompt (`engine/prompt.py`, with the chat template of
   `engine/chat.py`) and lets it wait for a place (`engine/waiting_line.py`).
6. `Engine.step()` gives places, with whatever prefix is already computed (`engine/kv_cache.py`, `engine/state_store.py`
   for RAM and disk), plans (`engine/scheduler.py`), guesses ahead (`engine/speculation.py`, `engine/drafting.py`),
   computes (`engine/context.py`), draws the next tokens (`engine/sampler.py`, `engine/grammar.py`) and turns them into
   text (`engine/emission.py`, `engine/output.py`). Embeddings and scores take turns with that (`engine/side_work.py`).
7. One message a step brings the new text back; `service.py` yields it as chunks, `server/stream.py` writes them as
   server-sent events at the reader's pace.
8. The client decodes them (`client/sse.py`), and `kernel/render.py` shows them as Markdown that cannot harm the page.

Closing the stream at any point of this way aborts the sequence in the engine. Errors travel the same way back, as the
tree of `errors.py`. A process without a server runs steps 3 to 7 in place (`LocalTransport`).

Beside the way: `server/extension.py` builds everything once; `demo/` holds the bundled model and what it was trained
by; `labextension/` (outside the package) is JupyterLab's sidebar. A file imports from lower layers only, as
`tests/test_layers.py` lists them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from jupyter_uml.kernel.chat_panel import ChatPanel
    from jupyter_uml.kernel.model_panel import ModelPanel

__version__ = "0.1.0"
__all__ = ["ChatPanel", "ModelPanel", "__version__", "load_ipython_extension"]

# Imported when they are first used: `import jupyter_uml` must cost nothing.
_LAZY = {"ModelPanel": "jupyter_uml.kernel.model_panel", "ChatPanel": "jupyter_uml.kernel.chat_panel"}


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
