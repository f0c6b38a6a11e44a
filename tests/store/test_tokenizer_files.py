"""Models that are not OpenAI's are counted with the operator's files, and a broken file never fails a job."""

import json
import logging
import threading
import time
from pathlib import Path

import pytest
import tokenizers
from tokenizers import models, normalizers, pre_tokenizers, processors

from jobs.token_pieces import LONGEST_OF_FILE, count_in_pieces
from jobs.tokens import TokenCount, Tokenizers, estimate

TEXT = "The ferry left at seven, and nobody on the quay looked up."


def write(path: Path, tokenizer: tokenizers.Tokenizer) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(path))


def words() -> tokenizers.Tokenizer:
    """A tokenizer for which each word and each mark is one token: nothing else counts as it does."""
    tokenizer = tokenizers.Tokenizer(models.WordLevel({"<unk>": 0, "<s>": 1}, unk_token="<unk>"))  # noqa: S106  # a piece of vocabulary
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return tokenizer


@pytest.mark.parametrize(
    ("file", "model"),
    [
        ("mistral-small.json", "mistral-small"),
        ("mistral-small/tokenizer.json", "mistral-small"),
        ("qwen2.5-7b.json", "qwen2.5-7b"),
        ("Qwen/Qwen3-8B.json", "Qwen/Qwen3-8B"),
        ("Qwen/Qwen3-8B/tokenizer.json", "Qwen/Qwen3-8B"),
        ("Qwen3-8B.json", "Qwen/Qwen3-8B"),
        ("gpt-4o.json", "gpt-4o"),  # what the operator put there comes before what is built in
    ],
)
def test_a_model_is_counted_with_the_file_of_its_name(tmp_path: Path, file: str, model: str) -> None:
    write(tmp_path / file, words())
    assert Tokenizers(tmp_path).count_text(model, "incomprehensibilities, three times") == TokenCount(4, "tokenizer")


def test_a_link_to_a_folder_is_followed(tmp_path: Path) -> None:
    write(tmp_path / "cache/snapshot/tokenizer.json", words())
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "mistral").symlink_to(tmp_path / "cache" / "snapshot")
    assert Tokenizers(tmp_path / "folder").count_text("mistral", "one two") == TokenCount(2, "tokenizer")


@pytest.mark.parametrize("model", ["../outside", "/outside", "inside/../../outside", "..", "", "\x00", "*"])
def test_a_model_name_never_leads_to_a_file_outside_the_folder(tmp_path: Path, model: str) -> None:
    write(tmp_path / "folder" / "inside.json", words())
    write(tmp_path / "outside.json", words())
    counting = Tokenizers(tmp_path / "folder")
    assert counting.count_text("inside", "one two").source == "tokenizer"
    assert counting.count_text(model, "one two").source == "estimate"


def test_a_folder_that_does_not_exist_is_named_in_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    counting = Tokenizers(tmp_path / "nowhere")
    assert str(tmp_path / "nowhere") in caplog.text
    assert counting.count_text("gpt-4o", "hello world") == TokenCount(2, "tokenizer")


def test_what_a_file_adds_to_or_cuts_from_a_text_for_training_is_not_counted(tmp_path: Path) -> None:
    tokenizer = words()
    tokenizer.enable_truncation(max_length=2)
    tokenizer.enable_padding(length=64)
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    assert len(tokenizer.encode("one two three")) == 64
    write(tmp_path / "m.json", tokenizer)
    assert Tokenizers(tmp_path).count_text("m", "one two three") == TokenCount(3, "tokenizer")


def test_text_that_looks_like_a_special_token_is_ordinary_text_to_a_file_too(tmp_path: Path) -> None:
    tokenizer = words()
    tokenizer.add_special_tokens(["<|endoftext|>"])
    assert len(tokenizer.encode("<|endoftext|>")) == 1
    write(tmp_path / "m.json", tokenizer)
    assert Tokenizers(tmp_path).count_text("m", "<|endoftext|>") == TokenCount(3, "tokenizer")


def test_a_lone_surrogate_is_counted_as_its_replacement(tmp_path: Path) -> None:
    write(tmp_path / "m.json", words())
    counting = Tokenizers(tmp_path)
    assert counting.count_text("m", "one \ud83d two") == TokenCount(3, "tokenizer")
    assert counting.count_text("unknown", "one \ud83d two").source == "estimate"


