#!/usr/bin/env python3
"""Plays translation cases through the real gateway: run.py [--binary gateyes] [--verbose] DIR|FILE...

Prints one line for each case that fails and is not a known divergence, with what differs below it, then totals for each
pair of protocols. Exit status 1 when such a case exists, or when a known divergence has become untrue.
"""
import argparse
import collections
import fnmatch
import json
import os
import re
import sys

import answers
import cases as case_files
import compare
import fold
import schema
import services

HERE = os.path.dirname(os.path.abspath(__file__))
BUILDS = os.path.join(os.path.dirname(os.path.dirname(HERE)), "build")
DIVERGENCES = os.path.join(HERE, "divergences.json")
# What a plain answer of Anthropic or OpenAI may carry beside what another gateway passes on.
HARMLESS = {
    "chat": {"logprobs", "refusal", "annotations", "system_fingerprint", "object", "index", "usage"},
    "messages": {"stop_sequence", "stop_details", "container", "citations", "cache_creation", "cache_read_input_tokens",
                 "cache_creation_input_tokens", "output_tokens_details", "service_tier", "context_management"},
    "responses": set(schema.RESPONSE) | {"annotations", "logprobs", "status", "cache_write_tokens", "deltas"},
}
EMPTY = (None, [], {}, "", 0)


def request_body(case, name):
    """The client's request; cases of replies have none of their own. Text is one that is no JSON, sent as it is."""
    if case.text is not None:
        return case.text
    if case.body is not None:
        return {**case.body, "model": name} if "model" in case.body or case.client != "chat" else dict(case.body)
    body = {"model": name}
    if case.client == "responses":
        body["input"] = "q"
    elif case.client == "embeddings":
        body["input"] = ["q"]
    elif case.client == "completions":
        body["prompt"] = "q"
    else:
        body["messages"] = [{"role": "user", "content": "q"}]
    if case.client == "messages":
        body["max_tokens"] = 16
    if case.stream:
        body["stream"] = True
        if case.wants_usage() and case.client in ("chat", "completions"):
            body["stream_options"] = {"include_usage": True}
    return body


def at(value, path):
    for name in path.split("."):
        value = value[int(name) - 1 if isinstance(value, list) else name]
    return value


