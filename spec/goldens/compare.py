"""Compares JSON values: ids and dates masked, arguments of tools by meaning."""
import json

# Made anew for each answer, or by each gateway.
MASKED = {"created", "created_at", "completed_at", "item_id", "request_id", "obfuscation", "response_id"}
# Objects whose id the client sends back or compares.
TOOL_TYPES = {"function", "custom", "tool_use", "server_tool_use", "mcp_tool_use"}
CONTENTS = {"content", "system", "output"}
ARGUMENTS = {"arguments", "partial_json"}


def masks_id(want, got):
    if not isinstance(want, dict):
        return False
    if str(want.get("id")) in ("[id]", ""):
        return True
    return want.get("type") not in TOOL_TYPES and not ("function" in want or "custom" in want)


def same_arguments(want, got):
    try:
        return json.loads(want) == json.loads(got)
    except (TypeError, ValueError):
        return want == got


def short(value):
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) < 200 else text[:150] + " … " + text[-40:]


def plain_content(value):
    """Every protocol takes a text alone in place of a list of one text; with anything beside the text it is no such list."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict):
        if set(value[0]) == {"type", "text"} and value[0]["type"] in ("text", "input_text", "output_text"):
            return value[0]["text"]
    return value


def differ(want, got, rules, path=""):
    """Yields sentences. rules: partial (what is wanted is a part), null_is_absent, extra(path, value) -> allowed."""
    if rules.partial and want == "*":
        return
    if isinstance(want, dict) and isinstance(got, dict):
        yield from differ_objects(want, got, rules, path)
    elif isinstance(want, list) and isinstance(got, list):
        if len(want) != len(got):
            yield "%s: want %d elements, got %d: want %s, got %s" % (path, len(want), len(got), short(want), short(got))
            return
        for index, (one, other) in enumerate(zip(want, got)):
            yield from differ(one, other, rules, "%s[%d]" % (path, index))
    elif isinstance(want, str) and "[id]" in want and isinstance(got, str):
        return
    elif type(want) is not type(got) and not numbers(want, got) or want != got:
        yield "%s: want %s, got %s" % (path, short(want), short(got))


def numbers(want, got):
    return all(isinstance(one, (int, float)) and not isinstance(one, bool) for one in (want, got))


def cut(want, got):
    """Whoever notices that a stream was cut says so in its own sentence."""
    return want.get("code") == got.get("code") == "upstream_cut" or want.get("type") == got.get("type") == "api_error"


def differ_objects(want, got, rules, path):
    for key, value in want.items():
        here = path + "." + key if path else key
        if key in MASKED and (key in got or rules.lenient):
            continue
        if key == "id" and masks_id(want, got) and (key in got or rules.lenient):
            continue
        if value is None and rules.lenient and key in got and rules.extra(here, got[key]):
            continue
        if key not in got:
            if not (value is None and rules.lenient):
                yield "%s: want %s, got nothing" % (here, short(value))
        elif key in ARGUMENTS and same_arguments(value, got[key]):
            continue
        elif path.endswith("error") and (key == "code" and value is None or key == "message" and cut(want, got)):
            continue
        elif rules.lenient and key in CONTENTS:
            yield from differ(plain_content(value), plain_content(got[key]), rules, here)
        else:
            yield from differ(value, got[key], rules, here)
    if rules.partial:
        return
    for key, value in got.items():
        here = path + "." + key if path else key
        if path.endswith("error") and key in ("code", "details", "param"):
            continue  # the gateway's own word for the failure
        if key not in want and not (value is None and rules.lenient) and not rules.extra(here, value):
            yield "%s: want nothing, got %s" % (here, short(value))


class Rules:
    def __init__(self, partial=False, lenient=False, extra=None):
        self.partial, self.lenient = partial, lenient
        self.extra = extra or (lambda path, value: False)


def found(value, path):
    """The value at a path as differ writes it, or None."""
    for name in path.replace("[", ".[").split("."):
        try:
            value = value[int(name[1:-1])] if name.startswith("[") else value[name]
        except (KeyError, IndexError, TypeError, ValueError):
            return None
    return value
