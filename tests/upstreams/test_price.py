"""What a usage costs, and how the upstreams file gives prices."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.model.cost import Cost
from jobs.model.records import Usage
from jobs.pricing import cost_of
from jobs.upstreams import Price
from tests.upstreams.files import GOOD, read


def usage(input_tokens: int | None, cached: int | None, output: int | None, reasoning: int | None = None) -> Usage:
    """A usage as OpenAI reports it: the reasoning is part of the output."""
    return Usage(input_tokens, cached, output, reasoning, None, source="upstream")


def test_cached_tokens_have_their_own_price_and_reasoning_is_output() -> None:
    price = Price(2.0, 0.5, 8.0, "EUR")
    assert cost_of(usage(1000, 400, 100, 60), price) == Cost(600 * 2000 + 400 * 500 + 100 * 8000, "EUR")


def test_without_a_price_for_cached_tokens_they_cost_what_the_others_do() -> None:
    assert cost_of(usage(1000, 400, 100), Price(2.0, None, 8.0)) == Cost(1000 * 2000 + 100 * 8000, "USD")


def test_reasoning_that_an_upstream_counts_beside_the_output_is_paid_too() -> None:
    beside = Usage(10, None, 5, 20, 35, source="upstream")
    assert cost_of(beside, Price(1.0, None, 1.0)) == Cost(35_000, "USD")
    inside = Usage(10, None, 25, 20, 35, source="upstream")
    assert cost_of(inside, Price(1.0, None, 1.0)) == Cost(35_000, "USD")


@pytest.mark.parametrize(
    ("price", "used"),
    [
        (Price(2.0, None, None), usage(10, None, 5)),
        (Price(None, None, 8.0), usage(10, None, 5)),
        (Price(), usage(10, None, 5)),
        (Price(2.0, None, 8.0), usage(None, None, 5)),
        (Price(2.0, None, 8.0), usage(10, None, None)),
        (Price(2.0, None, 8.0), None),
    ],
)
def test_what_a_cost_needs_and_nobody_knows_makes_it_unknown(price: Price, used: Usage | None) -> None:
    assert cost_of(used, price) is None


def test_a_price_of_nothing_is_a_cost_of_nothing() -> None:
    assert cost_of(usage(10, None, 5), Price(0, None, 0)) == Cost(0, "USD")


@given(st.integers(0, 2**31), st.integers(0, 2**31), st.decimals(0, 1000, places=6), st.decimals(0, 1000, places=6))
def test_a_cost_is_exact_to_the_billionth(tokens: int, output: int, read_price: Decimal, write_price: Decimal) -> None:
    cost = cost_of(usage(tokens, None, output), Price(float(read_price), None, float(write_price)))
    assert cost is not None
    assert abs(Decimal(cost.nanos) - (tokens * read_price + output * write_price) * 1000) <= Decimal("0.5")


def test_each_model_has_the_price_of_the_first_pattern_that_matches() -> None:
    found = read(
        GOOD
        + '[[upstream.price]]\nmodels = ["gpt-4.1-mini*"]\ninput = 0.4\noutput = 1.6\n'
        + '[[upstream.price]]\nmodels = ["gpt-*", "o?"]\ninput = 2\noutput = 8\ncurrency = "EUR"\n'
    )
    assert found.mistakes == ()
    [spec] = found.upstreams.specs
    mini, other = spec.price_of("gpt-4.1-mini"), spec.price_of("o3")
    assert mini == Price(0.4, None, 1.6, models=("gpt-4.1-mini*",))
    assert other == Price(2.0, None, 8.0, "EUR", ("gpt-*", "o?"))
    assert spec.price_of("llama") is None


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ('price = { input = 1, currency = "dollars" }', "currency must be the three capital letters"),
        ("price = [{ input = 1, models = [] }]", "models must be a list of texts"),
        ("price = [1]", "price must hold tables"),
        ("price = [{ inptu = 1 }]", "'inptu' is not a key; did you mean input?"),
        ('price = { input = 1, models = ["[a"] }', "models has a '[' that is not closed"),
    ],
)
def test_a_wrong_price_is_a_mistake_on_its_line(text: str, mistake: str) -> None:
    [found] = read(GOOD + text + "\n").mistakes
    assert mistake in found.message
    assert found.line == GOOD.count("\n") + 1
