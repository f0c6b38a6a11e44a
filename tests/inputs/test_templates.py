"""The template that makes a prompt of each row."""

import pytest

from jobs.inputs.mistakes import MistakeError
from jobs.inputs.template import fill, parse_template


@pytest.mark.parametrize(
    ("template", "mistake"),
    [
        ("Write about {subject}", "{subject} in the template is not a column: the columns are topic, tone"),
        ("Write about {Topics}", "did you mean {topic}? the columns are topic, tone"),
        ("Write about {topic", "a single { at character 13"),
        ("Write about topic}", "a single } at character 18"),
        ("Write about {{topic}}", "names no column"),
        ("{topic.__class__}", "is not a column"),
    ],
)
def test_a_wrong_template_says_where(template: str, mistake: str) -> None:
    with pytest.raises(MistakeError) as refused:
        parse_template(["topic", "tone"], template)
    assert mistake in str(refused.value)
    assert refused.value.param == "template"


def test_braces_in_a_cell_stay_as_they_are() -> None:
    assert fill("About {topic}", {"topic": "{tone} {{x}}"}) == "About {tone} {{x}}"
