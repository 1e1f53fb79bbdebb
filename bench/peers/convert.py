"""A Hugging Face T5 folder to CTranslate2, without its tokenizer: token i is named "t<i>", pad, eos and unk likewise."""

import os
import sys

import ctranslate2
from ctranslate2.converters import transformers as converters
from transformers import T5ForConditionalGeneration


class Loader(converters.T5Loader):
    def get_vocabulary(self, model, tokenizer):
        return [f"t{i}" for i in range(model.config.vocab_size)]

    def set_vocabulary(self, spec, tokens):
        spec.register_source_vocabulary(tokens)
        spec.register_target_vocabulary(tokens)

    def set_config(self, config, model, tokenizer):
        config.bos_token = config.decoder_start_token = "t0"
        config.eos_token = "t1"
        config.unk_token = "t2"


def main():
    source, target = sys.argv[1:]
    model = T5ForConditionalGeneration.from_pretrained(source)
    loader = Loader()
    spec = loader.get_model_spec(model)
    loader.set_config(spec.config, model, None)
    loader.set_vocabulary(spec, loader.get_vocabulary(model, None))
    spec.config.add_source_bos = spec.config.add_source_eos = False
    spec.validate()
    spec.optimize(quantization=None)
    os.makedirs(target)
    spec.save(target)
    print(ctranslate2.__version__)


if __name__ == "__main__":
    main()
