"""A small DNS client and server, and code that runs in a container's network namespace."""
import multiprocessing
import os
import random
import socket
import struct
import threading

from . import isolation

A, PTR, MX, TXT, AAAA = 1, 12, 15, 16, 28
SERVER = ("127.0.0.11", 53)


def encode_name(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.rstrip(".").split(".") if label) + b"\0"


def query(name, kind=A, number=None, edns=None):
    number = random.randrange(65536) if number is None else number
    message = struct.pack("!6H", number, 0x0100, 1, 0, 0, 1 if edns else 0) + encode_name(name) + struct.pack("!2H", kind, 1)
    return message + (b"\0" + struct.pack("!HHIH", 41, edns, 0, 0) if edns else b"")


def _skip(message, at):
    while True:
        size = message[at]
        if size >= 0xC0:
            return at + 2
        at += 1 + size
        if size == 0:
            return at


def _name(message, at):
    labels = []
    while at < len(message) and message[at]:
        size = message[at]
        if size >= 0xC0:
            at = struct.unpack("!H", message[at:at + 2])[0] & 0x3FFF
            continue
        labels.append(message[at + 1:at + 1 + size].decode())
        at += 1 + size
    return ".".join(labels)


class Answer:
    def __init__(self, message):
        self.number, self.flags, questions, answers, _, self.additional = struct.unpack("!6H", message[:12])
        self.code, self.truncated, self.size = self.flags & 15, bool(self.flags & 0x200), len(message)
        self.values, self.ttl = [], None
        at = 12
        for _ in range(questions):
            at = _skip(message, at) + 4
        for _ in range(answers):
            at = _skip(message, at)
            kind, _, self.ttl, size = struct.unpack("!HHIH", message[at:at + 10])
            data = message[at + 10:at + 10 + size]
            if kind == A:
                self.values.append(socket.inet_ntop(socket.AF_INET, data))
            elif kind == AAAA:
                self.values.append(socket.inet_ntop(socket.AF_INET6, data))
            elif kind == PTR:
                self.values.append(_name(message, at + 10))
            at += 10 + size

    def __repr__(self):
        return f"Answer(code={self.code}, {self.values})"


def ask(name, kind=A, tcp=False, edns=None, timeout=5, server=SERVER):
    """In the calling process's namespace."""
    message = query(name, kind, edns=edns)
    if tcp:
        with socket.create_connection(server, timeout=timeout) as stream:
            stream.sendall(struct.pack("!H", len(message)) + message)
            data = b""
            while len(data) < 2 or len(data) < 2 + struct.unpack("!H", data[:2])[0]:
                piece = stream.recv(65536)
                assert piece, "the server closed"
                data += piece
            return Answer(data[2:])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        datagrams.settimeout(timeout)
        datagrams.sendto(message, server)
        while True:
            data, sender = datagrams.recvfrom(65536)
            assert sender == server
            if data[:2] == message[:2]:
                return Answer(data)


def _child(pipe, path, work, arguments):
    try:
        isolation.enter_network_namespace(path)
        pipe.send((True, work(*arguments)))
    except BaseException as error:  # all of it goes to the test
        pipe.send((False, f"{type(error).__name__}: {error}"))


def inside(pid, work, *arguments, timeout=60):
    """work(*arguments) in the network namespace of `pid`, in a process of its own; its result."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=_child, args=(there, f"/proc/{pid}/ns/net", work, arguments))
    process.start()
    there.close()
    try:
        assert here.poll(timeout), "no answer from inside"
        good, value = here.recv()
    finally:
        process.join(1)
        if process.is_alive():
            process.kill()
            process.join()
        here.close()
    if not good:
        raise AssertionError(value)
    return value


def ask_many(names, kind=A):
    return [ask(name, kind).values for name in names]


def load(name, rate, seconds):
    """Queries at a steady rate; (sent, answered)."""
    import select
    import time
    stream = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    stream.setsockopt(socket.SOL_SOCKET, 33, 4 << 20)  # SO_RCVBUFFORCE
    stream.setblocking(False)
    stream.connect(SERVER)
    sent, answered, begin = 0, 0, time.monotonic()
    total = int(rate * seconds)
    while answered < total:
        elapsed = time.monotonic() - begin
        if elapsed > seconds + 20:
            break
        due = min(total, int(elapsed * rate))
        for _ in range(min(due - sent, 50)):
            try:
                stream.send(query(name, number=sent & 0xFFFF))
            except BlockingIOError:
                break
            sent += 1
        try:
            while True:
                stream.recv(2048)
                answered += 1
        except BlockingIOError:
            pass
        if sent >= due:
            select.select([stream], [], [], 0.001)
    return sent, answered


class Upstream:
    """A name server on 127.0.0.1:53 or another address of the calling process's namespace: answers A with 192.0.2.1 to what ends in `.test`."""

    def __init__(self, address="127.0.0.1", value="192.0.2.1", silent=False, refuses=False):
        self.value, self.silent, self.refuses, self.asked = value, silent, refuses, []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind((address, 53))
        self.stream = socket.socket()
        self.stream.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.stream.bind((address, 53))
        self.stream.listen()
        self.threads = [threading.Thread(target=self.serve, daemon=True), threading.Thread(target=self.serve_tcp, daemon=True)]
        for thread in self.threads:
            thread.start()

    def answer(self, message):
        name = _name(message, 12)
        self.asked.append(name)
        end = _skip(message, 12) + 4
        question = message[12:end]
        known = name.endswith(".test") and not self.refuses
        code = 5 if self.refuses else 0 if known else 3
        head = message[:2] + struct.pack("!5H", 0x8180 | code, 1, 1 if known else 0, 0, 0)
        return head + question + (b"\xc0\x0c" + struct.pack("!HHIH", A, 1, 60, 4) + socket.inet_aton(self.value) if known else b"")

    def serve(self):
        while True:
            try:
                message, sender = self.socket.recvfrom(4096)
            except OSError:
                return
            if len(message) < 17:
                continue
            if self.silent:
                self.asked.append(_name(message, 12))
            else:
                self.socket.sendto(self.answer(message), sender)

    def serve_tcp(self):
        while True:
            try:
                stream, _ = self.stream.accept()
            except OSError:
                return
            with stream:
                size = struct.unpack("!H", stream.recv(2))[0]
                answer = self.answer(stream.recv(size))
                stream.sendall(struct.pack("!H", len(answer)) + answer)

    def close(self):
        for one in (self.socket, self.stream):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            one.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
