"""A thousand who ask for a stream and do not read it: everybody else is served, and later so are they."""

import json
import resource
import socket
import unittest
import urllib.request

import live

READERS = 1000
REQUEST = {"article": live.ARTICLE, "options": {"max_new_tokens": 8}}


def post(host, port, body):
    body = json.dumps(body).encode()
    connection = socket.create_connection((host, port), timeout=60)
    connection.sendall(b"POST /v1/summarize HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\nAccept: text/event-stream\r\n"
                       b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    return connection


def read_all(connection):
    with connection:
        return b"".join(iter(lambda: connection.recv(65536), b""))


class ReadersTest(unittest.TestCase):
    def test_a_thousand_slow_readers_hold_up_nobody(self):
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 8192), most))  # Two sockets each; children inherit it.
        with live.gateway("--max-queue", "2000") as address:
            host, port = address.removeprefix("http://").split(":")
            readers = [post(host, int(port), REQUEST) for _ in range(READERS)]
            other = urllib.request.Request(f"{address}/v1/summarize", json.dumps(REQUEST).encode(),
                                           {"Content-Type": "application/json"})
            with urllib.request.urlopen(other, timeout=60) as reply:
                self.assertTrue(json.load(reply)["summary"])
            served = sum(b"event: result" in read_all(reader) for reader in readers)
        self.assertEqual(served, READERS)


if __name__ == "__main__":
    unittest.main()
