"""A TCP proxy that makes every request take a fixed time longer, as a registry far away does.

    latency.py HOST:PORT MILLISECONDS      prints its own HOST:PORT and serves until it is ended

The first bytes that a client sends after the server spoke, that is the beginning of a request, wait; all else passes at once.
Bytes are moved by splice(2) and never enter this process, so that it does not become the bottleneck: two threads a connection,
which sleep in the kernel.
"""

import fcntl
import os
import socket
import sys
import threading
import time

CHUNK = 1 << 18
MOVE = 1  # SPLICE_F_MOVE


class Link:
    """A client's connection and its counterpart to the server."""

    def __init__(self, client, server, delay):
        self.client, self.server, self.delay = client, server, delay
        self.awaits_request = True

    def serve(self):
        """Both ways until both are at their end."""
        back = threading.Thread(target=self._pass, args=(self.server, self.client, self._server_speaks), daemon=True)
        back.start()
        self._pass(self.client, self.server, self._client_speaks)
        back.join()
        self.client.close()
        self.server.close()

    def _client_speaks(self):
        if self.awaits_request:
            self.awaits_request = False
            time.sleep(self.delay)

    def _server_speaks(self):
        self.awaits_request = True

    def _pass(self, source, target, before):
        reading, writing = os.pipe()
        try:
            fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, CHUNK)
        except PermissionError:
            pass  # A user may have so many pages in pipes: it stays small, and more system calls are made.
        try:
            while source.recv(1, socket.MSG_PEEK):
                before()
                waiting = os.splice(source.fileno(), writing, CHUNK, flags=MOVE)
                while waiting:
                    waiting -= os.splice(reading, target.fileno(), waiting, flags=MOVE)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            # One side is gone: let the other know.
            for end in (source, target):
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
        finally:
            os.close(reading)
            os.close(writing)


def serve(listener, address, delay):
    """Accepts connections until the process ends."""
    while True:
        client, _ = listener.accept()
        try:
            server = socket.create_connection(address)
        except OSError:
            client.close()
            continue
        for end in (client, server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=Link(client, server, delay).serve, daemon=True).start()


def main(arguments):
    if len(arguments) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    host, port = arguments[0].rsplit(":", 1)
    listener = socket.create_server(("127.0.0.1", 0), backlog=256)
    print("127.0.0.1:%d" % listener.getsockname()[1], flush=True)
    serve(listener, (host, int(port)), float(arguments[1]) / 1000)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
