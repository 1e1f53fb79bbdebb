#!/usr/bin/env python3
"""Writes the hand-made part of the corpus: small honest inputs that fuzzing starts from. Run by hand; see README.md."""

import hashlib
import json
import pathlib
import struct

CORPUS = pathlib.Path(__file__).parent / "corpus"

T5 = {"model_type": "t5", "vocab_size": 208, "d_model": 16, "d_kv": 6, "d_ff": 24, "num_heads": 2, "num_layers": 2,
      "num_decoder_layers": 1, "feed_forward_proj": "gated-gelu", "tie_word_embeddings": False, "pad_token_id": 0,
      "eos_token_id": 1, "decoder_start_token_id": 0, "relative_attention_num_buckets": 32}
CLP = {"format_version": 1, "name": "tiny", "variant": "attn",
       "rewards": [{"name": "nli", "range": [-7, 0], "score": "entailed", "description": "Entailed"},
                   {"name": "both", "composite": {"nli": 0.9, "rouge": 0.1}}],
       "score_ranges": {"rouge": [19, 29]}, "mixing": {"kind": "softmdp", "alpha_min": 0.1}, "default_alpha": 0.3,
       "task_prefix": "summarize: ", "presets": {"brief": {"alpha": 0.2, "w": [0.5, 0.5], "description": "Short"}},
       "prompt_conditioning": {"labels": ["factuality", "both"]}, "sequence": 7, "logit_scale": 0.5,
       "training": {"steps": 10}}
FIXED = {"format_version": 1, "name": "fixed", "variant": "custom", "patterns": ["*.q.weight"],
         "rewards": [{"name": "nli", "range": [0, 1]}], "mixing": {"kind": "fixed", "alpha_min": 0.5}}
GENERATION = {"max_new_tokens": 64, "num_beams": 4, "length_penalty": 0.8, "no_repeat_ngram_size": 3}
SEPARATOR = b"\n--\n"


def text(value):
    return json.dumps(value, separators=(",", ":")).encode()


def safetensors(tensors, metadata=None):
    """The file of [(name, dtype, shape, bytes)]."""
    header, data = {}, b""
    if metadata:
        header["__metadata__"] = metadata
    for name, dtype, shape, contents in tensors:
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(contents)]}
        data += contents
    head = text(header)
    head += b" " * (-len(head) % 8)
    return struct.pack("<Q", len(head)) + head + data


def varint(value):
    out = b""
    while value >= 0x80:
        out, value = out + bytes([value & 0x7F | 0x80]), value >> 7
    return out + bytes([value])


def field(number, value):
    """One field of a protobuf message."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, float):
        return varint(number << 3 | 5) + struct.pack("<f", value)
    value = value if isinstance(value, bytes) else value.encode()
    return varint(number << 3 | 2) + varint(len(value)) + value


def sentencepiece(charsmap=b""):
    """A unigram model of a few pieces."""
    pieces = [("<pad>", 0.0, 3), ("</s>", 0.0, 3), ("<unk>", 0.0, 2), ("\u2581", -2.0, 1), ("a", -2.5, 1), ("the", -3.0, 1)]
    model = b"".join(field(1, field(1, name) + field(2, score) + field(3, kind)) for name, score, kind in pieces)
    trainer = field(3, 1) + field(4, 6) + field(40, 2) + field(41, 2) + field(42, 1) + field(43, 0)
    normalizer = field(1, "nmt_nfkc") + (field(2, charsmap) if charsmap else b"")
    return model + field(2, trainer) + field(3, normalizer)


def small_model_digest(tensors):
    """As ParametersDigest of publication.h's model has it, with the reference among its sets."""
    digest = hashlib.sha256()
    names = {"BF16": "BF16", "F32": "F32"}
    for name, dtype, shape, contents in tensors:
        digest.update(f"{name}\n{names[dtype]}\n{','.join(map(str, shape))}\n".encode() + contents)
    return digest.hexdigest()


