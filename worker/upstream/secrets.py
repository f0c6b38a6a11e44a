"""The parts of the upstream's address and key that no message may contain."""

from urllib.parse import quote as percent
from urllib.parse import quote_plus, unquote, unquote_plus

import httpx

SHORTEST_SECRET = 4


def secrets_of(url: httpx.URL, api_key: str | None, *more: str) -> list[str]:
    """The key, `more` such as the values of headers, and each value in the URL's query, in every way to write it.

    What is shorter than `SHORTEST_SECRET` is no secret, and a message without its every "2" would say nothing.
    """
    found = {api_key or "", *more}
    for part in url.query.decode("ascii").split("&"):
        name, equals, value = part.partition("=")
        written = value if equals else name
        for meant in (unquote(written), unquote_plus(written)):
            found |= {written, meant, percent(meant), percent(meant, safe=""), quote_plus(meant)}
    return sorted((secret for secret in found if len(secret) >= SHORTEST_SECRET), key=len, reverse=True)
