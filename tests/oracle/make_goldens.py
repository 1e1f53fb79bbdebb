"""Writes the golden files of tests/model/t5_golden_test.cc: tiny random T5s and what transformers makes of them.

    python tests/oracle/make_goldens.py [NAME ...]      (requirements.txt beside this file; all without names)

Each folder under tests/model/testdata/golden is a Hugging Face checkpoint without a tokenizer, plus golden.safetensors:

    <case>.input_ids, <case>.decoder_ids            I32 as F32 (ids are small)
    <case>.logits                                   (steps, vocab) under teacher forcing, float32, eager attention
    <case>.encoder                                  (tokens, d_model), the encoder's output (short inputs only)
    <case>.greedy, <case>.greedy_log_probs          tokens without the start token; log-softmax of the chosen ones
    <case>.beam4, .beam4_short, .beam4_ngram, .beam4_min, each with <name>_score

Everything is seeded; running it twice writes the same bytes.
"""

import json
import pathlib
import shutil
import sys

import torch
from safetensors.torch import save_file
from transformers import T5Config, T5ForConditionalGeneration

STEPS = 24  # Teacher-forced steps and max_new_tokens.

# Each architecture is there for the traps it names.
BASE = dict(vocab_size=96, d_model=32, d_kv=8, d_ff=48, num_heads=4, num_layers=2, num_decoder_layers=2)
ARCHITECTURES = {
    # v1.0: relu, tied embeddings, logits scaled by d_model^-0.5.
    "v10_relu_tied": dict(feed_forward_proj="relu", tie_word_embeddings=True),
    # v1.1 and FLAN: gelu_new gate, lm_head of its own, no scale.
    "v11_gated_untied": dict(feed_forward_proj="gated-gelu", tie_word_embeddings=False),
    "gated_tied": dict(feed_forward_proj="gated-gelu", tie_word_embeddings=True),
    "relu_untied": dict(feed_forward_proj="relu", tie_word_embeddings=False),
    # Encoder and decoder of different depth.
    "deep_encoder": dict(feed_forward_proj="gated-gelu", tie_word_embeddings=False, num_layers=4, num_decoder_layers=1),
    "deep_decoder": dict(feed_forward_proj="relu", tie_word_embeddings=True, num_layers=1, num_decoder_layers=4),
    # num_heads * d_kv differs from d_model, sizes that fit no register.
    "odd_sizes": dict(feed_forward_proj="gated-gelu", tie_word_embeddings=False, vocab_size=97, d_model=40, d_kv=12,
                      d_ff=37, num_heads=3),
    "gated_silu": dict(feed_forward_proj="gated-silu", tie_word_embeddings=False),
    # A bad export: the exact gelu where gelu_new was meant. It must run as written.
    "exact_gelu": dict(feed_forward_proj="gated-gelu", dense_act_fn="gelu", tie_word_embeddings=False),
    # Other special tokens.
    "other_tokens": dict(feed_forward_proj="relu", tie_word_embeddings=True, eos_token_id=2, decoder_start_token_id=1),
    # Other relative buckets.
    "other_buckets": dict(feed_forward_proj="gated-gelu", tie_word_embeddings=False,
                          relative_attention_num_buckets=12, relative_attention_max_distance=50),
    # Stored as bfloat16.
    "bf16": dict(feed_forward_proj="gated-gelu", tie_word_embeddings=True),
    # Activations in the feed-forward beyond float16's range.
    "huge_activations": dict(feed_forward_proj="gated-gelu", tie_word_embeddings=False),
    # A bias table in cross-attention, which T5 never reads.
    "cross_bias": dict(feed_forward_proj="gated-gelu", tie_word_embeddings=False),
    # The end of text is likely: beams finish at different lengths, and the search must stop when they should.
    "ends_early": dict(feed_forward_proj="gated-gelu", tie_word_embeddings=False),
}
LENGTHS = [1, 17, 60, 200]  # One token; longer than max_distance.


def build(name, overrides, seed):
    torch.manual_seed(seed)
    settings = {**BASE, "pad_token_id": 0, "eos_token_id": 1, "decoder_start_token_id": 0, "dropout_rate": 0.0,
                **overrides}
    config = T5Config(**settings)
    config._attn_implementation = "eager"
    model = T5ForConditionalGeneration(config).eval()
    d = config.d_model
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if key.endswith("layer_norm.weight"):
                parameter.copy_(1.0 + 0.2 * torch.randn_like(parameter))
            elif "relative_attention_bias" in key:
                parameter.copy_(torch.randn_like(parameter))
            elif key in ("shared.weight", "lm_head.weight"):
                scale = 1.0 if key == "shared.weight" else 2.0 / d**0.5
                parameter.copy_(torch.randn_like(parameter) * scale)
            elif key.endswith((".q.weight", ".k.weight")):
                parameter.copy_(torch.randn_like(parameter) * (1.6 / (d**0.5 * config.d_kv**0.25)))
            else:
                parameter.copy_(torch.randn_like(parameter) * (1.5 / parameter.shape[1] ** 0.5))
        if name == "huge_activations":
            for key, parameter in model.named_parameters():
                if "DenseReluDense.wi" in key:
                    parameter.mul_(300.0)
                if "DenseReluDense.wo" in key:
                    parameter.mul_(1e-4)
        # A longer row of the output layer makes its token come up more often: the end of text late, or early.
        output_layer = model.shared if config.tie_word_embeddings else model.lm_head
        output_layer.weight[config.eos_token_id] *= 2.5 if name == "ends_early" else 0.3
        if name == "bf16":
            for parameter in model.parameters():
                parameter.copy_(parameter.to(torch.bfloat16).to(torch.float32))
    return model


