"""The clients against a live server on debian-pilot."""

import asyncio
import pathlib
import subprocess
import sys
import tempfile
import unittest

import live
import trimtab
from trimtab import affinity

EXAMPLES = live.ROOT / "client/python/examples"
SHORT = {"max_new_tokens": 8}
INFER, PUBLISH = "i" * 32, "p" * 32


class ClientTest(live.LiveTest):
    def setUp(self):
        self.client = trimtab.Client(self.address)
        self.addCleanup(self.client.close)

    def test_a_summary_comes_with_what_it_was_made_of(self):
        summary = self.client.summarize(live.ARTICLE, weights={"brief": 0.25, "full": 0.75}, alpha=0.1, **SHORT)
        self.assertTrue(summary.text)
        self.assertEqual(summary.weighting.weights, (0.25, 0.75))
        self.assertEqual(summary.weighting.coefficients, (0.25, 0.75, 0.0))
        self.assertIn(summary.path, ("dense", "basis"))
        self.assertIn(summary.cache, ("hit", "miss", "shared", "basis"))
        self.assertEqual(len(summary.version.digest), 64)
        self.assertLessEqual(summary.output_tokens, 8)
        self.assertGreater(summary.timings.first_token, 0)
        self.assertEqual(summary.log_probs, ())

    def test_names_positions_and_presets_steer_alike(self):
        texts = {
            self.client.summarize(live.ARTICLE, path="dense", **steer, **SHORT).text
            for steer in ({"weights": {"brief": 1}}, {"weights": [1, 0]}, {"preset": "concise"})
        }
        self.assertEqual(len(texts), 1)

    def test_log_probabilities_come_when_asked_for(self):
        summary = self.client.summarize(live.ARTICLE, log_probs=True, **SHORT)
        self.assertEqual(len(summary.log_probs), summary.output_tokens)
        self.assertEqual(len(summary.token_ids), summary.output_tokens)

    def test_the_pieces_of_a_stream_are_the_summary(self):
        with self.client.stream(live.ARTICLE, preset="detailed", path="dense", **SHORT) as stream:
            pieces = list(stream)
        self.assertGreater(len(pieces), 1)
        self.assertEqual("".join(pieces), stream.summary.text)

    def test_a_stream_that_is_left_early_has_no_summary(self):
        with self.client.stream(live.ARTICLE, **SHORT) as stream:
            next(stream)
        with self.assertRaises(trimtab.TrimtabError):
            _ = stream.summary

    def test_the_key_of_a_request_is_that_of_the_coefficients_in_its_reply(self):
        served = affinity.Served.of(self.client.model_info())
        for steer in ({}, {"weights": [1 / 3, 2 / 3], "alpha": 0.37}, {"preset": "balanced"}, {"alpha": 1.0}):
            reply = self.client.summarize(live.ARTICLE, **steer, **SHORT)
            self.assertEqual(affinity.coefficients(served, steer), reply.weighting.coefficients)

    def test_errors_name_the_field_at_fault(self):
        with self.assertRaisesRegex(trimtab.InvalidRequest, "weights.*sum to 1.5") as caught:
            self.client.summarize(live.ARTICLE, weights=[1, 0.5])
        self.assertEqual(caught.exception.field, "steering.weights")
        self.assertEqual(caught.exception.code, "INVALID_ARGUMENT")
        with self.assertRaises(trimtab.InvalidRequest) as caught, self.client.stream("") as stream:
            next(stream)
        self.assertEqual(caught.exception.field, "article")
        with self.assertRaises(trimtab.InvalidRequest) as caught:
            self.client.explore(live.ARTICLE, divisions=65)
        self.assertEqual(caught.exception.field, "grid.divisions")

    def test_unknown_arguments_are_refused_before_anything_is_sent(self):
        with self.assertRaisesRegex(TypeError, "unknown arguments: weight; there are alpha, "):
            self.client.summarize(live.ARTICLE, weight=[1, 0])
        with self.assertRaisesRegex(ValueError, "expected one of dense, basis"):
            self.client.summarize(live.ARTICLE, path="fast")
        with self.assertRaisesRegex(TypeError, "weightings excludes divisions"):
            self.client.explore(live.ARTICLE, weightings=[{}], divisions=3)

    def test_a_version_that_is_not_there_yet_says_so(self):
        later = trimtab.Version(epoch=9, sequence=0, digest="")
        with self.assertRaises(trimtab.VersionUnavailable) as caught:
            self.client.summarize(live.ARTICLE, min_version=later)
        self.assertEqual(caught.exception.reason, "PARAMS_VERSION_UNAVAILABLE")

    def test_a_timeout_ends_a_call(self):
        with self.assertRaises(trimtab.DeadlineExceeded):
            self.client.summarize(live.ARTICLE, timeout=0)

    def test_explore_is_a_table_with_a_front(self):
        seen = []
        reference = "library for the management of text"
        found = self.client.explore(live.ARTICLE, seen.append, divisions=4, reference=reference, **SHORT)
        self.assertEqual(len(found), 5)
        self.assertEqual(sorted(point.index for point in seen), [0, 1, 2, 3, 4])
        self.assertEqual(found[0].weighting.weights, (1.0, 0.0))
        self.assertEqual(found.objectives, ("rouge_lsum_precision", "rouge_lsum_recall"))
        self.assertEqual([p.index for p in found.pareto()], [p.index for p in found.pareto(*found.objectives)])
        best = max(point.scores["rouge_lsum"] for point in found)
        self.assertEqual({p.scores["rouge_lsum"] for p in found.pareto("rouge_lsum")}, {best})
        self.assertEqual(len(str(found).splitlines()), 6)
        self.assertEqual(found.rows()[4]["w1"], 1.0)
        with self.assertRaisesRegex(ValueError, "'speed' is no score"):
            found.pareto("speed")

    def test_explore_takes_a_list_and_needs_no_reference(self):
        listed = [{"weights": [1, 0]}, {"preset": "concise"}, {"weights": {"full": 1}}]
        found = self.client.explore(live.ARTICLE, weightings=listed, **SHORT)
        self.assertEqual([point.asked for point in found], [(0, 1), (2,)])
        self.assertEqual(found.pareto(), [])
        with self.assertRaisesRegex(ValueError, "explore with a reference"):
            found.plot()

    def test_the_model_and_its_versions_are_told(self):
        info = self.client.model_info()
        self.assertEqual([reward.name for reward in info.rewards], ["brief", "full"])
        self.assertEqual({preset.name for preset in info.presets}, {"concise", "balanced", "detailed"})
        versions = self.client.versions()
        self.assertEqual(versions.active, info.version)
        self.assertEqual(versions.held, (info.version,))

    def test_the_asynchronous_client_does_the_same(self):
        async def ask():
            async with trimtab.AsyncClient(self.address) as client:
                asked = {"weights": [1, 0], "path": "dense", **SHORT}
                summary, info = await asyncio.gather(client.summarize(live.ARTICLE, **asked), client.model_info())
                async with await client.stream(live.ARTICLE, **asked) as stream:
                    pieces = [piece async for piece in stream]
                    streamed = await stream.summary()
                found = await client.explore(live.ARTICLE, divisions=1, **SHORT)
                with self.assertRaises(trimtab.InvalidRequest) as caught:
                    await client.summarize(live.ARTICLE, alpha=0.01)
                self.assertEqual(caught.exception.field, "steering.alpha")
                self.assertEqual((await client.versions()).active, info.version)
                return summary, "".join(pieces), streamed, found

        summary, text, streamed, found = asyncio.run(ask())
        self.assertEqual(summary.text, self.client.summarize(live.ARTICLE, weights=[1, 0], path="dense", **SHORT).text)
        self.assertEqual([text, streamed.text], [summary.text] * 2)
        self.assertEqual(len(found), 2)

    def test_the_examples_run(self):
        with tempfile.TemporaryDirectory() as folder:
            reference = pathlib.Path(folder, "reference.txt")
            reference.write_text("library for the management of text", encoding="utf-8")
            article = live.ARTICLE_FILE
            self.assertIn("brief 0.5  full 0.5", self.example("summarize", article))
            self.assertIn("[first token after", self.example("stream", article))
            self.assertIn("The front:\n  w (", self.example("explore", article, reference))
            self.assertIn("demo-article.txt: ", self.example("many_articles", article, article))

    def example(self, name, *arguments):
        command = [sys.executable, EXAMPLES / f"{name}.py", self.address, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout


class TokensTest(unittest.TestCase):
    def test_tokens_open_what_their_role_may(self):
        with tempfile.TemporaryDirectory() as folder:
            tokens = pathlib.Path(folder, "tokens")
            tokens.write_text(f"infer {INFER}\npublish {PUBLISH}\n", encoding="utf-8")
            tokens.chmod(0o600)
            server = live.Server("--tokens", tokens)
            self.addCleanup(server.stop)
            with trimtab.Client(server.address) as nobody, self.assertRaises(trimtab.NotAllowed) as caught:
                nobody.summarize(live.ARTICLE, **SHORT)
            self.assertEqual(caught.exception.code, "UNAUTHENTICATED")
            with trimtab.Client(server.address, token=INFER) as caller:
                self.assertTrue(caller.summarize(live.ARTICLE, **SHORT).text)
                with self.assertRaises(trimtab.NotAllowed) as caught:
                    caller.versions()
                self.assertEqual(caught.exception.code, "PERMISSION_DENIED")
            with trimtab.Client(server.address, token=PUBLISH) as publisher:
                self.assertEqual(len(publisher.versions().held), 1)


if __name__ == "__main__":
    unittest.main()
