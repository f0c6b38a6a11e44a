"""Kinds J, N: reasoning is progress, is no part of the text, and is kept apart where the upstream does not."""

from tests.providers.case import Case, Fails, Seen, Whole, answer, case, open_stream, stream, usage
from tests.upstream.scripted_upstream import DONE, FINISH, ROLE, Linger, Stall, chunk, event, text

TEA = Whole("Tea is good.")
ANSWER = (text("Tea is good."), FINISH, DONE)
FIRST_CLOCK = {"first_delta_seconds": 0.4, "between_deltas_seconds": 30.0}
"""The clock for the first delta, short; each case below writes only reasoning until it would have run out."""


def thinks(name: str, source: str, delta: dict[str, object]) -> Case:
    """Reasoning of one form, until the clock for the first delta would have run out, and then the text."""
    thought = chunk({"content": None, **delta})
    steps = open_stream(thought, Linger(0.3), thought, Linger(0.3), *stream(*ANSWER)[1:])
    return case("J", name, source, steps, TEA, clocks=FIRST_CLOCK)


def tagged(name: str, source: str, pieces: tuple[str, ...], right: Whole | Fails, *, apart: bool = True) -> Case:
    """A text with thoughts in it, read with the thoughts taken out if `apart`."""
    options = {"think_tags": True} if apart else {}
    return case("N", name, source, stream(ROLE, *map(text, pieces), FINISH, DONE), right, options=options)


THOUGHT = ("<think>\n", "They want tea.", "\n</think>\n\n", "Tea is good.")

CASES: list[Case] = [
    thinks("reasoning_content", "issue 11, c42: DeepSeek", {"reasoning_content": "They want"}),
    thinks("reasoning", "Aider-AI/aider#3086: OpenRouter", {"reasoning": "They want"}),
    thinks(
        "only reasoning_details, in words",
        "vellum-ai/vellum-assistant#30953",
        {"reasoning_details": [{"type": "reasoning.text", "text": "They want"}]},
    ),
    thinks(
        "only reasoning_details, encrypted",
        "vellum-ai/vellum-assistant#30953",
        {"content": "", "reasoning_details": [{"type": "reasoning.encrypted", "data": "gAAAAABo"}]},
    ),
    thinks(
        "only reasoning_details, a summary",
        "vellum-ai/vellum-assistant#30953",
        {"reasoning": None, "reasoning_details": [{"type": "reasoning.summary", "summary": "They want"}]},
    ),
    thinks(
        "parts of type thinking",
        "BerriAI/litellm#16272",
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "They want"}]}]},
    ),
    case(
        "J",
        "a role, comments for a while, then the text",
        "issue 11, c14",
        open_stream(ROLE, b": keep-alive\n\n", Linger(0.2), b": keep-alive\n\n", Linger(0.2), *stream(*ANSWER)[1:]),
        TEA,
        clocks={"first_delta_seconds": 30.0, "between_deltas_seconds": 0.1},
    ),
    case(
        "J",
        "reasoning that stops is silence",
        "deepseek-ai/DeepSeek-V3#1608",
        open_stream(chunk({"reasoning_content": "They want"}), Stall(b"3\r\n: \n\r\n")),
        Fails("upstream_stalled"),
        clocks={"between_deltas_seconds": 0.2},
    ),
    case(
        "N",
        "reasoning before the answer is no part of it",
        "issue 11, c42: DeepSeek",
        stream(
            *(chunk({"content": None, "reasoning_content": each}) for each in ("They want", " tea.")),
            *ANSWER[:2],
            event({"choices": [], "usage": usage(11, 9, completion_tokens_details={"reasoning_tokens": 5})}),
            DONE,
        ),
        Whole("Tea is good.", input_tokens=11, output_tokens=9),
    ),
    case(
        "N",
        "reasoning in an answer that came whole",
        "QwenLM/qwen-code#1448",
        answer(
            200,
            {
                "choices": [
                    {
                        "index": 0,
                        "message": {
                            "content": "Tea is good.",
                            "reasoning_content": "They want tea.",
                            "reasoning": None,
                        },
                        "finish_reason": "stop",
                    }
                ]
            },
        ),
        TEA,
    ),
    case(
        "N",
        "reasoning and text in one delta",
        "vellum-ai/vellum-assistant#30953",
        open_stream(
            chunk({"content": "Tea ", "reasoning_content": "They want tea."}),
            Seen("Tea "),
            *stream(chunk({"content": "is good.", "reasoning": ""}), FINISH, DONE)[1:],
        ),
        TEA,
    ),
    tagged("thoughts in the text, taken out", "issue 11, c41", THOUGHT, TEA),
    tagged("thoughts in the text, left in by default", "issue 11, c41", THOUGHT, Whole("".join(THOUGHT)), apart=False),
    tagged("tags cut anywhere", "vllm-project/vllm#13375", tuple("".join(THOUGHT)), TEA),
    tagged("empty thoughts", "ollama/ollama#8837", ("<think>\n\n</think>\n\n", "Tea is good."), TEA),
    tagged("no thoughts at all", "ollama/ollama#8837", ("Tea", " is good."), TEA),
    tagged(
        "a tag later in the text is text",
        "OpenHands/OpenHands#8218",
        ("Write <think>", "x</think> in XML."),
        Whole("Write <think>x</think> in XML."),
    ),
    tagged(
        "what only looks like a tag is text",
        "OpenHands/OpenHands#8218",
        ("<thi", "s> is good."),
        Whole("<this> is good."),
    ),
    tagged(
        "nothing but thoughts",
        "tetsuo-ai/agenc-core#2492",
        ("<think>They want", " tea.</think>\n"),
        Fails("upstream_empty_completion"),
    ),
    tagged(
        "thoughts that never end",
        "tetsuo-ai/agenc-core#2492",
        ("<think>They want", " tea."),
        Fails("upstream_empty_completion"),
    ),
]
