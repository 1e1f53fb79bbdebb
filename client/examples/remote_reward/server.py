#!/usr/bin/env python3
"""An example of a reward of your own: serves trimtab.v1.Rewards with two scores that need no model.

    brevity    minus the number of words of the summary
    extractive the share of its words that the article has too, in percent

    ./server.py [--listen 127.0.0.1:50061]       needs python3-grpcio, python3-protobuf and protobuf-compiler

Put your own model into `score`. Prints one line, "rewards on HOST:PORT", when it serves.
"""

import argparse
import concurrent.futures
import importlib
import math
import pathlib
import subprocess
import sys
import tempfile

import grpc

PROTO = pathlib.Path(__file__).resolve().parents[3] / "proto"
MAX_TEXTS = 64


def score(text):
    """One number per name, larger is better. `text` has article, summary and reference."""
    words = text.summary.lower().split()
    article = set(text.article.lower().split())
    shared = sum(word in article for word in words)
    return [-len(words), 100 * shared / len(words) if words else 0.0]


NAMES = ["brevity", "extractive"]


def messages():
    """The module that protoc makes of rewards.proto."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["protoc", f"--python_out={folder}", "-I", PROTO / "trimtab/v1", "rewards.proto"], check=True)
        sys.path.insert(0, folder)
        return importlib.import_module("rewards_pb2")  # Not in a package of its own: `trimtab` may be installed.


class Rewards(grpc.GenericRpcHandler):
    def __init__(self, pb):
        self.pb = pb
        handler = grpc.unary_unary_rpc_method_handler
        self.methods = {
            "/trimtab.v1.Rewards/Describe": handler(self.describe, pb.DescribeRewardsRequest.FromString,
                                                    pb.DescribeRewardsResponse.SerializeToString),
            "/trimtab.v1.Rewards/Score": handler(self.score, pb.ScoreRequest.FromString,
                                                 pb.ScoreResponse.SerializeToString),
        }

    def service(self, call):
        return self.methods.get(call.method)

    def describe(self, request, context):
        return self.pb.DescribeRewardsResponse(names=NAMES, needs_reference=False)

    def score(self, request, context):
        if not 1 <= len(request.texts) <= MAX_TEXTS:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT,
                          f"texts has {len(request.texts)} entries; expected 1 to {MAX_TEXTS}")
        values = [score(text) for text in request.texts]
        assert all(len(row) == len(NAMES) and all(map(math.isfinite, row)) for row in values)
        return self.pb.ScoreResponse(scores=[self.pb.RewardScores(values=row) for row in values])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--listen", default="127.0.0.1:50061", help="HOST:PORT; port 0 takes a free one")
    listen = parser.parse_args().listen
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(max_workers=4))
    server.add_generic_rpc_handlers([Rewards(messages())])
    port = server.add_insecure_port(listen)
    server.start()
    print(f"rewards on {listen.rsplit(':', 1)[0]}:{port}", flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    main()
