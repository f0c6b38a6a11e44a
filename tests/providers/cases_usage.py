"""Kind K: usage, wherever it stands. The largest known of each count; 0 never overwrites a count."""

from tests.providers.case import Case, Whole, answer, case, stream, usage
from tests.upstream.scripted_upstream import DONE, FINISH, chunk, event, text

TEA = text("Tea.")


def whole(tokens_in: int | None, tokens_out: int | None) -> Whole:
    """The text with these counts."""
    return Whole("Tea.", input_tokens=tokens_in, output_tokens=tokens_out)


def choice_with_usage(counts: dict[str, object]) -> bytes:
    """A last chunk whose choice holds the usage."""
    return event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop", "usage": counts}]})


def running(*totals: tuple[int, int]) -> tuple[bytes, ...]:
    """Chunks of nothing but running totals."""
    return tuple(event({"choices": [], "usage": usage(*total)}) for total in totals)


CASES: list[Case] = [
    case(
        "K",
        "the input first, at the end an input of 0",
        "issue 11, c17",
        stream(chunk({"content": ""}, usage=usage(120, 1)), TEA, chunk({}, "stop", usage=usage(0, 25)), DONE),
        whole(120, 25),
    ),
    case(
        "K",
        "in the choice",
        "agentscope-ai/agentscope#2313: Moonshot",
        stream(TEA, choice_with_usage(usage(8, 292)), DONE),
        whole(8, 292),
    ),
    case(
        "K",
        "in the choice, and zeros at the top",
        "agentscope-ai/agentscope#2313: Moonshot",
        stream(TEA, choice_with_usage(usage(8, 292)), event({"choices": [], "usage": usage(0, 0)}), DONE),
        whole(8, 292),
    ),
    case(
        "K",
        "running totals in every chunk",
        "RooCodeInc/Roo-Code#1227",
        stream(
            chunk({"content": "T"}, usage=usage(7, 1)),
            chunk({"content": "ea"}, usage=usage(7, 4)),
            chunk({"content": "."}, usage=usage(7, 6)),
            FINISH,
            DONE,
        ),
        whole(7, 6),
    ),
    case(
        "K",
        "zeros until the last chunk",
        "router-for-me/CLIProxyAPI#3076",
        stream(chunk({"content": "Tea."}, usage=usage(0, 0)), chunk({}, "stop", usage=usage(10, 3)), DONE),
        whole(10, 3),
    ),
    case(
        "K",
        "null until the last chunk",
        "neuron-core/neuron-ai#223",
        stream(chunk({"content": "Tea."}, usage=None), chunk({}, "stop", usage=usage(10, 3)), DONE),
        whole(10, 3),
    ),
    case(
        "K",
        "zeros after the true counts",
        "router-for-me/CLIProxyAPI#3076",
        stream(TEA, chunk({}, "stop", usage=usage(10, 3)), event({"choices": [], "usage": usage(0, 0)}), DONE),
        whole(10, 3),
    ),
    case(
        "K",
        "the same counts many times are not added up",
        "HKUDS/DeepTutor#617",
        stream(TEA, *running((10, 3), (10, 3), (10, 3)), FINISH, DONE),
        whole(10, 3),
    ),
    case(
        "K",
        "nothing but zeros tells nothing",
        "issue 11: LitServe",
        stream(TEA, chunk({}, "stop", usage=usage(0, 0)), DONE),
        Whole("Tea."),
    ),
    case(
        "K",
        "after the finish_reason, without choices at all",
        "openai/openai-agents-js#107",
        stream(TEA, FINISH, event({"usage": usage(9, 2)}), DONE),
        whole(9, 2),
    ),
    case(
        "K",
        "by the names of Responses and Anthropic",
        "BerriAI/litellm: usage of Anthropic",
        stream(TEA, chunk({}, "stop", usage={"input_tokens": 12, "output_tokens": 5}), DONE),
        whole(12, 5),
    ),
    case(
        "K",
        "only the output is known",
        "issue 11, c17",
        stream(TEA, chunk({}, "stop", usage={"completion_tokens": 25, "prompt_tokens": 0}), DONE),
        whole(None, 25),
    ),
    case(
        "K",
        "counts that are no numbers cost no text",
        "issue 11, kind K",
        stream(
            TEA, chunk({}, "stop", usage={"prompt_tokens": "9", "completion_tokens": None, "total_tokens": 1e400}), DONE
        ),
        Whole("Tea."),
    ),
    case(
        "K",
        "in the choice of an answer that came whole",
        "agentscope-ai/agentscope#2313: Moonshot",
        answer(
            200,
            {"choices": [{"index": 0, "message": {"content": "Tea."}, "finish_reason": "stop", "usage": usage(8, 2)}]},
        ),
        whole(8, 2),
    ),
]
