"""What is taken for a block, and what comments above it say."""

import unittest

import markdown

TEXT = """# Title

```sh
trimtab info \\
    --json   # as JSON
```

<!-- long: minutes
     of training -->
<!-- first: article = "text" -->

```python
print(article)
```

<!-- not run: this is above words, not above a block -->
Words.

```sh
true
```

```text
no code
```
"""


class MarkdownTest(unittest.TestCase):
    def test_blocks_have_their_language_and_line(self):
        found = markdown.blocks(TEXT)
        self.assertEqual([(block.language, block.line) for block in found], [("sh", 4), ("python", 13), ("sh", 20)])

    def test_comments_right_above_a_block_are_its_own(self):
        _, python, last = markdown.blocks(TEXT)
        self.assertEqual(python.long, "minutes\n     of training")
        self.assertEqual(python.first, 'article = "text"')
        self.assertEqual(last.not_run, "")

    def test_indented_commands_are_refused(self):
        with self.assertRaisesRegex(ValueError, "line 2 "):
            markdown.blocks("Words:\n    trimtab info\n")
        self.assertEqual(markdown.blocks("    trimtab / any client\n    beta = 1\n"), [])

    def test_commands_are_joined_and_stripped_of_comments(self):
        code = "trimtab info \\\n    --json   # as JSON\n\n# alone\ncurl -d '{\n\"a\": \"#1\"}' http://host/#part\n"
        self.assertEqual(markdown.commands(code), ["trimtab info --json", "curl -d '{\n\"a\": \"#1\"}' http://host/#part"])


if __name__ == "__main__":
    unittest.main()
