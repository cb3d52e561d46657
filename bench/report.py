"""Medians over the rounds. What a way adds is taken against `direct` of the same round."""
import statistics


def per(result, unit):
    """CPU microseconds for each request or chunk; None where no process was watched."""
    count = result[unit]
    return round(result["cpu_us"] / count, 2) if count and result["cpu_us"] else None


def added(rounds, way, name, quantile):
    found = [r[way][name][quantile] - r["direct"][name][quantile] for r in rounds
             if "direct" in r and way in r]
    return round(statistics.median(found), 1) if found else None


def middle(rounds, way, figure, median):
    found = [value for value in (figure(r[way]) for r in rounds if way in r) if value is not None]
    return round(median(found), 2) if found else None


def closed(rounds, way, median):
    return {"requests_per_s": middle(rounds, way, lambda r: r["requests"] / r["seconds"], median),
            "cpu_us_per_request": middle(rounds, way, lambda r: per(r, "requests"), median)}


def opened(rounds, way, median):
    return {"added_p50_us": added(rounds, way, "latency", "p50_us"),
            "added_p99_us": added(rounds, way, "latency", "p99_us"),
            "cpu_us_per_request": middle(rounds, way, lambda r: per(r, "requests"), median)}


def stream(rounds, way, median):
    return {"chunks_per_s": middle(rounds, way, lambda r: r["chunks"] / r["seconds"], median),
            "cpu_us_per_chunk": middle(rounds, way, lambda r: per(r, "chunks"), median),
            "added_first_p50_us": added(rounds, way, "first", "p50_us"),
            "added_first_p99_us": added(rounds, way, "first", "p99_us"),
            "added_chunk_p50_us": added(rounds, way, "hop", "p50_us"),
            "added_chunk_p99_us": added(rounds, way, "hop", "p99_us")}


def chunks(rounds, way, median):
    return {"chunks_per_s": middle(rounds, way, lambda r: r["chunks"] / r["seconds"], median),
            "cpu_us_per_chunk": middle(rounds, way, lambda r: per(r, "chunks"), median)}


STEPS = {"closed": closed, "paced_500": opened, "paced_5000": opened, "open_500": opened, "open_5000": opened,
         "stream": stream, "chunks": chunks}
TITLES = {"closed": "Closed loop, 64 connections (wrk)",
          "paced_500": "500 requests/s, in steps of 10 ms (h2load)",
          "paced_5000": "5,000 requests/s, in steps of 10 ms (h2load)",
          "open_500": "500 requests/s, Poisson (bench/tools/load)",
          "open_5000": "5,000 requests/s, Poisson (bench/tools/load)",
          "stream": "Streams of 100 chunks, 10 ms apart (bench/tools/load)",
          "chunks": "As many chunks as go through: 256 streams (wrk)",
          "memory": "KiB for each connection (bench/tools/load)"}


def summarise(results, median):
    summary = {}
    for step, figures in STEPS.items():
        rounds = results.get(step)
        if not rounds:
            continue
        summary[step] = {way: figures(rounds, way, median) for way in rounds[0]}
        against_nginx(summary[step], rounds, median)
    for name in ("memory", "base_kib"):
        if name in results:
            summary[name] = results[name]
    return summary


def against_nginx(ways, rounds, median):
    """The ratio of CPU within each round, then the middle one: both saw the same noise."""
    unit = "chunks" if rounds[0] and "cpu_us_per_chunk" in next(iter(ways.values())) else "requests"
    for way in ways:
        found = [per(r[way], unit) / per(r["nginx"], unit) for r in rounds
                 if "nginx" in r and way in r and per(r[way], unit) and per(r["nginx"], unit)]
        ways[way]["cpu_against_nginx"] = round(median(found), 2) if found else None


def table(title, rows):
    columns = list(next(iter(rows.values())))
    print("\n%s" % title)
    print("| | %s |" % " | ".join(columns))
    print("|---|%s" % ("--:|" * len(columns)))
    for name, row in rows.items():
        print("| %s | %s |" % (name, " | ".join("" if row[c] is None else "{:,}".format(row[c])
                                               for c in columns)))


def show(summary):
    for step, title in TITLES.items():
        if summary.get(step):
            table(title, summary[step])
    if "base_kib" in summary:
        print("\nGateyes with two workers, before the first request: {:,} KiB resident"
              .format(summary["base_kib"]))


def missing(results):
    """What a working harness must have seen, and did not: for the smoke test."""
    problems = []
    for step in STEPS:
        for way, result in results[step][0].items():
            if not result["requests"] or result["failed"] or result["lost"]:
                problems.append("%s %s: %r" % (step, way, {
                    k: result[k] for k in ("requests", "failed", "lost")}))
            if step == "stream" and result["hop"]["count"] == 0:
                problems.append("%s %s: no chunks" % (step, way))
            if way != "direct" and not result["cpu_us"]:
                problems.append("%s %s: no CPU time" % (step, way))
    return "\n".join(problems) or 0
