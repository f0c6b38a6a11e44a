"""Makes a tiny random model for `transformers serve`: `python make_transformers.py FOLDER`, in a Python that has it.

A llama of two layers whose every weight is random, so that it writes random words and ends after a random time.
"""

import sys

import torch
from tiny_vocabulary import CHAT_TEMPLATE, SEED, WORDS
from tokenizers import Tokenizer, decoders, models, normalizers
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

SPECIAL = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>", "pad_token": "</s>"}


def main(folder: str) -> None:
    """Write the model and its tokenizer."""
    torch.manual_seed(SEED)
    tokenizer = make_tokenizer()
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=2048,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=2,
    )
    model = LlamaForCausalLM(config)
    # Sampled, because random weights that always take the likeliest word repeat it without end.
    model.generation_config = GenerationConfig(do_sample=True, bos_token_id=1, eos_token_id=2, pad_token_id=2)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def make_tokenizer() -> PreTrainedTokenizerFast:
    """The special tokens, and the words, each with a space before it.

    No tokens for single bytes: random ones are no UTF-8, and the server ends its stream when it meets them.
    """
    tokens = ["<unk>", "<s>", "</s>", *("▁" + word for word in dict.fromkeys(WORDS))]
    tokenizer = Tokenizer(
        models.BPE({token: number for number, token in enumerate(tokens)}, [], unk_token=SPECIAL["unk_token"])
    )
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.Fuse()])
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, **SPECIAL)
    fast.chat_template = CHAT_TEMPLATE
    return fast


if __name__ == "__main__":
    main(sys.argv[1])
