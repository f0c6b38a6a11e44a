"""The server of an API process: uvicorn, with connections, heads and turns of our own."""

import socket
from functools import partial

import uvicorn
from fastapi import FastAPI

from api.access.keyring import Keyring
from api.callers.asker import asker_of, name_of_address
from api.http.accepting import Accepting
from api.http.connections import connections_of_process, waiting_of_process
from api.http.protocol import BoundedProtocol
from api.http.reading import read_bounded
from api.http.request_turns import RequestTurns
from api.watching.hub import Hub

STOP_SECONDS = 3
"""How long requests that are still running get to end."""


class ApiServer(uvicorn.Server):
    """uvicorn, which ends its watchers before it waits for its connections, and by itself on SIGTERM and SIGINT."""

    def __init__(self, app: FastAPI, hub: Hub, keyring: Keyring, listener: socket.socket) -> None:
        protocol = partial(
            BoundedProtocol, connections_of_process(), RequestTurns(), partial(asker_of, keyring=keyring)
        )
        config = uvicorn.Config(
            app,
            loop="uvloop",
            http=protocol,  # type: ignore[arg-type]  # uvicorn only calls it
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # the peer is the client: a header can say anything
            timeout_graceful_shutdown=STOP_SECONDS,
            reset_contextvars=True,  # or a request would begin with what another one's caller has set
        )
        super().__init__(config)
        self.hub = hub
        self.port: int = listener.getsockname()[1]
        self._listener = listener

    def serve_here(self) -> None:
        """Serve in this thread until told to stop: by a signal, or by `should_exit` from another thread."""
        self.run()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=[])  # uvicorn listens on none: it would begin all in the order of their coming
        if not self.started:  # the application refused to begin, and nobody would close what is accepted
            return
        make = partial(
            self.config.http_protocol_class,
            config=self.config,  # type: ignore[call-arg]  # it is our protocol
            server_state=self.server_state,
            app_state=self.lifespan.state,
        )
        self._accepting = Accepting(self._listener, waiting_of_process(), name_of_address, read_bounded(make))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.hub.close()
        await self._accepting.close()
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: object) -> None:
        # uvicorn's own raises the signal again at the end, and a clean end would look like a killed process.
        self.should_exit = True
