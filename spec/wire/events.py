"""The one reader of event streams for the tests."""
import re


def parse_events(body):
    """(event name, data) of each frame, by the rules of the WHATWG event stream format."""
    found, name, data = [], None, []
    for line in re.split("\r\n|\r|\n", body.decode().lstrip("\ufeff")):
        if line == "":
            if data:
                found.append((name, "\n".join(data)))
            name, data = None, []
        elif line.startswith("data:"):
            data.append(line[5:][1:] if line[5:6] == " " else line[5:])
        elif line.startswith("event:"):
            name = line[6:].strip()
    return found
