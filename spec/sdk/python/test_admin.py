"""A team gets a key through the admin API, the official client calls with it, and the bill shows what it used."""
import json
import os
import urllib.request

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