def test_other_threads_run_while_a_file_counts_a_long_text(tmp_path: Path) -> None:
    write(tmp_path / "m.json", words())
    counting = Tokenizers(tmp_path)
    counting.count_text("m", "load it")
    counted = threading.Event()
    text = "one two three four " * 100_000

    def count() -> None:
        counting.count_text("m", text)
        counted.set()

    started = time.perf_counter()
    thread = threading.Thread(target=count)
    thread.start()
    turns = 0
    while not counted.wait(0.001):
        turns += 1
    thread.join()
    elapsed_ms = (time.perf_counter() - started) * 1000
    assert elapsed_ms > 50, "too short to tell"
    # Had it kept the others out, there would be one turn before it and perhaps one after it.
    assert turns > 5


def test_a_long_text_is_counted_in_pieces_and_one_at_a_time(tmp_path: Path) -> None:
    """Whole, 8 MB took 2.5 GB of memory, and each of twelve that were cancelled at once took it."""
    text = TEXT * 10_000
    write(tmp_path / "m.json", words())
    assert Tokenizers(tmp_path).count_text("m", text).tokens == 140_000
    lengths: list[int] = []
    counting, at_once = 0, []

    def count_piece(piece: str) -> int:
        nonlocal counting
        counting += 1
        at_once.append(counting)
        lengths.append(len(piece))
        time.sleep(0)  # let another thread go on, if it may
        counting -= 1
        return 1

    count = count_in_pieces(count_piece, LONGEST_OF_FILE)
    threads = [threading.Thread(target=count, args=(text,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (sum(lengths), max(lengths) <= LONGEST_OF_FILE) == (4 * len(text), True)
    assert set(at_once) == {1}


@pytest.mark.parametrize("text", ["a", " ", "中", "words and more words "])
def test_a_text_of_a_million_characters_takes_no_quadratic_time(tmp_path: Path, text: str) -> None:
    # The hardest file for a long text: no pre-tokenizer, so that all of it is one word to merge.
    pieces = {piece: number for number, piece in enumerate(["<unk>", "a", " ", "aa", "  ", "aaaa", "    "])}
    merges = [("a", "a"), (" ", " "), ("aa", "aa"), ("  ", "  ")]
    write(tmp_path / "m.json", tokenizers.Tokenizer(models.BPE(pieces, merges, unk_token="<unk>")))  # noqa: S106  # as above
    started = time.perf_counter()
    counted = Tokenizers(tmp_path).count_text("m", text * (1_000_000 // len(text)))
    assert time.perf_counter() - started < 10  # the slowest takes 0.5 s; one that is quadratic, hours
    assert counted.tokens > 5_000
    assert counted.source == "tokenizer"


def test_a_chat_prompt_is_an_estimate_because_its_template_is_not_known(tmp_path: Path) -> None:
    write(tmp_path / "m.json", words())
    counted = Tokenizers(tmp_path).count_messages("m", [{"role": "user", "content": "one two three"}])
    assert counted == TokenCount(3 + 3 + 1 + 3, "estimate")


# Broken tokenizers


def broken_files() -> dict[str, str]:
    whole = json.loads(words().to_str())
    return {
        "cut off": words().to_str()[:200],
        "empty": "",
        "not a tokenizer": json.dumps({"architectures": ["Qwen3ForCausalLM"]}),
        "not text": "\x00\xff",
        "a panic in the library": json.dumps(
            {**whole, "normalizer": {"type": "Precompiled", "precompiled_charsmap": "AAAA"}}
        ),
        "fails at the count": json.dumps({**whole, "model": {**whole["model"], "unk_token": "<none>"}}),
    }


@pytest.mark.parametrize("how", broken_files())
def test_a_broken_file_gives_an_estimate_and_one_warning_that_names_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    (tmp_path / "m.json").write_text(broken_files()[how])
    counting = Tokenizers(tmp_path)
    for _ in range(3):
        assert counting.count_text("m", TEXT) == TokenCount(estimate(TEXT), "estimate")
        assert counting.count_messages("m", [{"role": "user", "content": TEXT}]).source == "estimate"
    [warning] = caplog.records
    assert warning.levelno == logging.WARNING
    assert str(tmp_path / "m.json") in warning.getMessage()


def test_a_text_that_fails_does_not_spoil_the_tokenizer_for_others(tmp_path: Path) -> None:
    known = tokenizers.Tokenizer(models.WordLevel({"one": 0, "two": 1}, unk_token="<none>"))  # noqa: S106  # a piece of vocabulary
    known.pre_tokenizer = pre_tokenizers.Whitespace()
    known.normalizer = normalizers.Lowercase()
    write(tmp_path / "m.json", known)
    counting = Tokenizers(tmp_path)
    assert counting.count_text("m", "one three").source == "estimate"
    assert counting.count_text("m", "ONE two") == TokenCount(2, "tokenizer")
