"""Requests that do not end as most do: L6 cancelled, L7 late, L8 not read, L9 drained, L10 connections that come and go."""

import signal
import socket
import time

from figure import Figure, at_least, at_most, only
from http2 import PREFACE, Connection, await_data, call_headers, message
from processes import Server, finish

STREAM = "/trimtab.v1.Summarizer/StreamSummarize"
# An article, and options: 128 tokens, no fewer.
LONG = message(b"\x0a\x09some text\x1a\x07\x08\x80\x01\x10\x7f\x28\x00")
NORMAL = ("--concurrency", 8, "--duration", 5, "--warmup", 1, "--weights", "1,0")


def _until_idle(server):
    started = time.monotonic()
    while server.metric("trimtab_requests_running") or server.metric("trimtab_requests_waiting"):
        if time.monotonic() - started > 10:
            break
    return time.monotonic() - started


def cancels(build):
    waits = []
    with Server(build) as server:
        for _ in range(32):
            with Connection(server.address) as connection:
                streams = [connection.call(call_headers(STREAM), LONG) for _ in range(32)]
                await_data(connection, streams)
                for stream in streams:
                    connection.reset(stream)
                waits.append(_until_idle(server))
        cancelled = server.metric('trimtab_requests_cancelled_total{stage="decoding"}')
        after = server.bench("--concurrency", 32, "--requests", 64, "--warmup", 0)
    waits.sort()
    return [at_least("L6", "cancelled while written", cancelled, 1000, digits=0),
            at_most("L6", "places free again, p50", 1e3 * waits[len(waits) // 2], 100, " ms"),
            only("L6", "a full batch after that ends", after["codes"], ["OK"])]


def deadlines(build):
    figures, slack = [], 0.0
    with Server(build) as server:
        codes = {}
        for deadline in (0.02, 0.05, 0.1, 0.2):
            report = server.bench("--concurrency", 32, "--requests", 250, "--warmup", 0, "--timeout", deadline,
                                  "--min-new-tokens", 100, "--max-new-tokens", 128, "--weightings", 5)
            slack = max(slack, report["ended"]["p99"] - deadline)
            for code, count in report["codes"].items():
                codes[code] = codes.get(code, 0) + count
        idle = _until_idle(server)
    figures.append(only("L7", "1,000 of 20 to 200 ms end", codes, ["OK", "DEADLINE_EXCEEDED"]))
    figures.append(at_most("L7", "p99 beyond the deadline", 1e3 * slack, 50, " ms"))
    figures.append(at_most("L7", "idle after the last", 1e3 * idle, 100, " ms"))
    return figures


def no_readers(build):
    with Server(build) as server:
        before = server.bench(*NORMAL)["latency"]["p99"]
        memory = server.rss_mib()
        deaf = [Connection(server.address, window=0) for _ in range(32)]
        for connection in deaf:
            connection.call(call_headers(STREAM), LONG)
        time.sleep(3)
        beside = server.bench(*NORMAL)["latency"]["p99"]
        grown = server.rss_mib() - memory
        for connection in deaf:
            connection.socket.close()
    return [at_most("L8", "others' p99 over before", beside / before, 1.5),
            at_most("L8", "memory more", grown, 64, " MiB")]


def drain(build):
    with Server(build) as server:
        bench = server.start_bench("--concurrency", 64, "--requests", 64, "--warmup", 0, "--min-new-tokens", 100,
                                   "--max-new-tokens", 128, "--weightings", 10)
        while server.metric("trimtab_requests_running") + server.metric("trimtab_requests_waiting") < 64:
            if bench.poll() is not None:
                break
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        late = server.start_bench("--requests", 1, "--warmup", 0, "--timeout", 3)
        refused = "UNAVAILABLE" in "".join(late.communicate())
        report = finish(bench)
        code = server.process.wait(timeout=60)
    return [only("L9", "64 in flight end", report["codes"], ["OK"]),
            Figure("L9", "a new call", "UNAVAILABLE" if refused else "something else", "UNAVAILABLE", refused),
            Figure("L9", "exit code", str(code), "0", code == 0)]


def churn(build):
    with Server(build) as server:
        host, port = server.address.split(":")
        before = server.bench(*NORMAL)["latency"]["p99"]
        started = time.monotonic()
        for i in range(2500):
            with socket.create_connection((host, int(port)), timeout=10) as peer:
                peer.sendall(PREFACE[:i % len(PREFACE) + 1])
            time.sleep(max(0.0, started + i / 500 - time.monotonic()))
        for _ in range(20):
            with Connection(server.address) as connection:
                for _ in range(500):
                    connection.reset(connection.call(call_headers(STREAM), LONG))
        time.sleep(5)
        after = server.bench(*NORMAL)
    return [only("L10", "after 2,500 connects, 10,000 resets", after["codes"], ["OK"]),
            at_most("L10", "p99 over before", after["latency"]["p99"] / before, 1.5)]
