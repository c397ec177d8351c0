"""A TCP proxy that makes every request take a fixed time longer, as a registry far away does.

    latency.py HOST:PORT MILLISECONDS      prints its own HOST:PORT and serves until it is ended

The first bytes that a client sends after the server spoke, that is the beginning of a request, wait; all else passes at once.
Bytes are moved by splice(2) and never enter this process, and one thread serves all connections: a request costs a few system
calls, so that the proxy is not what is measured, however many requests come at once.
"""

import fcntl
import heapq
import itertools
import os
import select
import socket
import sys
import time

CHUNK = 1 << 18
FLAGS = 1 | 2  # SPLICE_F_MOVE | SPLICE_F_NONBLOCK


class Way:
    """One direction of a connection: from `source` through a pipe to `target`."""

    def __init__(self, source, target):
        self.source, self.target = source, target
        self.reading, self.writing = os.pipe2(os.O_NONBLOCK)
        try:
            fcntl.fcntl(self.writing, fcntl.F_SETPIPE_SZ, CHUNK)
        except PermissionError:
            pass  # A user may have so many pages in pipes: it stays small, and more system calls are made.
        self.held = 0
        self.has_ended = False
        self.is_late = False

    def move(self):
        """Moves what there is; answers whether anything was moved."""
        moved = False
        while not self.is_late:
            if self.held:
                try:
                    self.held -= os.splice(self.reading, self.target.fileno(), self.held, flags=FLAGS)
                    moved = True
                    continue
                except BlockingIOError:
                    break
            if self.has_ended:
                break
            try:
                self.held = os.splice(self.source.fileno(), self.writing, CHUNK, flags=FLAGS)
            except BlockingIOError:
                break
            if self.held == 0:
                self.has_ended = True
                self.target.shutdown(socket.SHUT_WR)
        return moved

    def close(self):
        os.close(self.reading)
        os.close(self.writing)


class Link:
    """A client's connection and its counterpart to the server."""

    def __init__(self, client, server):
        self.client, self.server = client, server
        self.there, self.back = Way(client, server), Way(server, client)
        self.awaits_request = True

    @property
    def is_over(self):
        return self.there.has_ended and self.back.has_ended and not self.there.held and not self.back.held

    def close(self):
        for part in (self.there, self.back, self.client, self.server):
            part.close()


class Proxy:
    """All links, and the requests that wait."""

    def __init__(self, listener, address, delay):
        self.listener, self.address, self.delay = listener, address, delay
        self.poll = select.epoll()
        self.links = {}
        self.late = []
        self.numbers = itertools.count()

    def serve(self):
        self.poll.register(self.listener.fileno(), select.EPOLLIN)
        while True:
            wait = max(0, self.late[0][0] - time.monotonic()) if self.late else -1
            for descriptor, _ in self.poll.poll(wait):
                if descriptor == self.listener.fileno():
                    self.accept()
                elif descriptor in self.links:
                    self.go_on(self.links[descriptor])
            while self.late and self.late[0][0] <= time.monotonic():
                link = heapq.heappop(self.late)[2]
                link.there.is_late = False
                if link.client.fileno() in self.links:
                    self.go_on(link)

    def accept(self):
        client, _ = self.listener.accept()
        try:
            server = socket.create_connection(self.address)
        except OSError:
            client.close()
            return
        link = Link(client, server)
        for end in (client, server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            end.setblocking(False)
            self.links[end.fileno()] = link
            # Told once of each change: whoever is told moves all there is.
            self.poll.register(end.fileno(), select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET)

    def go_on(self, link):
        try:
            if link.back.move():
                link.awaits_request = True
            if link.awaits_request and self.has_input(link.client):
                link.awaits_request = False
                link.there.is_late = True
                heapq.heappush(self.late, (time.monotonic() + self.delay, next(self.numbers), link))
            link.there.move()
        except OSError:
            # One side is gone: let the other know.
            return self.end(link)
        if link.is_over:
            self.end(link)

    @staticmethod
    def has_input(end):
        try:
            return bool(end.recv(1, socket.MSG_PEEK))
        except BlockingIOError:
            return False

    def end(self, link):
        for part in (link.client, link.server):
            self.links.pop(part.fileno(), None)
        link.close()


def main(arguments):
    if len(arguments) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    host, port = arguments[0].rsplit(":", 1)
    listener = socket.create_server(("127.0.0.1", 0), backlog=256)
    print("127.0.0.1:%d" % listener.getsockname()[1], flush=True)
    Proxy(listener, (host, int(port)), float(arguments[1]) / 1000).serve()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
