"""HTTP/2 as a hostile client writes it: frames and headers byte by byte, nothing checked, nothing read unless asked."""

import socket
import struct
import time

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 7, 8, 9
END_STREAM, ACK, END_HEADERS = 0x1, 0x1, 0x4
INITIAL_WINDOW_SIZE = 4
MAX_FRAME = 16384


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def _length(size):  # HPACK, prefix of 7 bits, no Huffman code.
    if size < 127:
        return bytes([size])
    out, size = [127], size - 127
    while size >= 128:
        out.append(size % 128 + 128)
        size //= 128
    return bytes([*out, size])


def header_block(headers):
    """Literals without indexing: any bytes may be names and values."""
    return b"".join(b"\0" + _length(len(n)) + n + _length(len(v)) + v for n, v in headers)


def call_headers(method="/trimtab.v1.Summarizer/Summarize", **replaced):
    usual = {":method": "POST", ":scheme": "http", ":path": method, ":authority": "localhost",
             "content-type": "application/grpc", "te": "trailers"} | replaced
    return [(name.encode(), value.encode()) for name, value in usual.items() if value is not None]


def message(payload, compressed=False):
    return struct.pack(">BI", compressed, len(payload)) + payload


class Connection:
    """One connection. `window`: of a stream, how much the server may send before it is allowed more."""

    def __init__(self, address, window=None, timeout=10):
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), timeout=timeout)
        settings = b"" if window is None else struct.pack(">HI", INITIAL_WINDOW_SIZE, window)
        self.socket.sendall(PREFACE + frame(SETTINGS, 0, 0, settings))
        self.stream = -1
        self.received = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def call(self, headers, body=b"", end=True):
        """Sends a call in as many frames as it takes; the number of its stream."""
        self.stream += 2
        block = header_block(headers)
        parts = [block[i:i + MAX_FRAME] for i in range(0, len(block), MAX_FRAME)] or [b""]
        for i, part in enumerate(parts):
            flags = END_HEADERS if i == len(parts) - 1 else 0
            self.socket.sendall(frame(CONTINUATION if i else HEADERS, flags, self.stream, part))
        pieces = [body[i:i + MAX_FRAME] for i in range(0, len(body), MAX_FRAME)] or [b""]
        for i, piece in enumerate(pieces):
            last = end and i == len(pieces) - 1
            self.socket.sendall(frame(DATA, END_STREAM if last else 0, self.stream, piece))
        return self.stream

    def settle(self):
        """Waits for the server's settings, of which its limits are part, and acknowledges them."""
        while len(self.received) < 9 or len(self.received) < 9 + int.from_bytes(self.received[:3], "big"):
            self.received += self.socket.recv(65536)
        assert self.received[3] == SETTINGS
        self.received = self.received[9 + int.from_bytes(self.received[:3], "big"):]
        self._acknowledge()

    def _acknowledge(self):
        try:
            self.socket.sendall(frame(SETTINGS, ACK, 0))
        except OSError:
            pass  # What the server said last can still be read.

    def reset(self, stream):
        self.socket.sendall(frame(RST_STREAM, 0, stream, struct.pack(">I", 8)))

    def ending(self, seconds=10):
        """How the first call of this connection ends: ("grpc", code), ("http", code), ("reset", code),
        ("goaway", code) or ("closed", None). The server's header blocks are looked through for the plain text of
        what it names: on a fresh connection it refers to nothing it said before."""
        deadline = time.monotonic() + seconds
        http = None
        while time.monotonic() < deadline:
            while len(self.received) >= 9:
                size = int.from_bytes(self.received[:3], "big")
                if len(self.received) < 9 + size:
                    break
                kind, flags = self.received[3], self.received[4]
                payload, self.received = self.received[9:9 + size], self.received[9 + size:]
                if kind == SETTINGS and not flags & ACK:
                    self._acknowledge()
                if kind == RST_STREAM:
                    return "reset", int.from_bytes(payload, "big")
                if kind == GOAWAY:
                    return "goaway", int.from_bytes(payload[4:8], "big")
                if kind == HEADERS:
                    status = _value_of(payload, b"grpc-status")
                    if status is not None:
                        return "grpc", int(status)
                    if flags & END_STREAM:
                        return "http", http
            try:
                data = self.socket.recv(65536)
            except ConnectionError:
                return "closed", None
            if not data:
                return "closed", None
            self.received += data
        raise TimeoutError("the call has no end")


def _value_of(block, name):
    at = block.find(name)
    if at < 0:
        return None
    size = block[at + len(name)]
    return block[at + len(name) + 1:at + len(name) + 1 + size]


def await_data(connection, streams):
    """Reads until each of `streams` has sent something."""
    missing = set(streams)
    while missing:
        while len(connection.received) >= 9:
            size = int.from_bytes(connection.received[:3], "big")
            if len(connection.received) < 9 + size:
                break
            if connection.received[3] == DATA:
                missing.discard(int.from_bytes(connection.received[5:9], "big"))
            connection.received = connection.received[9 + size:]
        if missing:
            data = connection.socket.recv(65536)
            if not data:
                raise ConnectionError("the server closed the connection")
            connection.received += data
