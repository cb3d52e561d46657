"""Reads translation cases and says which of them this gateway can play. The format is described in README.md."""
import base64
import json
import os

CLIENTS = {
    "completions": "chat", "chat": "chat", "text_completions": "completions", "messages": "messages",
    "responses": "responses", "embeddings": "embeddings", "count-tokens": "count_tokens",
}
CLIENT_PATHS = {
    "chat": "/v1/chat/completions", "completions": "/v1/completions", "messages": "/v1/messages",
    "responses": "/v1/responses", "embeddings": "/v1/embeddings", "count_tokens": "/v1/messages/count_tokens",
}
UPSTREAMS = {
    "completions": "openai", "openai": "openai", "responses": "openai_responses", "anthropic": "anthropic",
    "messages": "anthropic", "azure-openai": "azure_openai",
}
NATIVE = {
    "openai": {"chat", "completions", "embeddings"}, "azure_openai": {"chat", "completions", "embeddings"},
    "openai_responses": {"responses"}, "azure_responses": {"responses"},
    "anthropic": {"messages", "count_tokens"},
}
STATUS_WORDS = {
    "OK": 200, "BadRequest": 400, "Unauthorized": 401, "Forbidden": 403, "NotFound": 404, "TooManyRequests": 429,
    "InternalServerError": 500, "BadGateway": 502, "ServiceUnavailable": 503,
}
REASONS = {
    "bedrock": "Amazon Bedrock is not a provider of this gateway", "aws": "Amazon Bedrock is not a provider of this gateway",
    "vertex": "Vertex AI is not a provider of this gateway", "gcp": "Vertex AI is not a provider of this gateway",
    "gemini": "Gemini's own API is not a protocol of this gateway", "cohere": "Cohere's API is not a provider of this gateway",
    "rerank": "there is no rerank endpoint", "body": "tests a filter of the other gateway's configuration",
    "modelname": "tests a filter of the other gateway's configuration",
}


class Unsupported(Exception):
    pass


def parsed(value):
    """Some sources keep JSON as text."""
    if isinstance(value, str):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def sse_text(text):
    """Some sources leave the frames out and give one event a line."""
    if not text or any(line.startswith("data:") for line in text.splitlines()):
        return text
    out = []
    for line in text.splitlines():
        if line.strip():
            out.append(line + "\n" if line.startswith("event:") else "data: " + line + "\n\n")
    return "".join(out)


def client_of(raw, want):
    proto, path = raw.get("client_proto"), raw.get("client_path")
    if proto in CLIENTS:
        return CLIENTS[proto]
    if path:
        path = path.split("?")[0]
        if path.startswith("/anthropic/"):
            path = path[len("/anthropic"):]
        for name, known in CLIENT_PATHS.items():
            if path == known:
                return name
        raise Unsupported("there is no endpoint " + path)
    body = raw.get("client_body") or want or {}
    if isinstance(body, dict) and "messages" in body:
        return "chat"
    if isinstance(want, dict) and want.get("object") == "list" and "data" in want:
        return "embeddings"
    if isinstance(want, dict) and "input_tokens" in want:
        return "count_tokens"
    raise Unsupported("the client protocol %s is not one of this gateway" % proto)


def upstream_of(raw, client):
    proto = str(raw.get("upstream_proto"))
    if proto not in UPSTREAMS:
        for start, reason in REASONS.items():
            if proto.startswith(start):
                raise Unsupported(reason)
        raise Unsupported("the provider protocol %s is not one of this gateway" % proto)
    if proto == "openai" and client == "responses" and "chat" not in (raw.get("upstream_path") or ""):
        return "openai_responses"
    if proto == "azure-openai" and "/responses" in (raw.get("upstream_path") or ""):
        return "azure_responses"
    return UPSTREAMS[proto]


class Case:
    """One case in one shape, whatever source it came from."""

    def __init__(self, raw):
        self.raw, self.id, self.kind = raw, raw["id"], raw.get("kind")
        self.ours = raw.get("src", "gateyes") == "gateyes"
        want = parsed(raw.get("want_client"))
        self.client = client_of({**raw, "client_body": parsed(raw.get("client_body"))}, want)
        self.adapter = upstream_of(raw, self.client)
        self.native = self.client in NATIVE[self.adapter]
        self.pair = "%s -> %s" % (self.client, self.adapter)
        self.body = parsed(raw.get("client_body"))
        self.text = self.body if isinstance(self.body, str) else None
        if self.text is not None:
            self.body = None
        self.preset, self.partial = raw.get("preset"), raw.get("partial", False)
        self.stream = self.kind == "stream" or bool(self.body and self.body.get("stream"))
        self.model = raw.get("model") or (self.body or {}).get("model") or "m"
        self.want_upstream = parsed(raw.get("want_upstream"))
        self.want_client, self.want_sse = want, raw.get("want_client_sse")
        if self.stream and isinstance(want, str):
            self.want_client, self.want_sse = None, want
        self.status = int(raw.get("upstream_status") or 200)
        self.want_status = STATUS_WORDS.get(raw.get("want_status"), raw.get("want_status"))
        self.upstream_bytes = self.body_bytes()
        self.content_type = raw.get("upstream_ctype") or ("text/event-stream" if self.stream else "application/json")
        if self.stream and self.status < 400 and self.upstream_bytes:
            self.content_type = "text/event-stream"

    def body_bytes(self):
        if "upstream_body_b64" in self.raw:
            return base64.b64decode(self.raw["upstream_body_b64"])
        text = self.raw.get("upstream_body")
        if text is None:
            return None
        return (sse_text(text) if self.stream and self.status < 400 else text).encode()

    def wants_usage(self):
        """Whether the client asks for the usage chunk: where the case has a request, that says so."""
        if "include_usage" in self.raw or self.ours:
            return self.raw.get("include_usage", False)
        return '"usage":{' in (self.want_sse or "").replace(" ", "")


def files_of(paths):
    for path in paths:
        if os.path.isdir(path):
            for folder, _, names in sorted(os.walk(path)):
                yield from (os.path.join(folder, name) for name in sorted(names) if name.endswith(".jsonl"))
        else:
            yield path


def load(paths):
    """-> list of cases, list of (id, reason) of those that no protocol here can play."""
    cases, skipped = [], []
    for path in files_of(paths):
        with open(path, encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                if not line.strip():
                    continue
                try:
                    raw = json.loads(line)
                    raw.setdefault("id", "%s:%d" % (os.path.basename(path), number))
                except (ValueError, AttributeError) as reason:
                    raise SystemExit("%s:%d: no JSON object: %s" % (path, number, reason))
                try:
                    cases.append(Case(raw))
                except Unsupported as reason:
                    skipped.append((raw["id"], str(reason)))
    return cases, skipped
