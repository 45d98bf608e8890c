#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A TCP proxy that takes its time, or cuts.

usage: proxy.py LISTEN-ADDRESS TO-ADDRESS DELAY-MS CUT-AFTER-BYTES PORT...

Each PORT of TO-ADDRESS is found at the same port of LISTEN-ADDRESS; every byte is passed on DELAY-MS later. A
connection on the last PORT is reset once CUT-AFTER-BYTES (0: never) have gone one way. Says "ready", then a line
for each cut."""
import selectors
import socket
import struct
import sys
import time

PIECE = 65536
HELD_MAX = 1 << 20  # bytes on their way in one direction; more are left with the sender


class Way:
    """One direction of a connection."""

    def __init__(self, source, sink):
        self.source, self.sink = source, sink
        self.held = []  # (when it is due, bytes)
        self.size = 0
        self.passed = 0
        self.ended = False

    def take(self, now, delay):
        try:
            piece = self.source.recv(PIECE)
        except BlockingIOError:
            return
        except OSError:
            piece = b""
        self.held.append((now + delay, piece))
        self.size += len(piece)
        self.ended = not piece

    def give(self, now):
        """What is due; False when the connection is over."""
        while self.held and self.held[0][0] <= now:
            due, piece = self.held[0]
            if not piece:
                return False
            try:
                sent = self.sink.send(piece)
            except BlockingIOError:
                return True
            except OSError:
                return False
            self.size -= sent
            self.passed += sent
            if sent < len(piece):
                self.held[0] = (due, piece[sent:])
                return True
            self.held.pop(0)
        return True


class Proxy:
    def __init__(self, here, there, delay, cut_after, ports):
        self.there, self.delay, self.cut_after = there, delay, cut_after
        self.cut_port = ports[-1]
        self.listeners = {}
        self.pairs = []  # (port, way there, way back)
        for port in ports:
            listener = socket.create_server((here, port), backlog=64)
            listener.setblocking(False)
            self.listeners[listener] = port

    def accept(self, listener):
        port = self.listeners[listener]
        near, _ = listener.accept()
        try:
            far = socket.create_connection((self.there, port), timeout=2)
        except OSError:
            near.close()
            return
        for end in (near, far):
            end.setblocking(False)
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.pairs.append((port, Way(near, far), Way(far, near)))

    def drop(self, pair, reset):
        for end in (pair[1].source, pair[1].sink):
            if reset:
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            end.close()
        self.pairs.remove(pair)

    def pass_on(self, now):
        for pair in list(self.pairs):
            port, *ways = pair
            goes_on = all([way.give(now) for way in ways])
            passed = max(way.passed for way in ways)
            if not goes_on:
                self.drop(pair, False)
            elif self.cut_after and port == self.cut_port and passed >= self.cut_after:
                self.drop(pair, True)
                self.cut_after = 0
                print(f"cut after {passed} bytes", flush=True)

    def wait(self, now):
        """For something to read, room to write, or the next piece to become due."""
        until = now + 1.0
        with selectors.DefaultSelector() as ready:
            for listener in self.listeners:
                ready.register(listener, selectors.EVENT_READ)
            wanted = {}
            for _, *ways in self.pairs:
                for way in ways:
                    if not way.ended and way.size < HELD_MAX:
                        wanted[way.source] = wanted.get(way.source, 0) | selectors.EVENT_READ
                    if way.held and way.held[0][0] <= now:
                        wanted[way.sink] = wanted.get(way.sink, 0) | selectors.EVENT_WRITE
                    elif way.held:
                        until = min(until, way.held[0][0])
            for end, what in wanted.items():
                ready.register(end, what)
            return [key.fileobj for key, _ in ready.select(max(0, until - now))]

    def run(self):
        while True:
            readable = self.wait(time.monotonic())
            now = time.monotonic()
            for _, *ways in self.pairs:
                for way in ways:
                    if way.source in readable and not way.ended and way.size < HELD_MAX:
                        way.take(now, self.delay)
            for listener in self.listeners:
                if listener in readable:
                    self.accept(listener)
            self.pass_on(now)


def main(here, there, delay_ms, cut_after, *ports):
    proxy = Proxy(here, there, int(delay_ms) / 1000, int(cut_after), [int(port) for port in ports])
    print("ready", flush=True)
    proxy.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
