"""A running batch, drawn for a terminal: a bar, the numbers, and a line for each job that is being written."""

from collections import Counter

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.containers import Lines
from rich.text import Text

from longhand.client.objects import FINAL
from longhand.terminal.batch_state import BatchState, Writing, thinking
from longhand.terminal.cells import duration, first_cells, last_cells, one_line
from longhand.terminal.failures import count_words, outcome
from longhand.terminal.tables import status_text
from longhand.terminal.waiting_words import hold_sentence
from longhand.words.catalogue import t

_NAME_CELLS = 18
_FRAME_LINES = 4
"""Bar, numbers, the line that says how many jobs are not shown, and the one that the cursor is on."""


class BatchView:
    """Draws the state as it is at that moment; `with_texts` adds the running jobs."""

    def __init__(self, state: BatchState, *, with_texts: bool) -> None:
        self._state = state
        self._with_texts = with_texts

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Rich's protocol for what can be printed."""
        width = options.max_width
        hold = self._state.batch.get("hold")
        held = Text(hold_sentence(hold), style="yellow").wrap(console, width) if hold else Lines()
        if self._with_texts:
            yield from self._writing_lines(width, console.size.height - _FRAME_LINES - len(held))
        yield from held
        yield self._bar_line(width)
        yield self._numbers_line(width)

    def _writing_lines(self, width: int, room: int) -> list[Text]:
        # A copy: this is drawn by the thread of the live view while the watch goes on.
        writing = list(self._state.writing.values())
        lines = [_writing_line(job, width) for job in writing[: max(room, 0)]]
        if len(writing) > len(lines):
            lines.append(Text(t("batch.more_writing", number=len(writing) - len(lines)), style="dim"))
        return lines

    def _bar_line(self, width: int) -> Text:
        state = self._state
        # As wide as the label will ever be: otherwise the bar would shrink when it should grow.
        total = f"{state.total:,}"
        label = " " + t("batch.ended", ended=f"{state.ended:>{len(total)},}", total=total)
        counts = state.batch["request_counts"]
        return Text.assemble(
            _bar(
                (counts["completed"], "━", "green"),
                (counts["failed"], "╳", "red"),
                (counts["in_progress"], "╌", "cyan"),
                total=state.total,
                width=max(8, min(width, 100) - cell_len(label)),
            ),
            label,
            no_wrap=True,
        )

    def _numbers_line(self, width: int) -> Text:
        state = self._state
        ended = state.batch["status"] in FINAL
        rate, left, tokens = state.jobs_per_second, state.seconds_left, state.output_tokens
        # A copy, as above.
        not_completed = Counter(list(state.not_completed.values()))
        parts = [status_text(outcome(state.batch)), *count_words(state.batch, not_completed)]
        if left is not None and not ended:
            parts.append(Text(t("batch.left", time=duration(left))))
        if tokens is not None:
            parts.append(Text(t("batch.tokens", number=f"{tokens:,}")))
        if rate is not None:
            each = ("batch.each_second", rate) if rate >= 0.1 else ("batch.each_minute", rate * 60)
            parts.append(Text(t(each[0], number=f"{each[1]:.1f}")))
        # The last parts matter least, and are the first to go when the terminal is narrow.
        while len(parts) > 1 and sum(part.cell_len for part in parts) + 2 * (len(parts) - 1) > width:
            parts.pop()
        return Text("  ").join(parts)


def _writing_line(writing: Writing, width: int) -> Text:
    name = first_cells(one_line(writing.name), _NAME_CELLS)
    again = t("batch.attempt", attempt=writing.attempt) if writing.attempt > 1 else ""
    line = Text.assemble(
        (name + " " * (_NAME_CELLS - cell_len(name)), "bold"), f" {writing.characters:>7,}", again, " "
    )
    line.no_wrap = True
    end = writing.end or (thinking(writing.thought) if writing.thought else "")
    line.append(last_cells(one_line(end), max(0, width - cell_len(line.plain) - 1)), "dim")
    return line


def _bar(*parts: tuple[int, str, str], total: int, width: int) -> Text:
    """A bar whose parts differ in form too, not in colour alone."""
    bar = Text()
    reached = 0
    for count, sign, style in parts:
        before, reached = reached, reached + count
        bar.append(sign * (_cells(reached, total, width) - _cells(before, total, width)), style)
    bar.append("·" * (width - len(bar)), "dim")
    return bar


def _cells(count: int, total: int, width: int) -> int:
    """How many cells this many jobs take. A bar is full only for all jobs, and empty only for none."""
    if count in (0, total):
        return width if count else 0
    return min(max(1, round(width * count / total)), width - 1)
