"""Where nobody can be sure that a rest joins its text as it should, the job says so; and where one can, it does not."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.model.segments import Segment, clip, dump_segments, load_segments
from jobs.model.status import DOUBTFUL_SEAM, JobStatus
from jobs.store.database import Database
from tests.upstream.scripted_upstream import ScriptedUpstream
from tests.worker.joining import join
from tests.worker.parts import WHOLE, part, worker_on
from tests.worker.test_seam_property import cut_texts, pieces_of
from tests.worker.worker_fixtures import history, job_and_text, submit
from worker.continuation import last_words

STOPPED = "Tea came to Europe in the seventeenth century, and the porcelain cups came with it from the"
CHINESE = "茶在十七世纪传到欧洲，瓷杯也随之而来。商人们把第一批箱子运到阿姆斯特丹，箱子里散发着烟与树脂的香"
QUOTED = "She said: “Tea isn’t dear — it’s slow,” and the whole room, which had waited for it, went"


@pytest.mark.parametrize(
    ("before", "answer", "new"),
    [
        (STOPPED, last_words(STOPPED) + " east.", " east."),
        (STOPPED, f"Sure, here is the rest:\n\n{last_words(STOPPED)} east.", " east."),
        (STOPPED, f'"{last_words(STOPPED)}" east.', " east."),
        (STOPPED, f"...{last_words(STOPPED)} east.", " east."),
        (STOPPED, last_words(STOPPED).capitalize() + " east.", " east."),
        (STOPPED, "the porcelain cups came with it from the east.", " east."),
        (CHINESE, last_words(CHINESE) + "气。", "气。"),
        (CHINESE, "气，人们先把它当药喝。", "气，人们先把它当药喝。"),
        (QUOTED, last_words(QUOTED).replace("’", "'").replace("—", "-") + " quiet.", " quiet."),
        (QUOTED, last_words(QUOTED).replace("’", "`").replace("”", '"').replace("“", '"') + " quiet.", " quiet."),
        (f"{STOPPED} east.\n\n", "Then it was a drink for all.", "Then it was a drink for all."),
        (f"{STOPPED} ", "east, in chests.", "east, in chests."),
        (f"{STOPPED} east", ", in chests.", ", in chests."),
        (f"{STOPPED} east.", "Then it was dear in the west.\n", " Then it was dear in the west.\n"),
        (f"{STOPPED} east", " and north.", " and north."),
    ],
)
def test_a_seam_that_shows_where_it_goes_on_is_sure(before: str, answer: str, new: str) -> None:
    got, seam = join(before, [answer])
    assert (got, seam.is_doubtful) == (new, False)


@pytest.mark.parametrize(
    ("before", "answer"),
    [
        (STOPPED, "east."),  # a space is missing
        (STOPPED[:-2], "he east."),  # and here none is, which looks the same
        (f"{STOPPED} east,", "in chests."),
        (f"{STOPPED} east.", "## Who drank it"),
        (STOPPED, "the east."),  # "from the the": a model's, or the text's
        (STOPPED, f"Alright, picking the thread up again now.\n\n{last_words(STOPPED)} east."),
        (STOPPED, f"Gern, hier der Rest des Artikels:\n\n{last_words(STOPPED)} east."),
        (f"{STOPPED} ", "Of course, I will go on with the article.\n\neast."),
        (f"{STOPPED} ", "Here are its last sentences, as you asked:\n\neast."),
        (f"{STOPPED} east. ", "...and in chests."),
        (f"{STOPPED} east. ", ". Then it was dear."),
        (f"{STOPPED} east.\n\n", "```markdown\nIt was a drink for all."),
        (f"{STOPPED} ", "and the fine porcelain cups came with it from the east."),
        (f"# Tea in Europe\n\n{STOPPED} " * 2, "# Tea in Europe\n\nIt came late."),
        (f"{CHINESE}慢", "慢地散开。"),
        (f"{CHINESE}味。", "# 谁先喝茶"),
        ("Row, row.\nMerrily on.\nRow, row.\nMerrily on.\n", "Merrily on.\nLife is a dream."),
    ],
)
def test_a_seam_of_which_nobody_can_be_sure_is_in_doubt(before: str, answer: str) -> None:
    for pieces in ([answer], list(answer)):
        _, seam = join(before, pieces)
        assert seam.is_doubtful or seam.began_again


@pytest.mark.parametrize("mark", ["“", '"'])
def test_a_closing_mark_of_the_text_is_none_around_a_repetition(mark: str) -> None:
    before = f"{STOPPED} east in spring. “We thought the lamps would take a week,"
    got, _ = join(before, [f"{mark}We thought the lamps would take a week,” she said."])
    assert got == "” she said."


def test_a_mark_that_stands_before_the_words_that_were_asked_for_in_the_text_is_its_own() -> None:
    asked = "".join(chr(0x4E00 + 37 * place) for place in range(80))
    before = f"{CHINESE}气。他说：「{asked}"
    assert last_words(before) == asked
    got, seam = join(before, [f"「{asked}」我们都笑了。"])
    assert (got, seam.is_doubtful) == ("」我们都笑了。", False)


@given(st.data())
def test_a_rest_is_joined_exactly_or_is_in_doubt(data: st.DataObject) -> None:
    """However the model puts what it was asked for, and whatever it puts before it."""
    before, rest = data.draw(cut_texts(["prose", "list", "chinese"]))
    asked, at, end = last_words(before), data.draw(st.integers(1, 60)), data.draw(st.integers(30, 60))
    changed = asked.replace("came", "had come").replace("wait", "then wait").replace("山", "高山")
    lead = data.draw(
        st.sampled_from(["", "...", "Here we go again.\n\n", "Weiter geht es so:\n\n", "接着说：\n\n", "```\n"])
    )
    answer = (
        lead + data.draw(st.sampled_from([asked, asked.upper(), changed, asked[:end], asked[at:], ""])) + rest.lstrip()
    )
    new, seam = join(before, pieces_of(data, answer))
    if not (seam.is_doubtful or seam.began_again):
        assert "".join((before + new).split()) == "".join((before + rest).split())


@given(st.data())
def test_words_that_were_asked_for_leave_no_doubt(data: st.DataObject) -> None:
    before, rest = data.draw(cut_texts(["prose", "list", "code", "nested", "table", "chinese", "refrain"]))
    _, seam = join(before, pieces_of(data, last_words(before) + rest))
    assert not seam.is_doubtful


@pytest.mark.parametrize("answer", ["Certainly, on we go.\n\nwith all.", "with all."])
def test_a_job_with_a_seam_in_doubt_says_so_and_where(sqlite_database: Database, redis_url: str, answer: str) -> None:
    job_id = submit(sqlite_database, max_continuations=8)
    answers = (
        part("Tea is a drink of friends. It stays warm"),
        part("It stays warm and calm"),
        part(answer, end=WHOLE),
    )
    with ScriptedUpstream(*answers) as upstream, worker_on(sqlite_database, redis_url, upstream.url, "none") as worker:
        worker.run(job_id)
    job, stored = job_and_text(sqlite_database, job_id)
    assert (job.status, job.incomplete) == (JobStatus.COMPLETED, DOUBTFUL_SEAM)
    assert stored == f"Tea is a drink of friends. It stays warm and calm{answer}"
    segments = load_segments(history(sqlite_database, job_id)[0].segments)
    assert [segment.doubtful for segment in segments] == [False, False, True]


def test_a_doubt_outlives_the_attempt_and_a_version_before_stored_none() -> None:
    doubtful = Segment(1, 10, 20, "default", "length", None, "Sure!", doubtful=True)
    stored = dump_segments([Segment(1, 0, 10, "default", "length", None), doubtful])
    assert stored is not None
    assert [segment.doubtful for segment in clip(load_segments(stored), 25)] == [False, True]
    before = [{name: value for name, value in each.items() if name != "doubtful"} for each in json.loads(stored)]
    assert [segment.doubtful for segment in load_segments(json.dumps(before))] == [False, False]


@pytest.mark.parametrize("end", ["", "It was dear at first, and then it was for all of them. " * 12])
def test_the_whole_text_behind_an_unknown_remark_is_not_stored_twice(end: str) -> None:
    text = "".join(
        f"In year {year} the ship {year * 7} brought {year % 13} chests of tea. " for year in range(1650, 1680)
    )
    new, seam = join(text, [f"Alright, from the top then.\n\n{text}{end}"])
    assert new == (end if seam.is_doubtful else "")
    assert seam.is_doubtful or seam.began_again
