#!/usr/bin/python3
"""rules.py RULE ROOT [BUILD] - what matters about the source, as tests.

Each rule is a function from the tree to complaints `file:line: what is wrong`. CONTRIBUTING.md says why the rules are
there; test_rules.py plants violations and sees each one found."""

import re
import subprocess
import sys
from pathlib import Path

HOUSES = ("common", "pool", "batch", "server", "handlers", "cli")

# Includes point one way only.
MAY_INCLUDE = {
    "common": {"common"},
    "pool": {"common", "pool"},
    "batch": {"common", "pool", "batch"},
    "server": {"common", "server"},
    "handlers": {"common", "pool", "batch", "server", "handlers"},
    "cli": {"common", "pool", "batch", "cli"},
}
# What stands above the folders: the daemon, which builds their parts, and main, which sees everything.
MAY_INCLUDE_MORE = {
    "server/daemon.c": set(HOUSES) - {"cli"},
    "server/main.c": set(HOUSES),
}

# One place knows each foreign library.
LIBRARIES = [
    (r"curl/", r"pool/(transport\w*|url)\.[ch]"),
    (r"ares\w*\.h", r"pool/resolver\w*\.[ch]"),
    (r"zlib\.h", r"pool/decode\.[ch]"),
    (r"microhttpd\.h", r"server/http_server\w*\.[ch]"),
    (r"yaml\.h", r"common/config\w*\.[ch]"),
    (r"jansson\.h", r"batch/\w+\.[ch]"),
    (r"openssl/", r"common/(digest|pem)\.[ch]"),
    (r"j[qv]\.h", r"batch/template_(jq|render)\.[ch]"),
    (r"seccomp\.h", r"pool/confine\.[ch]"),
]

BANNED = {
    "strcpy strcat sprintf vsprintf gets stpcpy": "writes without knowing the size: snprintf, memcpy, common/buf",
    "strtok strtok_r": "destroys its input: walk with strchr or a span",
    "atoi atol atoll atof": "reports no error: parse and check",
    "sleep usleep nanosleep clock_nanosleep": "nothing sleeps: wait on a descriptor or a condition",
    "system popen execl execlp execvp": "no shell, no program search",
    "setlocale uselocale": "changes how the whole process reads numbers",
    "setjmp longjmp alloca": "hides what is freed",
    "rand srand random drand48": "common/clock and getrandom",
    "tmpnam tempnam mktemp": "races",
    "localtime gmtime ctime asctime gethostbyname inet_addr": "not for threads",
    "getaddrinfo": "blocks, and asks for what the guard has not seen: pool/resolver",
    "pthread_detach pthread_cancel pthread_kill": "every thread is joined by the one that started it",
    "assert": "REQUIRE stays in every build",
    "select": "fails past descriptor 1023: epoll, poll",
}
# Named once, with the reason.
LET_THROUGH = {
    ("server/listener.c", "getaddrinfo"),  # our own address, before the first thread
    ("cli/health.c", "getaddrinfo"),  # the same address, in a process that has three seconds
}
WORDS = {"volatile": "no substitute for atomics", "auto": "obsolete", "register": "obsolete"}
ALLOCATORS = "malloc calloc realloc reallocarray strdup strndup asprintf vasprintf"

FILE_MAX = 600
FILE_LONG = 500
FUNCTION_MAX = 60
COLUMNS_MAX = 100
SHARED_IN = re.compile(r"(\w+_)?(new|destroy|init|free|locked)$")


class Source:
    """One file: its lines as they are, and as code: without comments and without what stands in strings."""

    def __init__(self, root, path):
        self.path = path
        self.name = str(path.relative_to(root))
        self.house = self.name.split("/")[0]
        self.text = path.read_text(encoding="utf-8")
        self.lines = self.text.splitlines()
        self.code = strip(self.text).splitlines()

    def at(self, number, what):
        return f"{self.name}:{number}: {what}"

    def functions(self):
        """(name, first line, last line) of each definition; the brace styles make them easy to find."""
        begin, name = None, None
        for number, line in enumerate(self.code, 1):
            if re.match(r"[A-Za-z_]", line):
                found = re.search(r"([A-Za-z_]\w*)\s*\(", line)
                name = found.group(1) if found else name
            if line.startswith("{"):
                begin = number
            elif line.startswith("}"):
                if begin is not None and name is not None:
                    yield name, begin, number
                begin, name = None, None


