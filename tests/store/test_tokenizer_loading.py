"""A tokenizer is loaded once, when it is needed, and no more of it than is needed."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from jobs import tokens
from jobs.tokens import TokenCount, Tokenizers
from tests.store.counting import ENGLISH


def test_many_threads_at_the_first_count_load_a_tokenizer_once(monkeypatch: pytest.MonkeyPatch) -> None:
    loads: list[str] = []
    loaded_twice = threading.Event()
    load = tokens._built_in

    def watched(encoding: str) -> tokens.TokenCounter:
        loads.append(encoding)
        if len(loads) > 1:
            loaded_twice.set()
        loaded_twice.wait(0.3)  # the other threads have all this time to come in
        return load(encoding)

    monkeypatch.setattr(tokens, "_built_in", watched)
    counting = Tokenizers(None)
    together = threading.Barrier(16)
    counts: list[TokenCount] = []

    def count() -> None:
        together.wait()
        counts.append(counting.count_text("gpt-4o", ENGLISH))

    threads = [threading.Thread(target=count) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert loads == ["o200k_base"]
    assert len(counts) == 16
    assert len(set(counts)) == 1
    assert counts[0].source == "tokenizer"


def test_nothing_heavy_is_loaded_before_it_is_needed_nor_more_than_is_needed() -> None:
    program = """
import sys
from jobs.tokens import Tokenizers
before = [name for name in ("bpe_openai._bindings", "tokenizers") if name in sys.modules]
counted = Tokenizers(None).count_text("gpt-4o", "hello world")
after = [name for name in ("bpe_openai", "bpe_openai.registry", "tokenizers", "tiktoken") if name in sys.modules]
import bpe_openai  # and whoever wants the whole package still gets it
print(before, counted.tokens, counted.source, after, bpe_openai.get_encoding("o200k_base").encode_ordinary("hi"))
"""
    root = Path(__file__).parents[2]
    run = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[] 2 tokenizer [] [3686]"


def test_an_interrupt_during_a_count_is_not_taken_for_a_broken_tokenizer(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(text: str) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(tokens, "_built_in", lambda encoding: interrupted)
    with pytest.raises(KeyboardInterrupt):
        Tokenizers(None).count_text("gpt-4o", "hello")
