"""transformers on PyTorch: --model DIR --precision float32|bfloat16 --threads N."""

import argparse
import time

import torch
from transformers import T5ForConditionalGeneration

import protocol

parser = argparse.ArgumentParser()
parser.add_argument("--model", required=True)
parser.add_argument("--precision", choices=["float32", "bfloat16"], required=True)
parser.add_argument("--threads", type=int, required=True)
arguments = parser.parse_args()
torch.set_num_threads(arguments.threads)
torch.set_grad_enabled(False)
model = T5ForConditionalGeneration.from_pretrained(arguments.model, dtype=getattr(torch, arguments.precision)).eval()


def run(inputs, new_tokens):
    input_ids = torch.tensor(inputs)
    start = time.perf_counter()
    encoded = model.encoder(input_ids=input_ids)
    prefill = time.perf_counter() - start
    out = model.generate(encoder_outputs=encoded, attention_mask=torch.ones_like(input_ids), num_beams=1,
                         do_sample=False, min_new_tokens=new_tokens, max_new_tokens=new_tokens)
    total = time.perf_counter() - start
    tokens = out[:, 1:]
    assert tokens.shape == (len(inputs), new_tokens), tokens.shape
    return {"total_s": total, "prefill_s": prefill, "tokens": tokens.numel(), "first": tokens[0].tolist()}


protocol.serve(run)
