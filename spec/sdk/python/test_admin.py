"""A team gets a key through the admin API, the official client calls with it, and the bill shows what it used."""
import json
import os
import urllib.request

import jsonschema
import openai
import pytest
from kit import GATEWAY_URL, until
from openapi_spec_validator import validate


def admin(method, path, body=None):
    request = urllib.request.Request(os.environ["ADMIN_URL"] + path, json.dumps(body).encode() if body is not None else None,
                                     {"authorization": "Bearer gy-sdk-admin"}, method=method)
    with urllib.request.urlopen(request, timeout=20) as reply:
        return json.load(reply)


def test_the_description_is_valid_openapi():
    document = admin("GET", "/admin/openapi.json")
    validate(document)
    assert document["openapi"] == "3.1.0" and len(document["paths"]) > 30
    assert "/admin/tenants/{tenant}/scripts/rollback" in document["paths"]


def test_answers_are_what_the_description_says():
    document = admin("GET", "/admin/openapi.json")
    admin("POST", "/admin/v1/tenants", {"id": "shapes"})
    made = {}
    for kind, body in (("projects", {"name": "p"}), ("users", {"name": "u"}), ("roles", {"name": "r", "allow": ["chat"]}), ("keys", {"name": "k"}),
                       ("limits", {"name": "l", "requests": 5, "window": "1m"}), ("services", {"name": "s"})):
        made[kind] = admin("POST", "/admin/v1/" + kind, dict({"tenant": "shapes"}, **body))["id"]
    made["service-versions"] = admin("POST", "/admin/v1/service-versions", {"service": "shapes:s", "model": "openai-plain"})["id"]
    made["subscriptions"] = admin("POST", "/admin/v1/subscriptions", {"service": "shapes:s", "name": "x"})["id"]
    key = admin("POST", "/admin/v1/keys", {"tenant": "shapes", "name": "caller", "roles": ["developer"]})["secret"]
    client = openai.OpenAI(api_key=key, base_url=GATEWAY_URL + "/v1", max_retries=0, timeout=20)
    client.chat.completions.create(model="openai-plain", messages=[{"role": "user", "content": "Hello"}])
    made["requests"] = until("the row", lambda: admin("GET", "/admin/v1/requests?tenant=shapes")["data"])[0]["request_id"]
    checked = 0
    for path, operations in document["paths"].items():
        kind = path.split("/")[3] if path.startswith("/admin/v1/") else ""
        if "get" not in operations or ("{" in path and (kind not in made or path.count("/") > 4)) or path == "/key/info":
            continue
        schema = operations["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        answer = admin("GET", path.replace("{id}", made.get(kind, "")))
        jsonschema.Draft202012Validator(dict(schema, components=document["components"])).validate(answer)
        checked += schema != {}
    assert checked > 20


def test_a_team_from_its_key_to_its_bill():
    admin("POST", "/admin/v1/tenants", {"id": "team"})
    project = admin("POST", "/admin/v1/projects", {"tenant": "team", "name": "one"})
    key = admin("POST", "/admin/v1/keys", {"tenant": "team", "project": project["id"], "name": "laptop", "roles": ["developer"]})
    client = openai.OpenAI(api_key=key["secret"], base_url=GATEWAY_URL + "/v1", max_retries=0, timeout=20)
    reply = client.chat.completions.create(model="openai-counted", messages=[{"role": "user", "content": "Hello"}])
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens) == (1200, 345)
    rows = until("the usage", lambda: admin("GET", "/admin/v1/usage?by=project&tenant=team")["data"])
    assert [(row["project"], row["requests"], row["input_tokens"], row["output_tokens"]) for row in rows] == [("one", 1, 1200, 345)]
    admin("POST", f"/admin/v1/keys/{key['id']}/block")
    with pytest.raises(openai.AuthenticationError):
        client.chat.completions.create(model="openai-counted", messages=[{"role": "user", "content": "Hello"}])
