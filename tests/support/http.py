"""Plain HTTP over a unix socket, with nothing hidden: header lines as sent, raw hijacked streams, frames."""
import json
import socket
import struct


class Response:
    def __init__(self, status, reason, headers, body=b""):
        self.status, self.reason, self.headers, self.body = status, reason, headers, body

    def header(self, name):
        """The value of the header, None when it is missing."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    @property
    def text(self):
        return self.body.decode()

    def json(self):
        return json.loads(self.body)

    def lines(self):
        """Concatenated JSON objects."""
        decoder, text, out = json.JSONDecoder(), self.text.strip(), []
        while text:
            value, end = decoder.raw_decode(text)
            out.append(value)
            text = text[end:].lstrip()
        return out

    @property
    def message(self):
        return self.json()["message"]

    def __repr__(self):
        return f"<{self.status} {self.body[:300]!r}>"


class Stream:
    """An open connection after the reply head: hijacked, chunked or plain."""

    def __init__(self, connection, reader, response):
        self.connection, self.reader, self.response = connection, reader, response
        self.chunked = (response.header("Transfer-Encoding") or "").lower() == "chunked"

    def send(self, data):
        self.connection.sendall(data)

    def close_write(self):
        self.connection.shutdown(socket.SHUT_WR)

    def read_chunk(self):
        """One chunk; b"" at the end."""
        line = self.reader.readline()
        if not line:
            return b""
        size = int(line, 16)
        data = self.reader.read(size) if size else b""
        self.reader.readline()
        return data

    def read_all(self):
        if not self.chunked:
            return self.reader.read()
        out = b""
        while chunk := self.read_chunk():
            out += chunk
        return out

    def read_some(self):
        return self.read_chunk() if self.chunked else self.reader.read1(65536)

    def read_until(self, wanted):
        """Bytes up to and with `wanted`."""
        data = b""
        while wanted not in data:
            piece = self.read_some()
            if not piece:
                raise EOFError(f"stream ended without {wanted!r}: {data!r}")
            data += piece
        return data

    def objects(self):
        """JSON objects as they come, one per line."""
        rest = b""
        while True:
            piece = self.read_some()
            if not piece:
                return
            rest += piece
            while b"\n" in rest:
                line, rest = rest.split(b"\n", 1)
                if line.strip():
                    yield json.loads(line)

    def settimeout(self, seconds):
        self.connection.settimeout(seconds)

    def close(self):
        self.reader.close()
        self.connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def frames(data):
    """[(stream number, payload)] of a multiplexed stream."""
    out = []
    while data:
        assert len(data) >= 8 and data[1:4] == b"\0\0\0", f"not a frame: {data[:40]!r}"
        size = struct.unpack(">I", data[4:8])[0]
        assert len(data) >= 8 + size, "cut frame"
        out.append((data[0], data[8:8 + size]))
        data = data[8 + size:]
    return out


def demultiplex(data):
    """(stdout, stderr) of a multiplexed stream."""
    parts = frames(data)
    return b"".join(p for n, p in parts if n == 1), b"".join(p for n, p in parts if n == 2)


class Http:
    """Requests to one engine. `version` goes in front of every path that does not carry one."""

    def __init__(self, path, version=None, timeout=30):
        self.path, self.version, self.timeout = path, version, timeout

    def at(self, version):
        return Http(self.path, version, self.timeout)

    def _open(self):
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(self.timeout)
        connection.connect(self.path)
        return connection

    def _target(self, path):
        return f"/v{self.version}{path}" if self.version and not path.startswith("/v1.") else path

    @staticmethod
    def _read_head(reader):
        line = reader.readline().decode("latin-1").rstrip("\r\n")
        if not line:
            raise ConnectionError("the connection was closed without an answer")
        _, status, *reason = line.split(" ", 2)
        headers = []
        while True:
            field = reader.readline().decode("latin-1").rstrip("\r\n")
            if not field:
                break
            name, _, value = field.partition(":")
            headers.append((name, value.strip()))
        return Response(int(status), reason[0] if reason else "", headers)

    def open(self, method, path, body=None, headers=()):
        """Sends a request and returns the stream after the reply head."""
        if body is not None and not isinstance(body, (bytes, str)):
            body, headers = json.dumps(body), [("Content-Type", "application/json"), *headers]
        data = body.encode() if isinstance(body, str) else body
        head = f"{method} {self._target(path)} HTTP/1.1\r\nHost: docker\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in headers)
        if data is not None:
            head += f"Content-Length: {len(data)}\r\n"
        elif method in ("POST", "PUT"):
            head += "Content-Length: 0\r\n"
        connection = self._open()
        try:
            connection.sendall(head.encode() + b"\r\n" + (data or b""))
        except (BrokenPipeError, ConnectionResetError):
            pass  # the server answered before it had read everything
        reader = connection.makefile("rb")
        return Stream(connection, reader, self._read_head(reader))

    def hijack(self, path, body=None, headers=()):
        return self.open("POST", path, body, [("Connection", "Upgrade"), ("Upgrade", "tcp"), *headers])

    def request(self, method, path, body=None, headers=()):
        stream = self.open(method, path, body, headers)
        with stream:
            response = stream.response
            if method == "HEAD" or response.status in (101, 204, 304):
                return response
            if stream.chunked:
                response.body = stream.read_all()
            elif response.header("Content-Length") is not None:
                response.body = stream.reader.read(int(response.header("Content-Length")))
            else:
                response.body = stream.reader.read()
        return response

    def raw(self, data, half_close=False):
        """Sends bytes as they are; everything that comes back until the server closes."""
        with self._open() as connection:
            try:
                connection.sendall(data)
                if half_close:
                    connection.shutdown(socket.SHUT_WR)
            except (BrokenPipeError, ConnectionResetError):
                pass
            out = b""
            while True:
                try:
                    piece = connection.recv(65536)
                except (ConnectionResetError, socket.timeout):
                    return out
                if not piece:
                    return out
                out += piece

    def get(self, path, headers=()):
        return self.request("GET", path, None, headers)

    def head(self, path):
        return self.request("HEAD", path)

    def post(self, path, body=None, headers=()):
        return self.request("POST", path, body, headers)

    def put(self, path, body=None, headers=()):
        return self.request("PUT", path, body, headers)

    def delete(self, path):
        return self.request("DELETE", path)
