"""Makes tests/model/testdata/rouge/*.tsv: what the rouge_score of PyPI makes of words and of pairs of texts.

    python tests/oracle/make_rouge_goldens.py      (requirements.txt beside this file)

stems.tsv: a word and its stem. scores.tsv: reference and summary with C escapes, then precision, recall and F1 of
rouge1, rouge2, rougeL and rougeLsum, stemmed.
"""

import itertools
import pathlib

from nltk.stem import porter
from rouge_score import rouge_scorer

OUT = pathlib.Path(__file__).resolve().parents[2] / "tests" / "model" / "testdata" / "rouge"
KINDS = ["rouge1", "rouge2", "rougeL", "rougeLsum"]

# Every suffix that a rule names, on stems of each measure and of each ending that a condition asks for.
STEMS = ["", "a", "b", "o", "y", "ab", "by", "sk", "tr", "be", "hop", "fall", "hiss", "fizz", "tann", "fil", "bow", "box",
         "play", "say", "rate", "relat", "condit", "vali", "digit", "oper", "form", "decis", "gener", "archaeo", "geo",
         "adopt", "electr", "t3st", "syzyg"]
SUFFIXES = ["", "s", "es", "ies", "sses", "ss", "ied", "eed", "ed", "ing", "ated", "bled", "ized", "ying", "y", "ational",
            "tional", "enci", "anci", "izer", "bli", "alli", "ally", "entli", "eli", "ousli", "ization", "ation", "ator",
            "alism", "iveness", "fulness", "ousness", "aliti", "iviti", "biliti", "fulli", "fully", "logi", "logy",
            "icate", "ative", "alize", "iciti", "ical", "ful", "ness", "al", "ance", "ence", "er", "ic", "able", "ible",
            "ant", "ement", "ment", "ent", "sion", "tion", "ion", "ou", "ism", "ate", "iti", "ous", "ive", "ize", "e",
            "ll", "lle"]
IRREGULAR = ["sky", "skies", "dying", "lying", "tying", "news", "innings", "inning", "outings", "outing", "cannings",
             "canning", "howe", "proceed", "exceed", "succeed", "sail", "sails", "2024", "1st", "us", "is"]

PAIRS = [
    ("", ""),
    ("a word", ""),
    ("", "a word"),
    ("...", "?!"),
    ("The crew trims the sails before the squall.", "The crew trims the sails before the squall."),
    ("The crew trims the sails before the squall.", "Sails are trimmed by a crew before squalls"),
    ("one two three four five", "five four three two one"),
    ("one two\none three", "one one\ntwo three"),
    ("w1 w2 w3 w4 w5", "w1 w2 w6 w7 w8\nw1 w3 w8 w9 w5"),
    ("\n\nA line.\n\n\nAnother line!\n", "Another line.\nA line."),
    ("a b a b a b a", "b a b"),
    ("a b a b a b a", "b b\na a a a a a"),
    ("K\u00f6ln caf\u00e9s na\u00efve \u212aelvin \u0130stanbul \ufb01ne \u65e5\u672c x\u00b2", "kln koln caf s na ve kelvin i stanbul x 2"),
    ("It's state-of-the-art: 3.14% (sic) under_score", "its state of the art 3 14 sic under score"),
    ("UPPER lower MiXeD", "upper LOWER mixed"),
    ("\tTabs\u00a0and\u2028separators\r\nend", "tabs and separators end"),
    (" ".join(f"t{i % 7}" for i in range(150)), " ".join(f"t{i * i % 11}" for i in range(140))),
    ("\n".join(f"t{i % 5} u{i % 3} v{i}" for i in range(40)), "\n".join(f"u{i % 3} t{i % 4} v{i * 2}" for i in range(33))),
    (" ".join(f"w{i * 37 % 101}" for i in range(200)), " ".join(f"w{i * 53 % 97}" for i in range(63))),
    (" ".join(f"w{i * 37 % 101}" for i in range(64)), " ".join(f"w{i * 53 % 97}" for i in range(64))),
    (" ".join(f"w{i * 37 % 19}" for i in range(65)), "\n".join(" ".join(f"w{(i + k) * 5 % 23}" for i in range(130)) for k in range(3))),
]


def escaped(text):
    return "".join(chr(b) if 32 <= b < 127 and b not in b'\\"' else "\\%03o" % b for b in text.encode("utf-8"))


def write(name, lines):
    with open(OUT / name, "w", encoding="ascii", newline="\n") as out:
        out.writelines(line + "\n" for line in lines)


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    stemmer = porter.PorterStemmer()
    words = sorted({stem + suffix for stem, suffix in itertools.product(STEMS, SUFFIXES)}.union(IRREGULAR) - {""})
    write("stems.tsv", (f"{word}\t{stemmer.stem(word)}" for word in words))
    scorer = rouge_scorer.RougeScorer(KINDS, use_stemmer=True)
    lines = []
    for reference, summary in PAIRS:
        scores = scorer.score(reference, summary)
        values = [value for kind in KINDS for value in scores[kind]]
        lines.append("\t".join([escaped(reference), escaped(summary)] + [repr(float(value)) for value in values]))
    write("scores.tsv", lines)


if __name__ == "__main__":
    main()
