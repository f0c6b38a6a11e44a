"""Token counts agree with the reference implementation, tiktoken, and never fail a job."""

import gzip
import hashlib
import importlib.util
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import tiktoken
import tiktoken.model
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs import token_pieces, tokens
from jobs.tokens import TokenCount, Tokenizers, encoding_of, estimate

MODEL_OF = {"o200k_base": "gpt-4o", "cl100k_base": "gpt-4"}

ENGLISH = (
    "The ferry left at seven, as it had every morning since the war, and nobody on the quay looked up. Marta counted "
    "the crates twice, signed the sheet, and put the pencil back behind her ear. Rain was coming: you could smell it "
    "over the diesel and the fish. By the time the bell rang for the second crossing, the harbour had filled with "
    "people who all wanted to be somewhere else, and the price of a ticket had quietly gone up by half."
)
CHINESE = (
    "清晨的渡口起了薄雾,船工老陈照例先烧一壶水。他在这条江上撑了三十年的船,见过涨水时漂来的整棵大树,也见过枯水期露出的石碑。"
    "今天要过江的人不多:一个背着药箱的医生,两个去镇上读书的孩子,还有一位沉默的老太太。船到江心,雾忽然散开,阳光落在水面上,"
    "像有人撒了一把碎银子。老陈说,这样的天气,一年里也就那么几回。"
)
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


@pytest.fixture(scope="module")
def built_in() -> Tokenizers:
    return Tokenizers(None)


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


# Chat prompts

# From OpenAI's cookbook, "How to count tokens with tiktoken", with what the API itself answered as prompt_tokens.
JARGON = [
    (
        "system",
        None,
        "You are a helpful, pattern-following assistant that translates corporate jargon into plain English.",
    ),
    ("system", "example_user", "New synergies will help drive top-line growth."),
    ("system", "example_assistant", "Things working well together will increase revenue."),
    (
        "system",
        "example_user",
        "Let's circle back when we have more bandwidth to touch base on opportunities for increased leverage.",
    ),
    ("system", "example_assistant", "Let's talk later when we're less busy about how to do better."),
    ("user", None, "This late pivot means we don't have time to boil the ocean for the client deliverable."),
]


@pytest.mark.parametrize(("model", "prompt_tokens"), [("gpt-4", 129), ("gpt-3.5-turbo", 129), ("gpt-4o", 124)])
def test_a_chat_prompt_counts_what_the_api_answered(built_in: Tokenizers, model: str, prompt_tokens: int) -> None:
    messages = [{"role": role, "name": name, "content": content} for role, name, content in JARGON]
    assert built_in.count_messages(model, messages) == TokenCount(prompt_tokens, "tokenizer")


def test_text_parts_count_as_their_texts(built_in: Tokenizers) -> None:
    parts = [{"type": "text", "text": "Write about the sea."}, {"type": "text", "text": "In Chinese."}]
    counted = built_in.count_messages("gpt-4o", [{"role": "user", "content": parts}])
    texts = [built_in.count_text("gpt-4o", text).tokens for text in ("user", "Write about the sea.", "In Chinese.")]
    assert counted == TokenCount(3 + 3 + sum(texts), "tokenizer")


def test_a_part_that_is_no_text_makes_the_count_an_estimate(built_in: Tokenizers) -> None:
    text = {"type": "text", "text": "What is this?"}
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 100_000}}
    without = built_in.count_messages("gpt-4o", [{"role": "user", "content": [text]}])
    counted = built_in.count_messages("gpt-4o", [{"role": "user", "content": [text, image]}])
    assert counted == TokenCount(without.tokens, "estimate")


def test_tool_calls_are_counted_and_make_the_count_an_estimate(built_in: Tokenizers) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"where": "北京"}'}}
    plain = built_in.count_messages("gpt-4o", [{"role": "assistant", "content": None}])
    called = built_in.count_messages("gpt-4o", [{"role": "assistant", "content": None, "tool_calls": [call]}])
    assert plain == TokenCount(7, "tokenizer")
    assert called.source == "estimate"
    assert called.tokens > plain.tokens + 10


@pytest.mark.parametrize("model", ["gpt-oss-20b", "unknown"])
def test_a_model_with_a_chat_template_of_its_own_gets_an_estimate(built_in: Tokenizers, model: str) -> None:
    counted = built_in.count_messages(model, [{"role": "user", "content": "one two three"}])
    assert counted == TokenCount(3 + 3 + 1 + 3, "estimate")


@pytest.mark.parametrize("odd", [[], [{}], [{"role": 7}], [{"content": [None, "x", 3, {"text": None}]}], [{"a": b"b"}]])
def test_messages_of_any_shape_are_counted(built_in: Tokenizers, odd: list[dict[str, object]]) -> None:
    assert built_in.count_messages("gpt-4o", odd).tokens >= 3


# The estimate


@pytest.mark.parametrize("text", [ENGLISH, CHINESE, ENGLISH + CHINESE], ids=["English", "Chinese", "both"])
def test_the_estimate_of_prose_is_within_a_fifth_of_the_count(built_in: Tokenizers, text: str) -> None:
    guessed = built_in.count_text("unknown", text)
    counted = built_in.count_text("gpt-4o", text)
    assert guessed.source == "estimate"
    assert guessed.tokens == pytest.approx(counted.tokens, rel=0.2)


def test_no_text_is_no_token_and_any_text_is_at_least_one() -> None:
    assert estimate("") == 0
    assert estimate("a") == estimate("好") == 1
