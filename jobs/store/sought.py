"""What a person types into a search: words of a text, or how a job's name, its `custom_id`, begins.

In a name, letters count as they are written, capitals too: an index that ignores case would be one more for every job.
"""

from collections.abc import Sequence

from sqlalchemy import Boolean, ColumnElement, Connection, LargeBinary, and_, cast, func, or_, select, true

from jobs.store.contains import folded
from jobs.store.text_index import MOST_CANDIDATES, find_with_text
from jobs.tables import jobs, texts


def is_sought(sought: str, *, is_sqlite: bool) -> ColumnElement[bool]:
    """Whether a job's name begins so, or its text contains this."""
    # A subquery for each row, in order, until the page is full: PostgreSQL cannot guess how often a text is found, and
    # with a join it read all of a million for a page of fifty.
    found = _contains(sought) if is_sqlite else texts.c.text.icontains(sought, autoescape=True)
    has_text = select(found).where(texts.c.job_id == jobs.c.id).scalar_subquery()
    return or_(_is_named(sought, is_sqlite=is_sqlite), has_text)


def find_sought(
    connection: Connection, sought: str, *, beyond: str, newest_first: bool, project: str | None
) -> Sequence[str] | None:
    """The ids of all jobs of a project that may be meant and come after the one with id `beyond`, in order.

    None when the indexes cannot tell. The caller checks everything else on each job, its text too.
    """
    with_text = find_with_text(connection, sought, beyond=beyond, newest_first=newest_first, project=project)
    if with_text is None:
        return None
    is_sqlite = connection.dialect.name == "sqlite"
    # No plain column, or a database may walk all jobs of the project by their ids.
    key = jobs.c.id.concat("")
    named = select(jobs.c.id).where(_is_named(sought, is_sqlite=is_sqlite))
    named = named.where(key < beyond if newest_first else key > beyond)
    if project is not None:
        named = named.where(jobs.c.project == project)
    named = named.order_by(key.desc() if newest_first else key).limit(MOST_CANDIDATES + 1)
    ids = {*with_text, *connection.scalars(named)}
    return sorted(ids, reverse=newest_first) if len(ids) <= MOST_CANDIDATES else None


def _is_named(beginning: str, *, is_sqlite: bool) -> ColumnElement[bool]:
    name, beyond = jobs.c.custom_id, _first_beyond(beginning)
    if is_sqlite:
        return and_(name >= beginning, true() if beyond is None else name < beyond)
    # By bytes: in the order of a language, what begins alike does not stand together. A LIKE would say the same, but
    # with a parameter it does not always use the index.
    return and_(
        name.op("~>=~", return_type=Boolean())(beginning),
        true() if beyond is None else name.op("~<~", return_type=Boolean())(beyond),
    )


def _first_beyond(beginning: str) -> str | None:
    """The first text that comes after all that begin so, in the order of code points; None: there is none."""
    stem = beginning.rstrip("\U0010ffff")  # the last of all: a name may have it, although it is no character
    if not stem:
        return None
    following = ord(stem[-1]) + 1
    return stem[:-1] + chr(0xE000 if following == 0xD800 else following)  # no text has what is in between


def _contains(text: str) -> ColumnElement[bool]:
    # As bytes: the driver would decode all of the text in one call, 80 ms for 16 MB, with the interpreter's lock held.
    return func.longhand_contains(cast(texts.c.text, LargeBinary), folded(text), type_=Boolean)
