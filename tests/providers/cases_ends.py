"""Kinds A, A2: where an answer ends. A finish_reason beside text proves nothing, and not every model gives one."""

from dataclasses import replace

from tests.providers.case import QUIET_SECONDS, Case, Fails, Seen, Whole, case, cut_stream, open_stream, stream, usage
from tests.upstream.scripted_upstream import DONE, FINISH, ROLE, USAGE, Cut, Linger, Stall, chunk, event, head, text

PAST_QUIET = Linger(4 * QUIET_SECONDS)
"""Longer than the reader waits for what may follow the end."""

CUT = Fails("upstream_cut", given="First half. ")
FIRST = chunk({"role": "assistant", "content": "First half. "}, "stop")
SECOND = chunk({"content": "Second half."}, "stop")
BOTH = Whole("First half. Second half.")
GOOD = stream(text("Good."), FINISH, DONE)

EARLY = [
    case(
        "A",
        "stop in every chunk, a pause in the middle",
        "BerriAI/litellm#2195",
        (head(), FIRST, Seen("First half. "), PAST_QUIET, SECOND, DONE),
        BOTH,
    ),
    case("A", "stop in every chunk, then a cut", "songquanpeng/one-api#1477", cut_stream(FIRST), CUT),
    case(
        "A",
        "stop in every chunk, a cut after a pause",
        "songquanpeng/one-api#1477",
        open_stream(FIRST, Seen("First half. "), PAST_QUIET, Cut()),
        CUT,
    ),
    case(
        "A",
        "stop in every chunk and a clean end",
        "BerriAI/litellm#2195",
        stream(FIRST, SECOND),
        replace(BOTH, is_unsaid=True),
    ),
    case(
        "A",
        "stop beside text, then the connection ends, and nothing says whether the body did",
        # A body without length and chunks ends so when its server breaks down, too. Only [DONE] or habit tells.
        "songquanpeng/one-api#1477",
        (head(), FIRST),
        Fails("upstream_ended_without_end", given="First half. "),
    ),
    case(
        "A",
        "stop beside text, then silence",
        "BerriAI/litellm#2195",
        open_stream(FIRST, Stall()),
        Fails("upstream_stalled", given="First half. "),
        clocks={"between_deltas_seconds": 0.2},
    ),
    case(
        "A",
        "stop in every chunk, also in the last one without text, then silence",
        "songquanpeng/one-api#1477",
        open_stream(FIRST, SECOND, FINISH, Stall()),
        BOTH,
    ),
    case(
        "A",
        "stop in every chunk, also in one without text in the middle, and a pause there",
        "songquanpeng/one-api#1477",
        (head(), FIRST, chunk({"content": ""}, "stop"), Seen("First half. "), Linger(3), SECOND, DONE),
        BOTH,
        clocks={"after_finish_seconds": 2},
    ),
    case(
        "A",
        "stop beside text, also beside reasoning in the middle, and a pause there",
        "open-webui/open-webui#16377",
        (head(), FIRST, chunk({"reasoning_content": "On."}, "stop"), Seen("First half. "), PAST_QUIET, SECOND, DONE),
        BOTH,
    ),
    case(
        "A",
        "a chunk with stop and no text, then reasoning, then a cut",
        "open-webui/open-webui#16377",
        cut_stream(FIRST, FINISH, chunk({"reasoning_content": "On."})),
        CUT,
    ),
    case(
        "A",
        "a chunk with stop and no text, then a cut",
        "huggingface/text-generation-inference#2221",
        cut_stream(text("Tea is good."), FINISH),
        Whole("Tea is good."),
    ),
    case(
        "A",
        "a chunk with stop and no text, then silence",
        "huggingface/text-generation-inference#2221",
        open_stream(text("Tea is good."), FINISH, Stall()),
        Whole("Tea is good."),
    ),
    case(
        "A",
        "empty chunks with STOP before the text, while the model reasons",
        # An end without any text is no end worth having: waiting for the text costs nothing but time.
        "Chevey339/kelivo#1003",
        open_stream(
            chunk({"content": ""}, "STOP"),
            chunk({"content": ""}, "STOP"),
            PAST_QUIET,
            *stream(text("Tea is good."), chunk({"content": ""}, "STOP"), DONE)[1:],
        ),
        Whole("Tea is good."),
    ),
    case(
        "A",
        "stop beside reasoning, then the text",
        "open-webui/open-webui#16377",
        open_stream(
            chunk({"reasoning_content": "They want tea."}, "stop"),
            PAST_QUIET,
            *stream(chunk({"content": "Tea is good."}, "stop"), DONE)[1:],
        ),
        Whole("Tea is good."),
    ),
    case(
        "A",
        "stop beside reasoning, then a cut",
        "Chevey339/kelivo#1003",
        cut_stream(chunk({"reasoning_content": "They want tea."}, "stop")),
        Fails("upstream_cut"),
    ),
    case(
        "A",
        "stop, the usage, a clean end without [DONE]",
        "NousResearch/hermes-agent#90848",
        stream(text("Tea."), FINISH, event({"choices": [], "usage": usage(9, 2), "lastOne": True})),
        Whole("Tea.", input_tokens=9, output_tokens=2),
    ),
    case(
        "A",
        "the usage long after the stop in the last chunk",
        "BerriAI/litellm#2195",
        open_stream(text("Tea"), chunk({"content": "."}, "stop"), PAST_QUIET, *stream(USAGE, DONE)[1:]),
        Whole("Tea.", input_tokens=9, output_tokens=2),
    ),
    case(
        "A",
        "stop beside text, and at last another reason",
        "envoyproxy/ai-gateway#2107",
        stream(chunk({"content": "Tea is"}, "stop"), chunk({}, "MAX_TOKENS"), DONE),
        Whole("Tea is", "length"),
    ),
]

