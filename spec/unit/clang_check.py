"""What the fuzz preset compiles, without its code: every source of the product, as the build at hand compiles it, by clang.

clang_check.py BUILD CLANG"""
import concurrent.futures
import glob
import json
import os
import shlex
import subprocess
import sys


def check(entry, clang):
    words = shlex.split(entry["command"])
    kept = [word for word in words if word.startswith(("-I", "-D", "-W", "-std", "-isystem"))]
    for at, word in enumerate(words):
        if word == "-isystem":
            kept[kept.index(word):kept.index(word) + 1] = ["-isystem" + words[at + 1]]
    done = subprocess.run([clang, "-fsyntax-only", *kept, entry["file"]], cwd=entry["directory"], capture_output=True, text=True)
    return done.stderr if done.returncode else ""


def main():
    build, clang = sys.argv[1:]
    with open(os.path.join(build, "compile_commands.json")) as file:
        entries = {entry["file"]: entry for entry in json.load(file)}
    runtime = os.path.join(os.getcwd(), "runtime")
    ours = [entry for path, entry in sorted(entries.items()) if path.startswith(runtime + os.sep)]
    if not ours:
        sys.exit("%s compiles nothing of the product" % build)
    kit = os.path.join(os.getcwd(), "spec", "native")
    for path in glob.glob("spec/fuzz/*_fuzz.c"):
        command = "clang -std=gnu17 -D_GNU_SOURCE -Wall -Wextra -Werror -I%s -I%s" % (runtime, kit)
        ours.append({"file": path, "directory": os.getcwd(), "command": command})
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        said = "".join(pool.map(lambda entry: check(entry, clang), ours))
    sys.exit(said or None)


if __name__ == "__main__":
    main()
