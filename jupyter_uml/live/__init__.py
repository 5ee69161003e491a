"""What the models are doing just now, for whoever looks at it: pushed when it changes. No HTTP in it.

`Running` knows the answers under way and stops them; `Live` sees what has changed, and tells each `View` what it may
know of that.
"""

from __future__ import annotations

from jupyter_uml.live.live import Live
from jupyter_uml.live.run import Run
from jupyter_uml.live.running import Running
from jupyter_uml.live.view import View
from jupyter_uml.live.watcher import Message

__all__ = ["Live", "Message", "Run", "Running", "View"]
