"""The server that runs without Jupyter around it."""

from __future__ import annotations

from jupyter_server.serverapp import ServerApp
from jupyter_server.utils import url_path_join
from traitlets import default


class StandaloneServer(ServerApp):
    """A Jupyter server without contents, kernels, terminals or other extensions: sign-in and our routes."""

    default_services = ("auth", "security")  # type: ignore[assignment]

    @default("port")
    def _port_default(self) -> int:
        return 8000

    @default("reraise_server_extension_failures")
    def _reraise_default(self) -> bool:
        return True  # without our routes there is nothing to serve

    def running_server_info(self, kernel_count: bool = True) -> str:
        return f"The model server is running, OpenAI's API at:\n{url_path_join(self.connection_url, 'v1')}"
