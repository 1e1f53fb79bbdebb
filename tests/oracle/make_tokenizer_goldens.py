"""Makes tests/model/testdata/tokenizer/*.tsv: what the sentencepiece of PyPI does with texts that tokenizers trip over.

    python3 tests/oracle/make_tokenizer_goldens.py

One line a text: the text, its ids and what the ids decode to, tab-separated; texts with C escapes, ids by commas.
"""

import pathlib

import sentencepiece

ROOT = pathlib.Path(__file__).resolve().parents[2]
OUT = ROOT / "tests" / "model" / "testdata" / "tokenizer"
MODELS = {
    "tiny": ROOT / "tests" / "testing" / "tiny.spiece.model",
    "pilot": ROOT / "deploy" / "models" / "debian-pilot" / "spiece.model",
}
TEXTS = [
    "",
    " ",
    "The captain trims the tab.",
    "  two  spaces\tand a tab\nand a line  ",
    "trailing space ",
    "summarize: Köln, Málaga and Zürich",
    "ﬁne ligatures, ① circled, ＦＵＬＬ width, ½ and ™",
    "combining e\u0301 and composed \u00e9",
    "ﷺ, \u00a0no-break, \u200bzero width, \ufefforder mark, \u2028line separator",
    "日本語のテキスト and русский текст",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467 family and \U0001f1e9\U0001f1ea flag",
    "\u05e9\u05dc\u05d5\u05dd right to left",
    "</s> <pad> <unk> <extra_id_0> are words here",
    "\u2581 is the mark of a word",
    "a" * 300,
    "ab" * 100 + " " * 50 + "x",
    "1,234.56 != 7e-8; C++/Python -- 100% (sic)",
    "\u0301 starts with a mark",
]


def escaped(text):
    return "".join(chr(b) if 32 <= b < 127 and b not in b'\\"' else "\\%03o" % b for b in text.encode("utf-8"))


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    for name, path in MODELS.items():
        model = sentencepiece.SentencePieceProcessor(model_file=str(path))
        with open(OUT / f"{name}.tsv", "w", encoding="ascii", newline="\n") as out:
            for text in TEXTS:
                ids = model.encode(text)
                print(escaped(text), ",".join(map(str, ids)), escaped(model.decode(ids)), sep="\t", file=out)


if __name__ == "__main__":
    main()
