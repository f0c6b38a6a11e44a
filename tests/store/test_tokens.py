"""Token counts agree with the reference implementation, tiktoken, and never fail a job."""

import gzip
import hashlib
import importlib.util
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import tiktoken
import tiktoken.model
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs import token_pieces, tokens
from jobs.tokens import TokenCount, Tokenizers, encoding_of
from tests.store.counting import CHINESE, ENGLISH, built_in

__all__ = ["built_in"]  # a fixture

MODEL_OF = {"o200k_base": "gpt-4o", "cl100k_base": "gpt-4"}

NASTY = [
    "",
    " ",
    "\n",
    "\r\n\r\n\r\n",
    "a\r\nb\rc\n\n\nd",
    "   leading and trailing   ",
    "\t\t  \n  \t x",
    "word" + " " * 100 + "word",
    " \u00a0\u2003\u3000 wide spaces \u2028\u2029 and \u0085 separators",
    "👩‍👩‍👧‍👦 🏳️‍🌈 👍🏽 🇨🇳🇩🇪 1️⃣ \u200d\u200d",
    "e\u0301a\u0308o\u0302\u0323 Z\u0351\u036b\u0343a\u0329l\u0348g\u033bo",
    "中文没有空格也没有标点只是一直写下去直到很长很长",
    "「引号」、《书名号》……——!?;:",
    "ไทยไม่มีช่องว่าง العربية עברית हिन्दी ქართული 한국어 ひらがなカタカナ",
    "don't DON'T I'll we'VE they're it'S ’s ʼn",
    "1234567890 3.14159 1,000,000 ²³¼ ٣٤٥ 一二三",
    "camelCaseHTTPServer snake_case SCREAMING_CASE ǅungla ﬁn",
    "def f(x):\n\tif x:\n        return {'a': [1, 2]}  # ok\n\n\n",
    "https://example.com/a/b?c=d&e=%20#f //// \\\\ /*\n/",
    "\x00\x01\x7f\x80 \ufeff \ufffd \ufffe",
    "<|endoftext|><|im_start|>system<|im_sep|><|endofprompt|><|fim_prefix|>",
    "\ud83d lone, pair \ud83d\ude00 and the wrong way \ude00\ud83d",
    ENGLISH,
    CHINESE,
]


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], tiktoken.Encoding]]:
    """tiktoken's own encodings: its patterns and its merging, over the tables that bpe-openai ships.

    The tables lie where tiktoken keeps its downloads, so it checks them against the hashes of the published files.
    """
    package = importlib.util.find_spec("bpe_openai")
    assert package is not None
    assert package.submodule_search_locations is not None
    shipped = Path(package.submodule_search_locations[0]) / "data"
    downloads = tmp_path_factory.mktemp("downloads")
    for encoding in MODEL_OF:
        address = f"https://openaipublic.blob.core.windows.net/encodings/{encoding}.tiktoken"
        table = gzip.decompress((shipped / f"{encoding}.tiktoken.gz").read_bytes())
        (downloads / hashlib.sha1(address.encode(), usedforsecurity=False).hexdigest()).write_bytes(table)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TIKTOKEN_CACHE_DIR", str(downloads))
        yield tiktoken.get_encoding


# Which encoding


@pytest.mark.parametrize(("model", "encoding"), tiktoken.model.MODEL_TO_ENCODING.items())
def test_every_model_that_tiktoken_names_has_the_same_encoding_here(model: str, encoding: str) -> None:
    assert encoding_of(model) == (encoding if encoding in MODEL_OF else None)


@pytest.mark.parametrize(("prefix", "encoding"), tiktoken.model.MODEL_PREFIX_TO_ENCODING.items())
def test_every_prefix_that_tiktoken_names_has_the_same_encoding_here(prefix: str, encoding: str) -> None:
    assert encoding_of(prefix.removesuffix("-") + "-2024-08-06") == encoding.replace("o200k_harmony", "o200k_base")


def test_harmony_counts_ordinary_text_as_o200k_does(reference: Callable[[str], tiktoken.Encoding]) -> None:
    harmony, o200k = reference("o200k_harmony"), reference("o200k_base")
    for text in NASTY:
        assert harmony.encode_ordinary(text) == o200k.encode_ordinary(text)