def generate(model, ids, **options):
    # Without its cache: transformers 4.57 sizes the cache by the encoder's depth, and an oracle need not be fast.
    out = model.generate(torch.tensor([ids]), use_cache=False, max_new_tokens=STEPS, do_sample=False,
                         return_dict_in_generate=True, output_scores=True, **options)
    return out.sequences[0, 1:].tolist(), out


def trim(tokens, config):
    """Up to and with the end of text: what follows is padding."""
    eos = config.eos_token_id
    return tokens[: tokens.index(eos) + 1] if eos in tokens else tokens


def case(model, length, generator, golden, prefix):
    config = model.config
    ids = torch.randint(3, config.vocab_size, (length,), generator=generator).tolist()
    decoder = [config.decoder_start_token_id] + torch.randint(3, config.vocab_size, (STEPS - 1,),
                                                              generator=generator).tolist()
    with torch.no_grad():
        output = model(input_ids=torch.tensor([ids]), decoder_input_ids=torch.tensor([decoder]), use_cache=False)
        greedy, detail = generate(model, ids)
        greedy = trim(greedy, config)
        log_probs = [torch.log_softmax(detail.scores[t][0], -1)[token].item() for t, token in enumerate(greedy)]
        golden[prefix + "input_ids"] = torch.tensor(ids, dtype=torch.float32)
        golden[prefix + "decoder_ids"] = torch.tensor(decoder, dtype=torch.float32)
        golden[prefix + "logits"] = output.logits[0].float().contiguous()
        if length <= 17:
            golden[prefix + "encoder"] = output.encoder_last_hidden_state[0].float().contiguous()
        golden[prefix + "greedy"] = torch.tensor(greedy, dtype=torch.float32)
        golden[prefix + "greedy_log_probs"] = torch.tensor(log_probs)
        for name, options in {
            "beam4": dict(length_penalty=1.0),
            "beam4_short": dict(length_penalty=0.6),
            "beam4_ngram": dict(length_penalty=1.0, no_repeat_ngram_size=2),
            "beam4_min": dict(length_penalty=1.0, min_new_tokens=10),
        }.items():
            tokens, detail = generate(model, ids, num_beams=4, early_stopping=False, **options)
            golden[prefix + name] = torch.tensor(trim(tokens, config), dtype=torch.float32)
            golden[prefix + name + "_score"] = detail.sequences_scores.float()
    return greedy


def write(out, name, overrides, seed):
    model = build(name, overrides, seed)
    folder = out / name
    folder.mkdir(parents=True)
    config = json.loads(model.config.to_json_string(use_diff=False))
    keep = set(BASE) | {"model_type", "feed_forward_proj", "dense_act_fn", "is_gated_act", "tie_word_embeddings",
                        "pad_token_id", "eos_token_id", "decoder_start_token_id", "relative_attention_num_buckets",
                        "relative_attention_max_distance", "layer_norm_epsilon", "is_encoder_decoder"}
    (folder / "config.json").write_text(json.dumps({k: v for k, v in config.items() if k in keep}, indent=1) + "\n")
    tensors = {}
    for key, value in model.state_dict().items():
        if key.endswith("embed_tokens.weight") or (key == "lm_head.weight" and model.config.tie_word_embeddings):
            continue
        tensors[key] = value.to(torch.bfloat16 if name == "bf16" else torch.float32).contiguous().clone()
    if name == "cross_bias":
        tensors["decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight"] = torch.randn(
            model.config.relative_attention_num_buckets, model.config.num_heads)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    generator = torch.Generator().manual_seed(seed)
    golden = {}
    lengths = []
    for i, length in enumerate(LENGTHS):
        lengths.append(len(case(model, length, generator, golden, f"{i}.")))
    save_file(golden, folder / "golden.safetensors")
    size = sum(f.stat().st_size for f in folder.iterdir())
    print(f"{name:18} {size / 1024:7.1f} KiB, greedy lengths {lengths}")


def main():
    out = pathlib.Path(__file__).resolve().parents[1] / "model" / "testdata" / "golden"
    for seed, (name, overrides) in enumerate(ARCHITECTURES.items(), start=1):
        if len(sys.argv) > 1 and name not in sys.argv[1:]:
            continue
        shutil.rmtree(out / name, ignore_errors=True)
        write(out, name, overrides, seed)


if __name__ == "__main__":
    main()