class Run:
    """One case: what went out, what came back, and what is wrong with it."""

    def __init__(self, case, name, gateway, provider):
        self.case, self.wrong = case, []
        provider.received.clear()
        body = case.upstream_bytes
        if body is None:
            provider.answer = answers.plain(case.adapter, case.client, case.stream)
        else:
            provider.answer = (case.status, case.content_type, body)
        self.sent = request_body(case, name)
        self.status, self.headers, raw = gateway.post(case_files.CLIENT_PATHS[case.client], self.sent)
        self.text = raw.decode().replace(json.dumps(name)[1:-1], case.model)
        self.received = list(provider.received)
        self.upstream_text = provider.answer[2].decode()

    def complain(self, where, sentences):
        self.wrong += [where + ": " + sentence for sentence in sentences]

    def reply(self):
        try:
            return json.loads(self.text)
        except ValueError:
            return self.text

    def check(self):
        case = self.case
        if '"translation_error"' in self.text:
            self.complain("gateway", ["its own script failed: " + self.text[-300:]])
        if case.native and case.ours and "relay" not in case.raw:
            return self.check_relay()
        if case.want_status is not None and case.want_status != self.status:
            self.complain("status", ["want %s, got %s: %s" % (case.want_status, self.status, self.text[:300])])
        if case.want_upstream is not None:
            self.check_upstream()
        if case.want_client is not None:
            self.check_reply()
        if case.want_sse or case.raw.get("want_client_events") or case.raw.get("want_final"):
            self.check_stream()
        if case.want_upstream is not None and "want_dropped" in case.raw:
            dropped = [name.strip() for name in self.headers.get("x-gateyes-dropped", "").split(",") if name.strip()]
            if set(case.raw["want_dropped"]) - set(dropped) or set(case.raw.get("want_kept", ())) & set(dropped):
                self.complain("dropped", ["want %s, got %s" % (case.raw["want_dropped"], dropped)])
        self.check_shape()
        return self.wrong

    def check_relay(self):
        """Our own cases of one protocol on both sides are about its reader and writer, which the specs play. The gateway
        sends the client's request on as it is, and the provider's answer back."""
        case = self.case
        sent = {**self.sent, "model": case.model}
        if case.stream and case.client in ("chat", "completions"):
            sent["stream_options"] = {**sent.get("stream_options", {}), "include_usage": True}
        if len(self.received) != 1 or json.loads(self.received[0][2]) != sent:
            self.complain("relay", ["want %s, got %s" % (sent, self.received)])
        if case.status < 400 and not case.stream and self.text != self.upstream_text:
            self.complain("relay", ["want %s, got %s" % (self.upstream_text, self.text)])
        if case.stream and self.status == 200:
            want, got = self.data(self.upstream_text), self.data(self.text)
            if got[:len(want)] != want:
                self.complain("relay", ["want %s, got %s" % (want, got)])
        return self.wrong

    def check_upstream(self):
        if len(self.received) != 1:
            self.complain("upstream", ["got %d requests; the client got %d: %s" % (
                len(self.received), self.status, self.text[:300])])
            return
        case, got = self.case, json.loads(self.received[0][2])
        path = self.received[0][0]
        if case.raw.get("upstream_path") and case.raw["upstream_path"] not in (path, path.split("?")[0]):
            self.complain("path", ["want %s, got %s" % (case.raw["upstream_path"], path)])
        want = dict(case.want_upstream)
        if not case.ours:
            want.setdefault("model", case.model)
            if want.get("stream") is False and "stream" not in got:
                del want["stream"]
        rules = compare.Rules(case.partial, not case.ours)
        self.complain("upstream", compare.differ(want, got, rules))

    def rules(self, exact_part=False):
        """Another team's answers may lack what the protocol has; ours are exact unless they say that they are a part."""
        case = self.case
        if case.ours:
            return compare.Rules(case.partial or exact_part)
        given = None
        if case.native:
            given = fold.fold(case.client, self.upstream_text) if case.stream else json.loads(self.upstream_text)

        def extra(path, value):
            if path.split(".")[-1].split("[")[0] in HARMLESS.get(case.client, ()) and (
                    value in EMPTY or case.client == "responses" or path.startswith("usage.")):
                return True
            return given is not None and compare.found(given, path) == value

        return compare.Rules(False, True, extra)

    def check_reply(self):
        case, got = self.case, self.reply()
        if self.status >= 400 and not isinstance(case.want_client, dict):
            return
        if self.status >= 400 and "error" not in case.want_client:
            self.complain("status", ["got %d: %s" % (self.status, self.text[:300])])
            return
        self.complain("client", compare.differ(case.want_client, got, self.rules()))
        for path, value in (case.raw.get("want_partial") or {}).items():
            if at(got, path) != value:
                self.complain("client." + path, ["want %s, got %s" % (value, at(got, path))])

    def check_stream(self):
        case = self.case
        if self.status != 200:
            self.check_early_error()
            return
        if case.want_sse:
            rules = self.rules()
            self.complain("folded", compare.differ(fold.fold(case.client, case.want_sse),
                                                   fold.fold(case.client, self.text), rules))
            if case.ours or case.native:
                source = case.want_sse if case.ours else self.upstream_text
                self.complain("events", compare.differ(self.data(source), self.data(self.text), compare.Rules()))
        if case.raw.get("want_client_events"):
            self.complain("events", compare.differ(case.raw["want_client_events"], self.data(self.text),
                                                   compare.Rules(True)))
        if case.raw.get("want_final"):
            self.complain("final", compare.differ(case.raw["want_final"], fold.fold(case.client, self.text),
                                                  compare.Rules(True)))

    def check_early_error(self):
        """A provider that fails before its first token is answered with a status, while there is still time for one."""
        wanted = fold.fold(self.case.client, self.case.want_sse or "") if self.case.want_sse else {}
        ends = str(self.case.raw.get("want_client_events", [{}])[-1])
        if wanted.get("choices") or wanted.get("content") or not ("error" in wanted or "error" in ends):
            self.complain("status", ["got %d: %s" % (self.status, self.text[:300])])

    def data(self, text):
        found = [data for _, data in fold.events(text)]
        if self.case.native and self.case.client == "chat" and not self.sent.get("stream_options", {}).get("include_usage"):
            found = [one for one in found if not (isinstance(one, dict) and one.get("usage") and not one.get("choices"))]
            for one in found:
                # The other chunks say so only because the gateway asked.
                if isinstance(one, dict) and "usage" in one and one["usage"] is None:
                    del one["usage"]
        return found

    def check_shape(self):
        """What every answer must be, whatever the case wants; an answer relayed unread is the provider's own."""
        case = self.case
        if case.native and not case.ours:
            return
        if self.status >= 400:
            self.complain("shape", schema.error(case.client, self.reply()))
        elif case.stream:
            self.complain("shape", schema.stream(case.client, fold.events(self.text)))
        else:
            self.complain("shape", schema.reply(case.client, self.reply()))


def most(text, name):
    """The largest number that a member of that name has anywhere; streams report theirs several times."""
    return max((int(found) for found in re.findall(r'"%s"\s*:\s*(\d+)' % name, text)), default=0)