@pytest.mark.parametrize(
    ("model", "encoding"),
    [
        ("gpt-4", "cl100k_base"),
        ("gpt-4-turbo", "cl100k_base"),
        ("gpt-4o-mini", "o200k_base"),
        ("gpt-4.1-nano", "o200k_base"),
        ("gpt-4.5-preview", "o200k_base"),
        ("gpt-5.1-mini", "o200k_base"),
        ("o3-pro", "o200k_base"),
        ("o4-mini", "o200k_base"),
        ("chatgpt-4o-latest", "o200k_base"),
        ("GPT-4o", "o200k_base"),
        ("openai/gpt-4o", "o200k_base"),
        ("openrouter/openai/gpt-4o:extended", "o200k_base"),
        ("openai.gpt-oss-20b-1:0", "o200k_base"),
        ("ft:gpt-4o-mini-2024-07-18:acme::abc", "o200k_base"),
        ("ft:gpt-4.1-2025-04-14:acme::abc", "o200k_base"),  # tiktoken takes it for a gpt-4
        ("ft:gpt-4-0613:acme::abc", "cl100k_base"),
        ("azure/gpt-35-turbo-16k", "cl100k_base"),
        ("gpt-4all", None),
        ("gpt-6", None),
        ("o1labs", None),
        ("my-gpt-4o", None),
        ("Qwen/Qwen3-8B", None),
        ("", None),
    ],
)
def test_names_are_read_through_prefixes_and_not_confused(model: str, encoding: str | None) -> None:
    assert encoding_of(model) == encoding


# Counting a text


@pytest.mark.parametrize("encoding", MODEL_OF)
@pytest.mark.parametrize("text", NASTY, ids=lambda text: ascii(text)[:30])
def test_nasty_text_is_counted_as_tiktoken_counts_it(
    reference: Callable[[str], tiktoken.Encoding], built_in: Tokenizers, encoding: str, text: str
) -> None:
    expected = len(reference(encoding).encode_ordinary(text))
    assert built_in.count_text(MODEL_OF[encoding], text) == TokenCount(expected, "tokenizer")


@pytest.mark.parametrize("encoding", MODEL_OF)
@given(text=st.text(st.characters()) | st.lists(st.sampled_from(NASTY) | st.text(max_size=5), max_size=6).map("".join))
@settings(deadline=None)
def test_any_text_is_counted_as_tiktoken_counts_it(
    reference: Callable[[str], tiktoken.Encoding], built_in: Tokenizers, encoding: str, text: str
) -> None:
    expected = len(reference(encoding).encode_ordinary(text))
    assert built_in.count_text(MODEL_OF[encoding], text) == TokenCount(expected, "tokenizer")


@pytest.mark.parametrize("encoding", MODEL_OF)
@given(
    parts=st.lists(st.sampled_from(NASTY) | st.text(max_size=5) | st.sampled_from([" a", "，中", "\nb"]), max_size=9)
)
@settings(deadline=None)
def test_no_token_reaches_over_a_place_where_a_long_text_is_cut(
    reference: Callable[[str], tiktoken.Encoding], encoding: str, parts: list[str]
) -> None:
    text = tokens._without_lone_surrogates("".join(parts))
    ends: set[int] = set()
    for token in reference(encoding).encode_ordinary(text):
        ends.add(max(ends, default=0) + len(reference(encoding).decode_single_token_bytes(token)))
    seams = [len(text[: seam.start()].encode()) for seam in token_pieces._SEAM.finditer(text)]
    assert ends.issuperset(seams)


@pytest.mark.parametrize("text", [ENGLISH * 100, CHINESE * 100, "\n".join(NASTY) * 50, "xQ" * 10_000])
def test_a_long_text_is_counted_in_pieces_that_hold_up_nobody(built_in: Tokenizers, text: str) -> None:
    """Whole, 16 MiB of random letters held the interpreter's lock, and all streams of a worker, for 18 s."""
    text = tokens._without_lone_surrogates(text)
    pieces = list(token_pieces.pieces_of(text, token_pieces.LONGEST_PIECE))
    assert "".join(pieces) == text
    assert max(map(len, pieces)) <= 2048
    whole = tokens._bindings().tokenizer_for_encoding("o200k_base").count(text)
    without_a_seam = len(pieces) if " " not in text else 0
    assert whole <= built_in.count_text("gpt-4o", text).tokens <= whole + without_a_seam


@pytest.mark.parametrize("model", ["gpt-4o", "gpt-4", "unknown"])
@pytest.mark.parametrize("text", ["a", " ", "\n", "中", "中文没有标点", "👩‍👩‍👧", "words and more words "])
def test_a_text_of_a_million_characters_takes_no_quadratic_time(built_in: Tokenizers, model: str, text: str) -> None:
    built_in.count_text(model, "load it")
    started = time.perf_counter()
    counted = built_in.count_text(model, text * (1_000_000 // len(text)))
    assert time.perf_counter() - started < 10  # the slowest takes 0.1 s; one that is quadratic, hours
    assert counted.tokens > 5_000