def strip(text):
    def blank(match):
        piece = match.group(0)
        if piece.startswith(("/*", "//")):
            return re.sub(r"[^\n]", " ", piece)
        return piece[0] + " " * (len(piece) - 2) + piece[-1]

    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blank, text, flags=re.S)


def sources(root, folders=HOUSES, endings=("c", "h")):
    for folder in folders:
        for path in sorted((root / folder).glob("**/*")):
            if path.suffix[1:] in endings and "node_modules" not in path.parts:
                yield Source(root, path)


def includes(root):
    """include directions"""
    for source in sources(root):
        for number, line in enumerate(source.lines, 1):
            found = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
            if not found:
                continue
            target = found.group(1)
            house = target.split("/")[0]
            if house not in HOUSES:
                yield source.at(number, f'"{target}" is not named from the root of the tree')
            elif house not in MAY_INCLUDE_MORE.get(source.name, MAY_INCLUDE[source.house]):
                yield source.at(number, f"{source.house}/ must not include {house}/")


def libraries(root):
    """one place a foreign library"""
    for source in sources(root):
        for number, line in enumerate(source.lines, 1):
            found = re.match(r"\s*#\s*include\s+<([^>]+)>", line)
            if not found:
                continue
            for header, where in LIBRARIES:
                if re.match(header, found.group(1)) and not re.fullmatch(where, source.name):
                    yield source.at(number, f"<{found.group(1)}> belongs to {where}")


def banned(root):
    """functions and words that do harm"""
    ban = {name: why for names, why in BANNED.items() for name in names.split()}
    for source in sources(root, HOUSES + ("bench",)):
        own = dict(ban)
        if source.house != "bench":
            if source.name != "common/mem.c":
                own.update({name: "common/mem.h" for name in ALLOCATORS.split()})
        for number, line in enumerate(source.code, 1):
            for name in re.findall(r"(?<![\w.>])([a-z_]\w*)\s*\(", line):
                if name in own and (source.name, name) not in LET_THROUGH:
                    yield source.at(number, f"{name}(): {own[name]}")
            for word in re.findall(r"\b[a-z]+\b", line):
                if word in WORDS and not line.lstrip().startswith("#"):
                    yield source.at(number, f"{word}: {WORDS[word]}")


def guards(root):
    """include guards are the path"""
    for source in sources(root, endings=("h",)):
        guard = re.sub(r"[^A-Z0-9]", "_", source.name.upper())
        directives = [line.strip() for line in source.code if line.strip().startswith("#")]
        if directives[:2] != [f"#ifndef {guard}", f"#define {guard}"] or directives[-1] != "#endif":
            yield source.at(1, f"the guard is not {guard}")


def first_lines(root):
    """every file says what it is, and a .c says what its .h says"""
    said = {}
    for source in sources(root):
        words = re.match(r"/\* (\S+) - (.+?)\*/", source.text, flags=re.S)
        if not words or words.group(1) != source.path.name:
            yield source.at(1, f"does not begin with `/* {source.path.name} - what it is for`")
            continue
        text = re.sub(r"\s+\*?\s*", " ", words.group(2))
        said[source.name] = re.split(r"[.?](?:\s|$)|[:;(,]", text)[0].strip()
    for name, sentence in said.items():
        header = name[:-1] + "h"
        if name.endswith(".c") and header in said and said[header] != sentence:
            yield f"{name}:1: says `{sentence}`, its header `{said[header]}`"


def sizes(root):
    """files and functions that can be read at once"""
    for source in sources(root):
        count = len(source.lines)
        if count > FILE_MAX:
            yield source.at(count, f"{count} lines: look for the second file inside it (at most {FILE_MAX})")
        elif count > FILE_LONG:
            print(f"note: {source.name} has {count} lines; past {FILE_LONG} look for the second file inside it")
        for name, begin, end in source.functions():
            if source.name.endswith(".c") and end - begin - 1 > FUNCTION_MAX:
                yield source.at(begin, f"{name}() has {end - begin - 1} lines (at most {FUNCTION_MAX})")


def columns(root):
    """lines that fit"""
    for source in sources(root, HOUSES + ("bench", "tests"), ("c", "h")):
        for number, line in enumerate(source.lines, 1):
            width = len(line.expandtabs(8))
            if width > COLUMNS_MAX:
                yield source.at(number, f"{width} columns (at most {COLUMNS_MAX})")
            if line != line.rstrip():
                yield source.at(number, "white space at the end")


