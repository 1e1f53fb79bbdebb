"""What is tried again, where, and what is not: against scripted servers."""

import concurrent.futures
import itertools
import unittest

import grpc
import trimtab
from trimtab import contract

QUICK = {"initial_backoff": 0.001, "max_backoff": 0.002}


def failure(code, message, *details):
    """A gRPC status with google.rpc details."""
    status = contract.message("google.rpc.Status")(code=code.value[0], message=message)
    for detail in details:
        packed = status.details.add()
        packed.type_url = f"type.googleapis.com/{detail.DESCRIPTOR.full_name}"
        packed.value = detail.SerializeToString()
    return code, message, (("grpc-status-details-bin", status.SerializeToString()),)


def retry_info(seconds):
    info = contract.message("google.rpc.RetryInfo")()
    info.retry_delay.nanos = int(seconds * 1e9)
    return info


FULL = failure(grpc.StatusCode.RESOURCE_EXHAUSTED, "the queue is full", retry_info(0.001))
DRAINING = failure(grpc.StatusCode.UNAVAILABLE, "draining")


class Scripted:
    """Answers Summarize and StreamSummarize by a script: failures, or lists of pieces before the result."""

    def __init__(self, script):
        self.calls = []  # The metadata of each call of the two.
        self._script = iter(script)
        self._server = grpc.server(concurrent.futures.ThreadPoolExecutor(2))
        self._server.add_generic_rpc_handlers((self._handlers(),))
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()

    def stop(self):
        self._server.stop(None).wait()

    def _handlers(self):
        def handler(method, behaviour):
            make = grpc.unary_stream_rpc_method_handler if method.streams else grpc.unary_unary_rpc_method_handler
            serializer = method.response.SerializeToString
            return make(behaviour, request_deserializer=method.request.FromString, response_serializer=serializer)

        behaviours = {
            "Summarize": handler(contract.SUMMARIZE, lambda request, context: self._next(request, context)[-1].result),
            "StreamSummarize": handler(contract.STREAM_SUMMARIZE, self._stream),
            "GetModelInfo": handler(contract.GET_MODEL_INFO, lambda request, context: self._info()),
        }
        return grpc.method_handlers_generic_handler("trimtab.v1.Summarizer", behaviours)

    def _stream(self, request, context):
        for event in self._next(request, context):
            if event is DRAINING:
                self._fail(context, event)
            yield event

    def _next(self, request, context):
        self.calls.append(dict(context.invocation_metadata()))
        step = next(self._script)
        if isinstance(step, tuple):
            self._fail(context, step)
        response = contract.STREAM_SUMMARIZE.response
        events = [response(text=piece) if isinstance(piece, str) else piece for piece in step]
        result = response()
        result.result.summary = "".join(piece for piece in step if isinstance(piece, str))
        result.result.weighting.coefficients.extend([*request.steering.weights, 0.0])
        return [*events, result]

    @staticmethod
    def _fail(context, step):
        code, message, metadata = step
        context.set_trailing_metadata(metadata)
        context.abort(code, message)

    @staticmethod
    def _info():
        info = contract.GET_MODEL_INFO.response(
            mixing="softmdp", alpha_min=0.1, default_alpha=0.1, grid_bits_w=20, grid_bits_beta=20
        )
        for name in ("brief", "full"):
            info.rewards.add(name=name)
        return info


class RetryTest(unittest.TestCase):
    def serve(self, *script):
        server = Scripted(script)
        self.addCleanup(server.stop)
        return server

    def client(self, servers, **settings):
        client = trimtab.Client(servers, **{**QUICK, **settings})
        self.addCleanup(client.close)
        return client

    def test_a_full_queue_and_a_draining_server_are_tried_again(self):
        server = self.serve(FULL, DRAINING, ["done"])
        self.assertEqual(self.client(server.address).summarize("text").text, "done")
        self.assertEqual(len(server.calls), 3)

    def test_tries_are_counted(self):
        server = self.serve(FULL, FULL, ["never"])
        with self.assertRaises(trimtab.Overloaded) as caught:
            self.client(server.address, max_attempts=2).summarize("text")
        self.assertEqual(caught.exception.retry_after, 0.001)
        self.assertEqual(len(server.calls), 2)

    def test_no_wait_goes_beyond_the_deadline(self):
        server = self.serve(failure(grpc.StatusCode.RESOURCE_EXHAUSTED, "full", retry_info(0.9)), ["never"])
        with self.assertRaises(trimtab.Overloaded):
            self.client(server.address).summarize("text", timeout=0.8)
        self.assertEqual(len(server.calls), 1)

    def test_what_is_wrong_is_not_tried_again(self):
        bad = contract.message("google.rpc.BadRequest")()
        bad.field_violations.add(field="options.top_k", description="is -1")
        server = self.serve(failure(grpc.StatusCode.INVALID_ARGUMENT, "is -1", bad), FULL[:2] + ((),))
        client = self.client(server.address)
        with self.assertRaisesRegex(trimtab.InvalidRequest, "options.top_k: is -1"):
            client.summarize("text")
        with self.assertRaises(trimtab.Overloaded):  # Full of what, it does not say: perhaps for ever.
            client.summarize("text")
        self.assertEqual(len(server.calls), 2)

    def test_a_stream_is_tried_again_only_while_nothing_has_arrived(self):
        server = self.serve(FULL, ["one ", "piece"], ["one ", DRAINING])
        client = self.client(server.address)
        self.assertEqual(list(client.stream("text")), ["one ", "piece"])
        stream = client.stream("text")
        self.assertEqual(next(stream), "one ")
        with self.assertRaises(trimtab.Unavailable):
            next(stream)
        self.assertEqual(len(server.calls), 3)

    def test_token_and_key_are_sent(self):
        server = self.serve(["done"])
        self.client(server.address, token="secret").summarize("text", weights=[0.25, 0.75])
        self.assertEqual(server.calls[0]["authorization"], "Bearer secret")
        self.assertEqual(server.calls[0]["x-trimtab-affinity"], "3900d9617a3d627e")

    def test_one_weighting_goes_to_one_server_and_on_when_that_one_fails(self):
        servers = [self.serve(*[["done"]] * 8) for _ in range(2)]
        client = self.client(",".join(server.address for server in servers))
        for _ in range(4):
            client.summarize("text", weights=[0.25, 0.75])
        counts = sorted((len(server.calls), index) for index, server in enumerate(servers))
        self.assertEqual([count for count, _ in counts], [0, 4])
        servers[counts[1][1]].stop()
        self.assertEqual(client.summarize("text", weights=[0.25, 0.75]).text, "done")
        self.assertEqual(len(servers[counts[0][1]].calls), 1)

    def test_a_server_that_is_not_there_is_unavailable(self):
        gone = self.serve()
        gone.stop()
        with self.assertRaises(trimtab.Unavailable):
            self.client(gone.address, max_attempts=2).summarize("text")

    def test_servers_and_tries_that_make_no_sense_are_refused(self):
        for servers, attempts in itertools.product(("", "a:1,"), (1,)):
            with self.assertRaisesRegex(ValueError, "expected HOST:PORT"):
                trimtab.Client(servers, max_attempts=attempts)
        with self.assertRaisesRegex(ValueError, "at least 1"):
            trimtab.Client("a:1", max_attempts=0)


if __name__ == "__main__":
    unittest.main()
