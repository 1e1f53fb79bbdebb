"""Bytes that no honest client sends: each is answered by one documented status, the server lives, its memory is bounded."""

import os
import socket
import sys
import tempfile
import time
import unittest
import zlib

sys.path.insert(0, os.path.dirname(__file__))
from http2 import Connection, call_headers, message  # noqa: E402
from processes import Server  # noqa: E402

UNKNOWN, RESOURCE_EXHAUSTED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE = 2, 8, 12, 13, 14
OK = ("grpc", 0)
GOOD = message(b"\x0a\x09some text\x1a\x02\x08\x01")  # One token.
GROWTH_MIB = int(os.environ["TRIMTAB_GROWTH_MIB"])


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

    def ending(self, headers, body=b"", settled=False):
        with Connection(self.server.address) as connection:
            if settled:
                connection.settle()
            connection.call(headers, body)
            return connection.ending()

    def test_a_gzip_bomb_is_not_unpacked(self):
        pack = zlib.compressobj(9, zlib.DEFLATED, 31)
        zeros = bytes(1 << 20)
        bomb = b"".join(pack.compress(zeros) for _ in range(256)) + pack.flush()
        endings = {"gzip": [("grpc", UNIMPLEMENTED)], "deflate": [("grpc", UNIMPLEMENTED)],
                   "identity": [("grpc", INTERNAL), ("reset", 1)]}  # A reset may overtake the status.
        for encoding, allowed in endings.items():
            headers = call_headers(**{"grpc-encoding": encoding})
            self.assertIn(self.ending(headers, message(bomb, compressed=True)), allowed, encoding)
        self.assertLess(self.server.peak_mib() - self.before, GROWTH_MIB, "nor for a moment")

    def test_an_article_of_which_little_is_read_takes_little(self):
        for article in ("A word. " * 130_000, "x" * (1 << 20), "\u20ac" * 349_000):
            with tempfile.NamedTemporaryFile("w", encoding="utf-8") as file:
                file.write(article)
                file.flush()
                report = self.server.bench("--requests", 1, "--warmup", 0, "--max-new-tokens", 1, article=file.name)
            self.assertEqual(report["codes"], {"OK": 1})
        self.assertLess(self.server.peak_mib() - self.before, GROWTH_MIB / 2)

    def test_metadata_beyond_the_limit_is_refused(self):
        for extra in ([(b"x-long", b"a" * (64 << 10))], [(b"x-%d" % i, b"value of no use") for i in range(1000)]):
            self.assertEqual(self.ending(call_headers() + extra, GOOD, settled=True), ("grpc", RESOURCE_EXHAUSTED))

    def test_metadata_of_who_has_not_heard_of_the_limit_is_bounded(self):
        """HTTP/2 lets a client send until it has acknowledged the limit; gRPC then takes up to 16 MiB."""
        self.assertEqual(self.ending(call_headers() + [(b"x-long", b"a" * (1 << 20))], GOOD), OK)

    def test_binary_metadata_that_is_no_base64_ends_the_call(self):
        for value in (b"!!!!", b"a", b"\x80\xff"):
            self.assertEqual(self.ending(call_headers() + [(b"x-bad-bin", value)], GOOD), ("grpc", UNAVAILABLE))

    def test_odd_te_scheme_and_method_end_the_call(self):
        for odd, code in (({"te": "chunked"}, UNKNOWN), ({"te": None}, UNKNOWN), ({":scheme": "gopher"}, UNKNOWN),
                          ({":scheme": "x" * 9000}, UNKNOWN), ({":method": "BREW"}, UNKNOWN),
                          ({"te": "x" * 9000, ":scheme": "y" * 7000}, UNKNOWN), ({":path": ""}, UNIMPLEMENTED)):
            with self.subTest(odd=str(odd)[:40]):
                self.assertEqual(self.ending(call_headers(**odd), GOOD), ("grpc", code))

    def test_what_gRPC_has_no_use_for_is_ignored(self):
        for odd in ({"content-type": "text/html"}, {"grpc-timeout": "soon"}, {"": "empty"}, {"X-Upper": "case"},
                    {"a\0b": "nul"}):
            with self.subTest(odd=odd):
                self.assertEqual(self.ending(call_headers(**odd), GOOD), OK)

    def test_frames_that_lie_end_the_connection(self):
        for garbage in (b"\0\0\x08\x06\0\0\0\0\0" + bytes(4), b"\xff" * 64, b"GET / HTTP/1.1\r\n\r\n",
                        b"\0\0\x01\x01\x04\0\0\0\x01\x80", b"\0\x40\x01\0\0\0\0\0\x01"):
            with self.subTest(garbage=garbage[:12]), Connection(self.server.address) as connection:
                connection.socket.sendall(garbage)
                connection.socket.shutdown(socket.SHUT_WR)
                self.assertIn(connection.ending(), (("goaway", 1), ("closed", None), ("grpc", UNAVAILABLE)))

    def test_a_message_that_is_shorter_than_it_says_is_refused(self):
        for body in (b"\0\xff\xff\xff\xff" + b"x" * 100, b"\0\0\0\0\x40short"):
            self.assertEqual(self.ending(call_headers(), body), ("grpc", INTERNAL))

    def test_two_hundred_slow_askers_of_metrics_keep_nobody_from_the_probes(self):
        host, port = self.server.metrics_address.split(":")
        # Who finds no room among those to be accepted is let in when it asks again, a second later: none has to.
        slow = [socket.create_connection((host, int(port)), timeout=0.9) for _ in range(200)]
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
        endless = b"POST /metrics HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n"  # Its body is not waited for.
        for request, answer in ((b"GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n", b"4"),
                                (b"GET /" + b"a" * (1 << 20) + b" HTTP/1.1\r\n\r\n", b"4"),
                                (b"BREW / HTTP/1.1\r\n\r\n", b"4"), (b"\0\xff\xfe\r\n\r\n", b"4"), (endless, b"405")):
            with self.subTest(request=request[:30]), socket.create_connection((host, int(port)), timeout=10) as asker:
                reply = b""
                try:
                    asker.sendall(request)
                    reply = asker.recv(64)
                except ConnectionError:
                    pass
                if reply or request is endless:
                    self.assertEqual(reply[:9 + len(answer)], b"HTTP/1.1 " + answer)


if __name__ == "__main__":
    unittest.main()
