"""The reference that the API gives of itself describes every path."""

import httpx

from tests.sparing import on_sqlite


@on_sqlite
def test_the_openapi_page_describes_every_path(client: httpx.Client) -> None:
    assert client.get("/docs").status_code == 200
    described = client.get("/openapi.json").json()
    assert set(described["paths"]) == {
        "/v1/jobs", "/v1/jobs/{job_id}", "/v1/jobs/{job_id}/text", "/v1/jobs/{job_id}/events",
        "/v1/jobs/{job_id}/cancel", "/v1/batches", "/v1/batches/{batch_id}", "/v1/batches/{batch_id}/results",
        "/v1/batches/{batch_id}/cancel", "/healthz", "/readyz",
        "/v1/batches/{batch_id}/events", "/v1/batches/{batch_id}/retry", "/v1/jobs/{job_id}/retry",
        "/v1/files", "/v1/files/{file_id}", "/v1/files/{file_id}/content", "/v1/watch_tokens",
        "/v1/responses", "/v1/responses/{response_id}", "/v1/responses/{response_id}/cancel",
        "/v1/responses/{response_id}/input_items", "/v1/responses/input_tokens", "/v1/completions",
        "/v1/chat/completions", "/v1/models", "/v1/models/{model}", "/v1/upstreams", "/v1/inputs", "/v1/usage",
        "/v1/status", "/v1/me",
        "/metrics", "/v1/webhooks", "/v1/webhooks/{webhook_id}",
        *(f"/v1/webhooks/{{webhook_id}}/{what}" for what in ("replay", "test", "deliveries", "rotate_secret")),
        *(f"/v1/{held}/{verb}" for verb in ("pause", "resume")
          for held in ("batches/{batch_id}", "models/{model}", "upstreams/{name}", "projects/{name}")),
    }  # fmt: skip
    for path, operations in described["paths"].items():
        for operation in operations.values():
            assert operation["description"], path
            assert "422" not in operation["responses"], path
            assert len(operation["tags"]) == 1, path  # the reference lists it once under each
    posted = described["paths"]["/v1/jobs"]["post"]
    assert "requestBody" in posted
    shown = posted["responses"]["202"]["content"]["application/json"]["schema"]
    assert shown == {"$ref": "#/components/schemas/JobWithRequest"}  # what `test_submit.py` validates the answer with