NULL_END = stream(ROLE, text("Tea is good."), DONE)
NULL = Whole("Tea is good.", None)
SUSPECT = Fails("upstream_ended_without_end", given="The history of")
HALF = text("The history of")

WITHOUT_REASON = [
    case("A2", "every finish_reason null, and [DONE]", "pydantic/pydantic-ai#6610", NULL_END, NULL),
    Case(
        "every answer without a reason",
        "A2",
        "anomalyco/opencode#43882",
        (NULL_END,),
        (NULL, NULL, NULL),
    ),
    Case(
        "a model that gives reasons is interrupted",
        "A2",
        "abetlen/llama-cpp-python#897",
        (GOOD, stream(HALF, DONE)),
        (Whole("Good."), SUSPECT),
    ),
    Case(
        "a model that gives reasons times out",
        "A2",
        "ollama/ollama#7547",
        (GOOD, stream(HALF, chunk({"content": ""}), DONE)),
        (Whole("Good."), SUSPECT),
    ),
    case(
        "A2",
        "an empty reason in every chunk, and [DONE]",
        "sgl-project/sglang#3912",
        stream(chunk({"role": None, "content": "Tea is good.", "tool_calls": None}, ""), DONE),
        NULL,
    ),
    Case(
        "a model that gives reasons is ended cleanly in the middle",
        "A2",
        "earendil-works/pi#8460",
        (GOOD, stream(HALF)),
        (Whole("Good."), SUSPECT),
    ),
    Case(
        "what one model does says nothing of another",
        "A2",
        "pydantic/pydantic-ai#6610",
        (GOOD, NULL_END, stream(HALF, DONE)),
        (Whole("Good."), NULL, SUSPECT),
        models=("m-1", "m-2", "m-1"),
    ),
    Case(
        "a reason that came late in life still counts",
        "A2",
        "earendil-works/pi#8460",
        (NULL_END, GOOD, stream(HALF, DONE)),
        (NULL, Whole("Good."), SUSPECT),
    ),
    case(
        "A2",
        "neither reason nor [DONE], a clean end",
        "anomalyco/opencode#43882",
        stream(ROLE, HALF),
        # Once it may as well be a server that broke down.
        SUSPECT,
    ),
    Case(
        "neither reason nor [DONE], each time",
        "A2",
        "anomalyco/opencode#43882",
        (stream(ROLE, text("Tea is good.")),),
        (Fails("upstream_ended_without_end", given="Tea is good."), *[replace(NULL, is_unsaid=True)] * 2),
    ),
    case(
        "A2",
        "neither reason nor [DONE], a cut",
        "can1357/oh-my-pi#8563",
        cut_stream(HALF),
        Fails("upstream_cut", given="The history of"),
    ),
    case(
        "A2",
        "[DONE] and no text",
        "lmstudio-ai/lmstudio-bug-tracker#2339",
        stream(ROLE, DONE),
        Fails("upstream_empty_completion"),
    ),
    case(
        "A2",
        "the quoted null of a gateway is none",
        "Ai00-X/ai00_server#90",
        stream(chunk({"content": "Tea is good."}, "null"), chunk({}, ""), DONE),
        NULL,
    ),
    case(
        "A2",
        "the reason in `finishReason`",
        "QwenLM/qwen-code#9884",
        stream(text("Hello"), event({"choices": [{"delta": {"content": " tea."}, "finishReason": "stop"}]}), DONE),
        Whole("Hello tea."),
    ),
]

CASES = [*EARLY, *WITHOUT_REASON]
