"""Makes a tiny random model for llama.cpp: `python make_gguf.py FILE`, in a Python that has `gguf`.

A llama of two layers whose every weight is random, so that it writes random words and ends after a random time: each
token is the end with about the same probability as any other.
"""

import sys

import numpy as np
from gguf import GGUFWriter, TokenType
from tiny_vocabulary import CHAT_TEMPLATE, SEED, WORDS

WIDTH, HIDDEN, HEADS, LAYERS, CONTEXT = 64, 128, 4, 2, 2048
BYTES = slice(3, 3 + 256)
"""The tokens that are one byte each; the tokenizer cannot do without them."""


def main(path: str) -> None:
    """Write the model."""
    writer = GGUFWriter(path, "llama")
    writer.add_name("tiny-random")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(HIDDEN)
    writer.add_block_count(LAYERS)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    tokens = add_vocabulary(writer)
    add_weights(writer, tokens)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def add_vocabulary(writer: GGUFWriter) -> int:
    """Add the special tokens, a token for each byte, and the words, each with a space before it; how many they are."""
    special = [("<unk>", TokenType.UNKNOWN), ("<s>", TokenType.CONTROL), ("</s>", TokenType.CONTROL)]
    of_bytes = [(f"<0x{byte:02X}>", TokenType.BYTE) for byte in range(256)]
    words = [("▁" + word, TokenType.NORMAL) for word in dict.fromkeys(WORDS)]
    vocabulary = [*special, *of_bytes, *words]
    writer.add_tokenizer_model("llama")
    writer.add_token_list([token.encode() for token, _ in vocabulary])
    writer.add_token_scores([0.0] * len(vocabulary))
    writer.add_token_types([int(kind) for _, kind in vocabulary])
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_chat_template(CHAT_TEMPLATE)
    return len(vocabulary)


def add_weights(writer: GGUFWriter, tokens: int) -> None:
    """Add every tensor that a llama has, filled with random numbers."""
    random = np.random.default_rng(SEED)

    def make(*shape: int) -> np.ndarray:
        return (random.standard_normal(shape) * 0.05).astype(np.float32)

    def add(name: str, *shape: int) -> None:
        writer.add_tensor(name, make(*shape))

    def add_norm(name: str) -> None:
        writer.add_tensor(name, np.ones(WIDTH, np.float32))

    add("token_embd.weight", tokens, WIDTH)
    output = make(tokens, WIDTH)
    output[BYTES] = 0  # never likely: a text of single bytes is mostly no UTF-8, and such bytes are left out
    writer.add_tensor("output.weight", output)
    add_norm("output_norm.weight")
    for layer in range(LAYERS):
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            add(f"blk.{layer}.{name}.weight", WIDTH, WIDTH)
        add(f"blk.{layer}.ffn_gate.weight", HIDDEN, WIDTH)
        add(f"blk.{layer}.ffn_up.weight", HIDDEN, WIDTH)
        add(f"blk.{layer}.ffn_down.weight", WIDTH, HIDDEN)
        add_norm(f"blk.{layer}.attn_norm.weight")
        add_norm(f"blk.{layer}.ffn_norm.weight")


if __name__ == "__main__":
    main(sys.argv[1])
