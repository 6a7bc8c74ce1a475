"""Attach over WebSocket, spoken by hand."""
import base64
import os
import socket
import struct

import pytest


class WebSocket:
    def __init__(self, engine, path, headers=True):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(10)
        self.socket.connect(engine.socket)
        extra = f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" if headers else ""
        self.socket.sendall(f"GET {path} HTTP/1.1\r\nHost: d\r\nOrigin: http://d\r\n{extra}\r\n".encode())
        self.reader = self.socket.makefile("rb")
        self.status = self.reader.readline().decode()
        self.headers = {}
        while (line := self.reader.readline().strip()):
            name, value = line.decode().split(":", 1)
            self.headers[name.lower()] = value.strip()

    def send(self, data, opcode=2):
        mask = os.urandom(4)
        length = bytes([0x80 | len(data)]) if len(data) < 126 else bytes([0x80 | 126]) + struct.pack(">H", len(data)) if len(data) < 65536 else bytes([0x80 | 127]) + struct.pack(">Q", len(data))
        self.socket.sendall(bytes([0x80 | opcode]) + length + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(data)))

    def receive(self):
        head = self.reader.read(2)
        length = head[1] & 127
        if length == 126:
            length = struct.unpack(">H", self.reader.read(2))[0]
        elif length == 127:
            length = struct.unpack(">Q", self.reader.read(8))[0]
        return head[0] & 15, self.reader.read(length)

    def read_until(self, wanted):
        data = b""
        while wanted not in data:
            opcode, piece = self.receive()
            assert opcode == 2, (opcode, piece, data)
            data += piece
        return data

    def close(self):
        self.reader.close()
        self.socket.close()



def test_both_ways(engine, api):
    container = api.run("cat", OpenStdin=True)
    stream = WebSocket(engine, f"/containers/{container}/attach/ws?stream=1&stdin=1&stdout=1&stderr=1")
    assert " 101 " in stream.status and stream.headers["sec-websocket-accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    assert "server" not in stream.headers and stream.headers["upgrade"] == "websocket"
    stream.send(b"hello\n")
    assert stream.read_until(b"hello\n") == b"hello\n"
    long = b"x" * 70000 + b"\n"
    stream.send(long)
    assert stream.read_until(b"\n") == long
    stream.close()
    assert api.state(container)["Running"]


def test_a_terminal(engine, api):
    container = api.run("sh", OpenStdin=True, Tty=True)
    stream = WebSocket(engine, f"/containers/{container}/attach/ws?stream=1&stdin=1&stdout=1")
    stream.send(b"echo $((40+2))\n", opcode=1)
    stream.read_until(b"42")
    stream.close()


def test_it_ends_with_the_container_and_can_begin_before_it(engine, api):
    container = api.create("sh", "-c", "echo out; echo err >&2")
    stream = WebSocket(engine, f"/containers/{container}/attach/ws?stream=1&stdout=1&stderr=1")
    api.start(container)
    data = b""
    while True:
        opcode, piece = stream.receive()
        if opcode == 8:
            break
        data += piece
    assert sorted(data.split()) == [b"err", b"out"]
    stream.close()


@pytest.mark.proa
def test_pings_are_answered(engine, api):
    container = api.run("sleep", "100")
    stream = WebSocket(engine, f"/containers/{container}/attach/ws?stream=1&stdout=1")
    stream.send(b"are you there", opcode=9)
    assert stream.receive() == (10, b"are you there")
    stream.send(b"\x03\xe8", opcode=8)
    assert stream.receive()[0] == 8
    stream.close()


def test_what_is_no_websocket_is_refused(engine, api):
    container = api.run("sleep", "100")
    stream = WebSocket(engine, f"/containers/{container}/attach/ws?stream=1&stdout=1", headers=False)
    assert " 400 " in stream.status
    stream.close()
    assert api.get("/containers/nope/attach/ws").status == 404
