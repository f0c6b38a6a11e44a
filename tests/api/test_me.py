"""What `GET /v1/me` tells who asks: the project and the key, without its secret."""

import httpx

from api.schemas.status import MeObject
from api.server import ApiServer
from jobs.store.database import Database
from jobs.store.keys import create_key
from tests.api.callers import calling, closed_api, secrets

__all__ = ["closed_api", "secrets"]  # fixtures


def test_who_asks_is_told_the_project_and_the_key_without_its_secret(
    closed_api: ApiServer, secrets: dict[str, str], database: Database
) -> None:
    key, secret = create_key(database, project="green", name="the newsroom")
    with calling(closed_api, secret) as client:
        answer = client.get("/v1/me")
    assert secret not in answer.text
    me = answer.json()
    MeObject.model_validate(me)
    assert (me["project"], me["is_operator"]) == ("green", False)
    assert (me["key"]["id"], me["key"]["name"], me["key"]["prefix"]) == (key.id, "the newsroom", secret[:10])
    with calling(closed_api) as nobody:
        assert nobody.get("/v1/me").status_code == 401


def test_without_any_key_this_machine_is_the_project_default(client: httpx.Client) -> None:
    assert client.get("/v1/me").json() == {"object": "me", "project": "default", "is_operator": True, "key": None}
