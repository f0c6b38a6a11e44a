"""An answer that is complete, and holds neither a text nor a tool call: never a success, and the error says why."""

from worker.upstream.dialects.finish_reasons import Meaning
from worker.upstream.ending import ReportedUsage
from worker.upstream.errors import ContentFiltered, EmptyCompletion, ReasoningUsedBudget, quote


def error_of_empty(meaning: Meaning | None, word: str | None, usage: ReportedUsage | None) -> EmptyCompletion:
    """What went wrong, by the finish_reason: its meaning, and the word as it came."""
    if meaning is Meaning.CUT_AT_LIMIT:
        counts = ""
        if usage is not None and usage.output_tokens:
            spent = usage.reasoning_tokens if usage.reasoning_tokens is not None else usage.output_tokens
            counts = f": {spent} of {usage.output_tokens} tokens went into reasoning"
        return ReasoningUsedBudget(
            f"The answer reached its token limit before any text{counts}. Raise `max_tokens`, or ask for less"
            " reasoning."
        )
    if meaning is Meaning.FILTERED:
        return ContentFiltered("The upstream's content filter kept back the whole text.")
    reason = f" (finish_reason {quote(word)})" if word else ""
    if meaning in (Meaning.TOOL_CALL, Meaning.FUNCTION_CALL):
        return EmptyCompletion(f"The upstream says that it called a tool{reason}, and sent no call and no text.")
    return EmptyCompletion(f"The upstream completed its answer{reason} without any text.")
