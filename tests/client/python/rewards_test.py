"""A reward server of a few lines, as a trainer calls it."""

import subprocess
import sys
import unittest

import grpc
import live
from trimtab import contract, rewards

DESCRIBE = contract.method("trimtab.v1.Rewards", "Describe")
SCORE = contract.method("trimtab.v1.Rewards", "Score")


class Lengths(rewards.RewardServer):
    names = ["brief", "full"]
    answer = None

    def score(self, texts):
        if self.answer is not None:
            return self.answer
        return [[-len(text.summary), len(text.summary)] for text in texts]


def batch(*summaries):
    request = SCORE.request()
    for summary in summaries:
        request.texts.add(article="an article", summary=summary)
    return request


class RewardsTest(unittest.TestCase):
    def connect(self, reward_server):
        server, address = reward_server.start()
        self.addCleanup(lambda: server.stop(None).wait())
        channel = grpc.insecure_channel(address)
        self.addCleanup(channel.close)
        return channel

    def refused(self, channel, request):
        with self.assertRaises(grpc.RpcError) as caught:
            SCORE.on(channel)(request, timeout=10)
        return caught.exception.code(), caught.exception.details()

    def test_scores_come_in_order(self):
        channel = self.connect(Lengths())
        described = DESCRIBE.on(channel)(DESCRIBE.request(), timeout=10)
        self.assertEqual((list(described.names), described.needs_reference), (["brief", "full"], False))
        reply = SCORE.on(channel)(batch("four", ""), timeout=10)
        self.assertEqual([list(scores.values) for scores in reply.scores], [[-4.0, 4.0], [0.0, 0.0]])

    def test_batches_beyond_the_limits_are_refused(self):
        channel = self.connect(Lengths())
        for request in (batch(), batch(*["text"] * 65)):
            code, message = self.refused(channel, request)
            self.assertEqual(code, grpc.StatusCode.INVALID_ARGUMENT)
            self.assertIn("expected 1 to 64", message)

    def test_a_text_without_the_reference_it_needs_is_refused(self):
        needy = Lengths()
        needy.needs_reference = True
        code, message = self.refused(self.connect(needy), batch("text"))
        self.assertEqual((code, message), (grpc.StatusCode.INVALID_ARGUMENT, "texts: every text needs a reference"))

    def test_scores_that_are_none_say_what_is_wrong(self):
        wrong = Lengths()
        channel = self.connect(wrong)
        for wrong.answer in ([[1.0]], [], [[1.0, float("nan")]]):
            code, message = self.refused(channel, batch("text"))
            self.assertEqual(code, grpc.StatusCode.INTERNAL)
            self.assertIn("expected 2 finite numbers for each of 1 texts", message)

    def test_names_are_checked_at_start(self):
        for names in ([], ["a", "a"], ["No"], ["x"] * 17):
            server = Lengths()
            server.names = names
            with self.subTest(names), self.assertRaisesRegex(ValueError, "expected"):
                server.start()

    def test_the_example_runs(self):
        command = [sys.executable, live.ROOT / "client/python/examples/reward_server.py"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            self.addCleanup(process.kill)
            with grpc.insecure_channel(process.stdout.readline().split()[1]) as channel:
                reply = SCORE.on(channel)(batch("an invention"), timeout=10)
            process.terminate()
        self.assertEqual(list(reply.scores[0].values), [0.5])


if __name__ == "__main__":
    unittest.main()