# By how much a count of ours may differ from another team's, given what the provider sent.
ADDED = {
    "cache": lambda sent: most(sent, "cache_read_input_tokens") + most(sent, "cache_creation_input_tokens"),
    "uncounted": lambda sent: most(sent, "total_tokens") - most(sent, "prompt_tokens") - most(sent, "completion_tokens"),
}


class Divergences:
    """Sentences that are excused: for which cases, about which values, and which documentation decides."""

    def __init__(self, path):
        with open(path, encoding="utf-8") as text:
            self.entries = json.load(text)
        self.used, self.met = set(), set()

    @staticmethod
    def adds_up(entry, sentence, sent):
        if "added" not in entry:
            return True
        want, got = (int(one) for one in re.search(r"want (\d+), got (\d+)$", sentence).groups())
        return got - want == ADDED[entry["added"]](sent)

    def excuse(self, case, sentence, sent):
        for index, entry in enumerate(self.entries):
            if fnmatch.fnmatchcase(case.id, entry["cases"]):
                self.met.add(index)
                if re.match(entry["where"], sentence) and self.adds_up(entry, sentence, sent):
                    self.used.add(index)
                    return entry
        return None

    def untrue(self):
        """Entries about cases that were played, none of which differs so any more."""
        return [self.entries[index] for index in sorted(self.met - self.used)]


def report(outcomes, divergences, verbose):
    """-> number of failed cases and untrue divergences"""
    totals = collections.defaultdict(collections.Counter)
    for case, wrong, sent in outcomes:
        excuses = [(sentence, divergences.excuse(case, sentence, sent)) for sentence in wrong]
        outcome = "passed" if not wrong else "diverges" if all(entry for _, entry in excuses) else "failed"
        totals[case.pair][outcome] += 1
        if outcome == "failed" or outcome == "diverges" and verbose:
            print("%s %s (%s, %s)" % (outcome.upper(), case.id, case.kind, case.pair))
            for sentence, entry in excuses:
                print("     " + sentence + (": known, " + entry["reason"] if entry else ""))
    untrue = divergences.untrue()
    for entry in untrue:
        print("UNTRUE no case like %s diverges at %s" % (entry["cases"], entry["where"]))
    whole = sum(totals.values(), collections.Counter())
    for pair, count in sorted(totals.items()) + [("all", whole)]:
        print("%-30s %3d passed %3d diverge %3d failed" % (pair, count["passed"], count["diverges"], count["failed"]))
    return whole["failed"] + len(untrue)


def print_skipped(skipped, verbose):
    reasons = collections.defaultdict(list)
    for name, reason in skipped:
        reasons[reason].append(name)
    for reason, names in sorted(reasons.items()):
        print("not supported: %3d, %s" % (len(names), reason))
        if verbose:
            for name in names:
                print("     " + name)


def built():
    """The gateway built last, whatever the preset and the folder one stands in; -> path or None."""
    found = [os.path.join(BUILDS, preset, "gateyes") for preset in ("release", "dev", "asan")]
    return max(filter(os.path.exists, found), key=os.path.getmtime, default=None)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("paths", nargs="+")
    parser.add_argument("--binary", default=os.environ.get("GATEYES_BIN") or built(),
                        help="the gateway (GATEYES_BIN; otherwise the one built last)")
    parser.add_argument("--only", default="", help="part of the id of the cases to play")
    parser.add_argument("--verbose", action="store_true", help="name divergences and cases not supported, too")
    parser.add_argument("--show", action="store_true", help="print what the provider and the client got")
    options = parser.parse_args()
    if not options.binary or not os.path.exists(options.binary):
        raise SystemExit("there is no gateway at %s; build one with scripts/build, or name one with --binary" % (
            options.binary or BUILDS))
    found, skipped = case_files.load(options.paths)
    found = [case for case in found if options.only in case.id]
    if not found:
        raise SystemExit("no cases in " + " ".join(options.paths))
    provider = services.Provider()
    gateway = services.Gateway(os.path.abspath(options.binary), provider.port, found)
    outcomes = []
    for index, case in enumerate(found):
        run = Run(case, "golden-%d" % index, gateway, provider)
        outcomes.append((case, run.check(), run.upstream_text))
        if options.show:
            print("----", case.id, "\nprovider got", run.received, "\nprovider sent", run.upstream_text,
                  "\nclient got", run.status, run.headers, run.text, "\nwant", case.want_client or case.want_sse)
    status, printed = gateway.stop()
    provider.stop()
    bad = report(outcomes, Divergences(DIVERGENCES), options.verbose)
    print_skipped(skipped, options.verbose)
    if status != 0:
        print("the gateway ended with status %d\n%s" % (status, printed[-4000:]))
    return 1 if bad or status != 0 else 0


if __name__ == "__main__":
    sys.exit(main())
