"""OpenAI's own client against the gateway."""

import unittest

import live
import openai

STEERED = {"trimtab": {"steering": {"named_weights": {"brief": 1}}, "options": {"no_repeat_ngram_size": 2}}}


class OpenAiTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        address = cls.enterClassContext(live.gateway())
        cls.client = openai.OpenAI(base_url=f"{address}/v1", api_key="none-is-asked-for", max_retries=0)
        cls.model = cls.client.models.list().data[0].id

    def asked(self, **more):
        return {"model": self.model, "max_tokens": 32, "extra_body": STEERED, **more}

    def chat(self, **more):
        messages = [{"role": "user", "content": live.ARTICLE}]
        return self.client.chat.completions.create(messages=messages, **self.asked(**more))

    def complete(self, **more):
        return self.client.completions.create(prompt=live.ARTICLE, **self.asked(**more))

    def test_models_are_listed(self):
        self.assertEqual(self.model, "debian-pilot")
        self.assertEqual(self.client.models.retrieve(self.model).id, "debian-pilot")

    def test_completions_and_chat_write_the_same_summary(self):
        completion, chat = self.complete(), self.chat()
        self.assertTrue(completion.choices[0].text)
        self.assertEqual(completion.choices[0].text, chat.choices[0].message.content)
        self.assertEqual(completion.choices[0].finish_reason, "stop")
        self.assertEqual(completion.usage.total_tokens, completion.usage.prompt_tokens + completion.usage.completion_tokens)
        self.assertEqual(completion.trimtab["weighting"]["weights"], [1, 0])

    def test_streams_join_to_what_is_written_whole(self):
        pieces = [chunk.choices[0].text for chunk in self.complete(stream=True)]
        self.assertGreater(len(pieces), 2)
        self.assertEqual("".join(pieces), self.complete().choices[0].text)
        chunks = list(self.chat(stream=True))
        text = "".join(chunk.choices[0].delta.content for chunk in chunks if chunk.choices)
        self.assertEqual(text, self.chat().choices[0].message.content)
        self.assertEqual(chunks[-1].choices[0].finish_reason, "stop")

    def test_usage_comes_with_a_stream_that_asks_for_it(self):
        chunks = list(self.chat(stream=True, stream_options={"include_usage": True}))
        self.assertGreater(chunks[-1].usage.completion_tokens, 0)

    def test_steering_changes_the_summary(self):
        full = {"trimtab": {"steering": {"named_weights": {"full": 1}}, "options": {"no_repeat_ngram_size": 2}}}
        self.assertNotEqual(self.complete().choices[0].text, self.complete(extra_body=full).choices[0].text)

    def test_errors_are_of_openais_types_and_name_the_field(self):
        with self.assertRaises(openai.BadRequestError) as refused:
            self.complete(n=2)
        self.assertEqual(refused.exception.param, "n")
        with self.assertRaises(openai.NotFoundError):
            self.client.models.retrieve("another")


if __name__ == "__main__":
    unittest.main()
