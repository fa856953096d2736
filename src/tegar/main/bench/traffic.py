"""Ends of traffic of drills and measurements, each a process in a namespace: ``python -m tegar.main.bench.traffic ROLE ...``.

``serve PORT STREAM`` greets back at one port, and at the other sends numbered blocks until it is told the end.
``ask IP PORT RATE [tls]`` greets so often a second, each time anew, whatever became of the greetings before.
``take IP STREAM`` reads the blocks.  All say ``ready`` first and go on until their input ends; then ``ask`` prints
when each greeting was sent and answered, ``take`` when blocks came and whether all did, as JSON.
Only the standard library is imported here.
"""

from __future__ import annotations

import json
import socket
import ssl
import struct
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import cache

GREETING = b"hello"
BLOCK_BYTES, BLOCK_EVERY_S = 8192, 0.01
END = 2**64 - 1
ANSWER_PATIENCE_S = 5.0
AT_ONCE = 600
_NUMBER = struct.Struct("!Q")


def block(number: int) -> bytes:
    """Return a block of the transfer: its number, again and again."""
    return _NUMBER.pack(number) * (BLOCK_BYTES // _NUMBER.size)


def serve(port: int, stream_port: int) -> None:
    """Answer everybody until the input ends."""
    for at, answer in ((port, _greet), (stream_port, _give)):
        listening = socket.create_server(("", at), backlog=1024)
        threading.Thread(target=_accept, args=(listening, answer), daemon=True).start()
    _ready()
    sys.stdin.read()


def _ready() -> None:
    print("ready", flush=True)


def _accept(listening: socket.socket, answer: object) -> None:
    while True:
        conn, _ = listening.accept()
        threading.Thread(target=answer, args=(conn,), daemon=True).start()  # type: ignore[arg-type]


def _greet(conn: socket.socket) -> None:
    with conn:
        conn.settimeout(ANSWER_PATIENCE_S)
        try:
            conn.sendall(conn.recv(len(GREETING)))
        except OSError:
            return  # who asked gave up


def _give(conn: socket.socket) -> None:
    told = threading.Event()
    threading.Thread(target=_await_end, args=(conn, told), daemon=True).start()
    number = 0
    with conn:
        try:
            while not told.wait(BLOCK_EVERY_S):
                conn.sendall(block(number))
                number += 1
            conn.sendall(block(END))
        except OSError:
            return  # who took is gone


def _await_end(conn: socket.socket, told: threading.Event) -> None:
    try:
        conn.recv(1)
    finally:
        told.set()


def ask(ip: str, port: int, rate: float, *, tls: bool) -> None:
    """Ask until the input ends; print all ``[sent, answered or null]`` in seconds since 1970."""
    stop, found = _input_end(), list[list[float | None]]()

    def once() -> None:
        sent_s = time.time()
        fine = greets(ip, port, tls=tls)
        found.append([sent_s, time.time() if fine else None])

    with ThreadPoolExecutor(AT_ONCE) as pool:
        _ready()
        next_s = time.monotonic()
        while not stop.wait(max(0.0, next_s - time.monotonic())):
            pool.submit(once)
            next_s += 1 / rate
    print(json.dumps(sorted(found, key=lambda pair: pair[0] or 0)), flush=True)


def greets(ip: str, port: int, *, tls: bool = False) -> bool:
    """Return whether a greeting is answered; by TLS, with whatever certificate."""
    try:
        with socket.create_connection((ip, port), timeout=ANSWER_PATIENCE_S) as s:
            if not tls:
                return _greeted(s)
            with _anybody().wrap_socket(s) as wrapped:
                return _greeted(wrapped)
    except OSError:
        return False


def _greeted(s: socket.socket) -> bool:
    s.sendall(GREETING)
    return s.recv(len(GREETING)) == GREETING


@cache
def _anybody() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def take(ip: str, port: int) -> None:
    """Read until the input ends; print when blocks came, how many were missing, and how it ended."""
    stop = _input_end()
    times, wrong, expected, ended = list[float](), 0, 0, "broken"
    with socket.create_connection((ip, port), timeout=60) as s:
        _ready()
        threading.Thread(target=_say_end, args=(stop, s), daemon=True).start()
        try:
            while data := _read(s):
                number = _NUMBER.unpack(data[: _NUMBER.size])[0]
                if number == END:
                    ended = "whole"
                    break
                wrong += data != block(expected)
                expected = number + 1
                times.append(time.time())
        except OSError as e:
            ended = str(e)
    print(json.dumps({"times": times, "wrong": wrong, "ended": ended}), flush=True)


def _read(s: socket.socket) -> bytes:
    """Return one block, less at the end."""
    found = b""
    while len(found) < BLOCK_BYTES and (more := s.recv(BLOCK_BYTES - len(found))):
        found += more
    return found if len(found) == BLOCK_BYTES else b""


def _input_end() -> threading.Event:
    ended = threading.Event()

    def wait() -> None:
        sys.stdin.read()
        ended.set()

    threading.Thread(target=wait, daemon=True).start()
    return ended


def _say_end(stop: threading.Event, s: socket.socket) -> None:
    stop.wait()
    s.sendall(b"e")


if __name__ == "__main__":
    role, *args = sys.argv[1:]
    if role == "serve":
        serve(int(args[0]), int(args[1]))
    elif role == "ask":
        ask(args[0], int(args[1]), float(args[2]), tls=args[3:] == ["tls"])
    else:
        take(args[0], int(args[1]))