def version_file():
    fill = b"\x3d"
    places = [("a", "F32", [3], 12), ("b", "F32", [2, 2], 16), ("b", "F32", [2, 2], 16), ("b", "F32", [2, 2], 16),
              ("c", "BF16", [4], 8)]
    digest = small_model_digest([(name, dtype, shape, fill * size) for name, dtype, shape, size in places])
    published = [("shared/a", "F32", [3], fill * 12), ("rewards/r0/b", "F32", [2, 2], fill * 16),
                 ("rewards/r1/b", "F32", [2, 2], fill * 16), ("shared/c", "BF16", [4], fill * 8)]
    return digest, safetensors(published, {"format": "pt", "digest": digest})


def version_logs():
    digest, version = version_file()
    name = "%020d-%020d" % (1, 2)
    state = text({"lease_epoch": 1, "lease_holder": "t", "highest_sequence": 2, "active_epoch": 1, "active_sequence": 2,
                  "active_digest": digest})
    packed = text({"kind": "kind", "digest": digest, "checksum": "0" * 32}).ljust(4096) + b"packed"
    file = (name + ".safetensors\n").encode() + version
    yield "empty", b""
    yield "served", SEPARATOR.join([state, file])
    yield "in_flight", SEPARATOR.join([state.replace(b'sequence":2', b'sequence":1'), file])
    yield "no_state", SEPARATOR.join([b"", file])
    yield "torn", SEPARATOR.join([state[:40], file[:-9]])
    yield "packed", SEPARATOR.join([state, file, (name + ".packed\n").encode() + packed])
    yield "last", SEPARATOR.join([b"", ("%020d-%020d.safetensors\n" % (2**64 - 1, 2**64 - 1)).encode() + version])
    yield "stray", SEPARATOR.join([state, b"x.tmp\nhalf", b"1-2.safetensors\n" + version])


def requests():
    steering = varint(1 << 3 | 1) + struct.pack("<d", 0.3) + field(2, struct.pack("<2d", 0.5, 0.5))
    preset = field(4, "brief")
    options = field(1, 8) + field(3, 2) + varint(4 << 3 | 5) + struct.pack("<f", 0.8)
    yield "summarize", b"\x00" + field(1, "An article.") + field(2, steering) + field(3, options) + field(5, 1)
    yield "preset", b"\x00" + field(1, "An article.") + field(2, preset)
    named = field(3, field(1, "nli") + varint(2 << 3 | 1) + struct.pack("<d", 1.0))
    yield "explore", b"\x01" + field(1, "An article.") + field(2, field(1, steering) + field(1, named)) + field(4, options)
    lease = field(1, "trainer") + field(2, 1)
    version = field(1, 1) + field(2, 1) + field(3, "0" * 64)
    tensor = field(1, "a") + field(3, 1) + field(4, b"\x03") + field(5, 1) + field(6, 12) + field(7, "0" * 32)
    yield "publish", b"\x02" + field(1, field(1, version) + field(2, "0" * 64) + field(3, tensor) + field(4, lease))
    yield "chunk", b"\x02" + field(2, field(1, 0) + field(3, b"bytes"))
    yield "activate", b"\x03" + field(1, "0" * 64)


def gateway_bodies():
    steering = {"alpha": 0.3, "weights": [0.8, 0.2]}
    yield "summarize", b"s" + text({"article": "An article.", "steering": steering, "options": {"max_new_tokens": 8}})
    yield "named", b"s" + text({"article": "\u00e9\u20ac", "steering": {"named_weights": {"nli": 1}}, "parameter_digest": ""})
    yield "explore", b"e" + text({"article": "An article.", "list": {"steerings": [steering]}})
    yield "prompt", b"p" + text({"model": "m", "prompt": ["An article."], "max_tokens": 8, "temperature": 0.5, "seed": 1})
    yield "chat", b"c" + text({"messages": [{"role": "user", "content": [{"type": "text", "text": "An article."}]}],
                               "stream": True, "top_p": 0.9, "trimtab": {"steering": steering}})


