"""CTranslate2: --model DIR (converted) --precision float32|int8 --threads N. CT2_USE_MKL in the environment chooses the library."""

import argparse
import time

import ctranslate2

import protocol

parser = argparse.ArgumentParser()
parser.add_argument("--model", required=True)
parser.add_argument("--precision", required=True)
parser.add_argument("--threads", type=int, required=True)
arguments = parser.parse_args()
translator = ctranslate2.Translator(arguments.model, device="cpu", compute_type=arguments.precision,
                                    intra_threads=arguments.threads, inter_threads=1)


def generate(inputs, new_tokens):
    # Tokens are named by their ids (convert.py).
    source = [[f"t{i}" for i in sequence] for sequence in inputs]
    start = time.perf_counter()
    results = translator.translate_batch(source, beam_size=1, min_decoding_length=new_tokens,
                                         max_decoding_length=new_tokens, max_input_length=0, return_scores=False,
                                         max_batch_size=0)
    return time.perf_counter() - start, [[int(token[1:]) for token in result.hypotheses[0]] for result in results]


def run(inputs, new_tokens):
    # No call encodes alone: one token's time stands for the prefill.
    prefill, _ = generate(inputs, 1)
    total, tokens = generate(inputs, new_tokens)
    assert all(len(t) == new_tokens for t in tokens), [len(t) for t in tokens]
    return {"total_s": total, "prefill_s": prefill, "tokens": sum(map(len, tokens)), "first": tokens[0]}


protocol.serve(run)
