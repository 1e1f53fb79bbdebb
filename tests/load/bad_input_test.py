"""Bytes that no honest client sends: each is answered by one documented status, the server lives, its memory is bounded."""

import os
import socket
import sys
import time
import unittest
import zlib

sys.path.insert(0, os.path.dirname(__file__))
from http2 import Connection, call_headers, message  # noqa: E402
from processes import Server  # noqa: E402

RESOURCE_EXHAUSTED, UNIMPLEMENTED, INTERNAL = 8, 12, 13
OK = ("grpc", 0)
GOOD = message(b"\x0a\x09some text\x1a\x02\x08\x01")  # One token.
GROWTH_MIB = 64


class BadInputTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(os.environ["TRIMTAB_BUILD"])
        cls.addClassCleanup(cls.server.__exit__)

    def setUp(self):
        self.assertEqual(self.ending(call_headers(), GOOD), OK)
        self.before = self.server.rss_mib()

    def tearDown(self):
        self.assertTrue(self.server.alive())
        self.assertEqual(self.ending(call_headers(), GOOD), OK, "it serves on")
        self.assertLess(self.server.rss_mib() - self.before, GROWTH_MIB)

    def ending(self, headers, body=b""):
        with Connection(self.server.address) as connection:
            connection.call(headers, body)
            return connection.ending()

    def test_a_gzip_bomb_is_not_unpacked(self):
        pack = zlib.compressobj(9, zlib.DEFLATED, 31)
        zeros = bytes(1 << 20)
        bomb = b"".join(pack.compress(zeros) for _ in range(256)) + pack.flush()
        for encoding in ("gzip", "deflate", "identity", "snappy"):
            headers = call_headers(**{"grpc-encoding": encoding})
            kind, code = self.ending(headers, message(bomb, compressed=True))
            self.assertEqual(kind, "grpc", encoding)
            self.assertIn(code, (UNIMPLEMENTED, INTERNAL), encoding)
        self.assertLess(self.server.peak_mib() - self.before, GROWTH_MIB, "nor for a moment")

    def test_metadata_beyond_the_limit_is_refused(self):
        for extra in ([(b"x-long", b"a" * (64 << 10))], [(b"x-%d" % i, b"value of no use") for i in range(1000)]):
            kind, code = self.ending(call_headers() + extra, GOOD)
            self.assertIn((kind, code), [("grpc", RESOURCE_EXHAUSTED), ("reset", 11), ("goaway", 11)])

    def test_binary_metadata_that_is_no_base64_ends_the_call_or_is_ignored(self):
        for value in (b"!!!!", b"a", b"\x80\xff", b"=" * 9000):
            self.assertIn(self.ending(call_headers() + [(b"x-bad-bin", value)], GOOD)[0],
                          ("grpc", "reset", "goaway", "closed"))

    def test_odd_te_scheme_and_names_end_the_call(self):
        for odd in ({"te": "chunked"}, {"te": None}, {":scheme": "gopher"}, {":scheme": "x" * 9000}, {":path": ""},
                    {":method": "BREW"}, {"content-type": "text/html"}, {"grpc-timeout": "soon"}, {"": "empty"},
                    {"te": "x" * 9000, ":scheme": "y" * 7000}, {"X-Upper": "case"}, {"a\0b": "nul"}):
            with self.subTest(odd=str(odd)[:40]):
                self.assertIn(self.ending(call_headers(**odd), GOOD)[0], ("grpc", "http", "reset", "goaway", "closed"))

    def test_frames_that_lie_end_the_connection(self):
        for garbage in (b"\0\0\x08\x06\0\0\0\0\0" + bytes(4), b"\xff" * 64, b"GET / HTTP/1.1\r\n\r\n",
                        b"\0\0\x01\x01\x04\0\0\0\x01\x80", b"\0\x40\x01\0\0\0\0\0\x01"):
            with self.subTest(garbage=garbage[:12]), Connection(self.server.address) as connection:
                connection.socket.sendall(garbage)
                connection.socket.shutdown(socket.SHUT_WR)
                self.assertIn(connection.ending()[0], ("goaway", "closed", "reset"))

    def test_a_message_longer_than_it_says_or_than_is_taken_is_refused(self):
        self.assertEqual(self.ending(call_headers(), b"\0\xff\xff\xff\xff" + b"x" * 100), ("grpc", RESOURCE_EXHAUSTED))
        kind, code = self.ending(call_headers(), b"\0\0\0\0\x40short")
        self.assertEqual((kind, code), ("grpc", INTERNAL))

    def test_two_hundred_slow_askers_of_metrics_keep_nobody_from_the_probes(self):
        host, port = self.server.metrics_address.split(":")
        slow = [socket.create_connection((host, int(port))) for _ in range(200)]
        try:
            for asker in slow:
                asker.sendall(b"GET /metrics HT")
            started = time.monotonic()
            self.assertIn("trimtab_requests_waiting", self.server.metrics())
            self.assertLess(time.monotonic() - started, 10)
        finally:
            for asker in slow:
                asker.close()

    def test_strange_paths_and_endless_lines_to_metrics_are_client_errors(self):
        host, port = self.server.metrics_address.split(":")
        for request in (b"GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /" + b"a" * (1 << 20) +
                        b" HTTP/1.1\r\n\r\n", b"BREW / HTTP/1.1\r\n\r\n", b"\0\xff\xfe\r\n\r\n",
                        b"POST /metrics HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n"):
            with self.subTest(request=request[:30]), socket.create_connection((host, int(port)), timeout=10) as asker:
                reply = b""
                try:
                    asker.sendall(request)
                    reply = asker.recv(64)
                except ConnectionError:
                    pass
                self.assertRegex(reply.decode(), r"^(HTTP/1\.1 4\d\d .*|)$(?s:.*)")


if __name__ == "__main__":
    unittest.main()