def http_requests():
    yield "get", b"GET /v1/models/tiny HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer token\r\nAccept: text/event-stream\r\n\r\n"
    yield "post", (b"POST /v1/summarize HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\ntraceparent: "
                   b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n\r\n{}GET /livez HTTP/1.1\r\nHost: a\r\n\r\n")
    yield "chunked", (b"POST /v1/summarize HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n\r\n"
                      b"2\r\n{}\r\n0\r\n\r\n")
    yield "options", b"OPTIONS /v1/explore HTTP/1.0\r\nConnection: close\r\n\r\n"
    yield "range", b"GET /livez?a=%20b&c HTTP/1.1\r\nRange: bytes=0-1,3-\r\nCookie: a=b\r\n\r\n"
    yield "form", (b"POST /v1/summarize HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 70\r\n\r\n"
                   b"--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nvalue\r\n--b--\r\n     ")


def corpora():
    yield "config", "clp", SEPARATOR.join([text(T5), text(CLP), text(GENERATION)])
    yield "config", "fixed", SEPARATOR.join([
        text({**T5, "feed_forward_proj": "relu", "tie_word_embeddings": True}),
        text(FIXED),
        b"{}"])
    yield "config", "bare", text(T5)
    for name, contents in gateway_bodies():
        yield "gateway_json", name, contents
    for name, contents in http_requests():
        yield "http", name, contents
    yield "options", "toml", b"listen = \"127.0.0.1:0\"\nmax-queue = 8\nprewarm = [\"brief\", \"alpha=0.3 w=0.5,0.5\"]\n# end\n"
    yield "options", "ini", b"cache-bytes=1048576\nreward-range=nli:0:0.5\ndeterministic=true\n"
    for name, contents in requests():
        yield "requests", name, contents
    yield "rouge", "two", b"The cats were running.\nThey sat.\0A cat ran\nand they sat, generally relational."
    yield "rouge", "same", b"a b a\0a b a"
    one = ("a", "F32", [2], struct.pack("<2f", 1.0, -2.5))
    yield "safetensors", "floats", safetensors([one, ("b", "BF16", [1, 2], b"\x80\x3f\x00\x40"), ("c", "F16", [], b"\x00\x3c")],
                                               {"format": "pt"})
    yield "safetensors", "other", safetensors([("i", "I64", [1], bytes(8)), ("empty", "F32", [0, 3], b"")])
    yield "safetensors", "nan", safetensors([("a", "F32", [1], b"\x00\x00\xc0\x7f")])
    units = struct.pack("<256I", *([0x400] + [0] * 255))
    yield "sentencepiece", "plain", sentencepiece()
    yield "sentencepiece", "charsmap", sentencepiece(struct.pack("<I", len(units)) + units + b"a\0b\0")
    yield "shards", "two", text({"weight_map": {"a": "a.safetensors", "b": "b.safetensors"}})
    yield "shards", "outside", text({"metadata": {"total_size": 8}, "weight_map": {"a": "../outside.safetensors"}})
    for name, contents in version_logs():
        yield "version_log", name, contents
    yield "tokenizer", "text", b"\x08The summary, \xc3\xa9t\xc3\xa9 \xf0\x9f\x98\x80 </s><extra_id_0>"
    yield "tokenizer", "ids", bytes(range(256))
    for name, seed in (("zeros", bytes(64)), ("mixed", bytes(i * 37 % 256 for i in range(200))), ("ones", b"\x01" * 120)):
        for target in ("delta", "request_queue", "staging", "weighting"):
            yield target, name, seed


def main():
    for target, name, contents in corpora():
        (CORPUS / target).mkdir(parents=True, exist_ok=True)
        (CORPUS / target / name).write_bytes(contents)


if __name__ == "__main__":
    main()
