"""What the simulator writes as the rest of a text, sloppy as real models are, joined at the seam."""

import msgspec

from longhand.simulator.continuation import rest_of
from longhand.simulator.orders import ChatRequest, Orders, messages_hash
from longhand.simulator.prose import write_deltas
from tests.worker.joining import cut_seam
from worker.continuation import ask_for_the_rest, last_words


def test_a_sloppy_model_repeats_the_quoted_words_as_they_stand_and_nothing_is_doubled() -> None:
    messages = [{"role": "user", "content": "Write a 900-word article about tea."}]
    article = "".join(write_deltas("Write a 900-word article about tea.", messages_hash(messages)))
    obeyed = 0
    for cut in range(500, len(article) - 200, 37):
        text = article[:cut]
        body = ask_for_the_rest({"model": "m", "messages": messages}, text, 0)
        rest = rest_of(msgspec.convert(body, ChatRequest), Orders(), sloppy=True)
        assert rest is not None
        answer = "".join(rest)
        obeyed += (last_words(text) + article[cut : cut + 20]) in answer
        assert text + cut_seam(text, answer) == article
    assert obeyed >= 20