def shared(root):
    """what a lock guards is touched with the lock held"""
    for source in sources(root, endings=("c",)):
        for name, begin, end in source.functions():
            if SHARED_IN.search(name):
                continue
            for number in range(begin, end):
                if re.search(r"(->|\.)shared\b", source.code[number - 1]):
                    yield source.at(number, f"{name}() touches `shared`: only *_locked, *_new, *_init, *_destroy, *_free")


def leftovers(root):
    """nothing half done"""
    # Spelled so that this file does not find itself.
    words = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b|^(<{7}|>{7}|={7})( |$)")
    folders = HOUSES + ("bench", "tests", "cmake", "scripts", "docker", "examples", "docs", ".ci")
    endings = ("c", "h", "def", "py", "sh", "js", "mjs", "cjs", "cmake", "yaml", "yml", "md")
    files = list(sources(root, folders, endings))
    for name in ("CMakeLists.txt", "Makefile", "CMakePresets.json", "openapi.yaml", "README.md", "ARCHITECTURE.md",
                 "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"):
        if (root / name).is_file():
            files.append(Source(root, root / name))
    for source in files:
        for number, line in enumerate(source.lines, 1):
            found = words.search(line)
            if found:
                yield source.at(number, f"`{found.group(0).strip()}` was left behind")


def names(root):
    """file names are unique; no typedef but of functions"""
    seen = {}
    for source in sources(root):
        other = seen.setdefault(source.path.name, source.name)
        if other != source.name:
            yield source.at(1, f"there is {other} already: file names are unique in the tree")
        for number, line in enumerate(source.code, 1):
            if re.match(r"\s*typedef\b", line) and not re.search(r"\w+_fn\)?\s*\(", line):
                yield source.at(number, "typedef: only function types have one, and end in _fn")


def symbols(root, build):
    """an external symbol says which file, or which type of its house, it belongs to"""
    libraries_built = [path for path in sorted(Path(build).glob("lib*.a")) if path.stem[3:] in HOUSES]
    if not libraries_built:
        yield f"{build}: no libraries were built"
    for library in libraries_built:
        house = library.stem[3:]
        listing = subprocess.run(["nm", "-g", "--defined-only", str(library)], capture_output=True, text=True, check=True)
        yield from foreign_symbols(house, families(root, house), listing.stdout)


# One word shorter than the type they are for, by custom.
SHORT_TYPES = {"pool": {"method"}}  # enum http_method


def families(root, house):
    """Names of files and of types that the house's headers define; a part of a large file keeps the whole's name."""
    found = set(SHORT_TYPES.get(house, ()))
    for source in sources(root, (house,)):
        found.add(source.path.stem)
        if source.path.suffix == ".h":
            found.update(re.findall(r"^(?:struct|enum)\s+(?:[A-Z]+\s+)?(\w+)\s*\{", "\n".join(source.code), flags=re.M))
            found.update(re.findall(r"^struct\s+(\w+);", "\n".join(source.code), flags=re.M))
    return found


def foreign_symbols(house, known, listing):
    """From nm's output: a head `file.c.o:` for each object, then `address type name`."""
    stem = None
    for line in listing.splitlines():
        head = re.match(r"(\w[\w.-]*)\.c\.o:$", line)
        if head:
            stem = head.group(1)
            continue
        fields = line.split()
        if stem is None or len(fields) != 3 or fields[1] not in "TDBRVW":
            continue
        name = fields[2]
        generated = name.startswith("embedded_")  # cmake/embed.cmake
        words = name.split("_")
        heads = {"_".join(words[:count]) for count in range(1, len(words) + 1)}
        if not generated and not name.startswith("_") and not heads & known:
            yield f"{house}/{stem}.c: {name} is external and begins with no file or type of {house}/"


RULES = {
    "includes": includes, "libraries": libraries, "banned": banned, "guards": guards, "first-lines": first_lines,
    "sizes": sizes, "columns": columns, "shared": shared, "leftovers": leftovers, "names": names, "symbols": symbols,
}


def main():
    rule, root = RULES[sys.argv[1]], Path(sys.argv[2]).resolve()
    complaints = list(rule(root, *sys.argv[3:]))
    for complaint in complaints:
        print(complaint)
    print(f"{sys.argv[1]} ({rule.__doc__}): {len(complaints) or 'no'} complaints")
    sys.exit(1 if complaints else 0)


if __name__ == "__main__":
    main()
