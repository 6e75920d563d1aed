"""page - a page of the guide: its blocks, its links, and how its examples are run. README.md here has the rules."""
import hashlib
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import commands  # noqa: E402
import varying  # noqa: E402
import world  # noqa: E402

COPIED = ("examples", "docker", "docs", "scripts", "packaging", "openapi.yaml", "LICENSE", "README.md")
WITHIN = 300  # seconds for a page
NOTES = re.compile(r"not run: .+|exits with \d+|in any order|some lines|not output")
SHOWN = ("text", "json")
MADE_UP = "made up for the test of the docs"


class Fault(AssertionError):
    pass


class Block:
    def __init__(self, line, info, notes):
        self.line, self.notes, self.lines = line, notes, []
        self.kind, _, self.rest = info.partition(" ")
        self.output_of = None

    @property
    def text(self):
        return "\n".join(self.lines) + "\n"

    def note(self, start):
        return next((note[len(start):].strip() for note in self.notes if note.startswith(start)), None)

    @property
    def skipped(self):
        return self.note("not run:") is not None


def blocks_of(text):
    """The fences of a page, each with the comments that stand directly above it."""
    found, notes, block, mark = [], [], None, None
    for number, line in enumerate(text.split("\n"), 1):
        bare = line.strip()
        if block is not None:
            if bare == mark:
                block = None
            else:
                block.lines.append(line)
            continue
        fence = re.match(r" {0,3}(`{3,})(.*)$", line)
        comment = re.fullmatch(r"<!-- (.*) -->", bare)
        if fence:
            block, mark = Block(number, fence.group(2).strip(), notes), fence.group(1)
            found.append(block)
        notes = notes + [comment.group(1)] if comment and not fence else []
    if block is not None:
        raise Fault("line %d: the fence is never closed" % block.line)
    return found


def join(blocks):
    """Says of each block that shows something which one it is the output of."""
    last = None
    for block in blocks:
        if block.kind == "sh" and not block.rest:
            last = block
        elif block.kind in SHOWN and last is not None and "not output" not in block.notes:
            block.output_of, last = last, None


def check_blocks(blocks):
    for block in blocks:
        if not block.kind:
            raise Fault("line %d: the fence has no language" % block.line)
        for note in block.notes:
            if not NOTES.fullmatch(note):
                raise Fault("line %d: <!-- %s --> is none of the notes in tests/docs/README.md" % (block.line, note))


def saved_as(block):
    found = re.match(r"# ([a-z0-9.-]+\.ya?ml)\b", block.text)
    return found.group(1) if found else None


class Page:
    def __init__(self, name, text=None, root=world.ROOT):
        self.name, self.root = name, root
        if text is None:
            with open(os.path.join(root, name), encoding="utf-8") as source:
                text = source.read()
        self.text = text
        self.blocks = blocks_of(text)
        join(self.blocks)
        self.counts = dict.fromkeys(("run", "compared", "checked", "not run", "shown"), 0)

    def at(self, block):
        return "%s:%d" % (self.name, block.line)

    # --- links

    def headings(self):
        """The anchors of this page, as GitHub makes them."""
        seen = set()
        for line in self.prose().split("\n"):
            found = re.match(r"#+ (.*)", line)
            if found:
                slug = re.sub(r"[^\w\- ]", "", found.group(1).lower()).replace(" ", "-")
                count = 0
                while slug + ("-%d" % count if count else "") in seen:
                    count += 1
                seen.add(slug + ("-%d" % count if count else ""))
        return seen

    def links(self):
        text = re.sub(r"`[^`\n]*`(?!\])", "", self.prose())
        return re.findall(r"\]\(([^)\s]+)\)", text)

    def broken_links(self):
        for link in self.links():
            if re.match(r"[a-z]+:", link):
                continue
            path, _, anchor = link.partition("#")
            target = os.path.normpath(os.path.join(os.path.dirname(self.name), path)) if path else self.name
            if target != self.name and not os.path.exists(os.path.join(self.root, target)):
                yield "%s: %s leads nowhere" % (self.name, link)
            elif anchor:
                page = self if target == self.name else Page(target, root=self.root)
                if anchor not in page.headings():
                    yield "%s: %s: there is no such heading" % (self.name, link)

    # --- what is only shown

    def prose(self):
        return re.sub(r"^```.*?^```", "", self.text, flags=re.M | re.S)

    def oversights(self):
        """What can be seen without running anything: words to be filled in, loops that may never end, commands that are none."""
        for word in re.findall(r"@[A-Z][A-Z0-9_]*@", self.text):
            yield "%s: %s was never filled in" % (self.name, word)
        for block in self.blocks:
            if block.kind != "sh":
                continue
            for line in block.lines:
                if re.search(r"\b(until|while(?! read\b))\b.*;\s*do\b", line) and not re.search(r"\btimeout [\d-]", line):
                    yield "%s: `%s` may never end: curl --retry, or timeout before it" % (self.at(block), line)
            if block.skipped or block.rest:
                yield from ("%s: %s" % (self.at(block), fault) for fault in commands.faults(block.text))
        yield from ("%s: %s" % (self.name, fault) for fault in commands.faults_inline(self.prose()))

    # --- configuration

    def check_config(self, block, folder):
        """`batchgate check`, with made-up values for what only an operator has."""
        place = os.path.join(folder, "made-up")
        os.makedirs(place, exist_ok=True)
        text = block.text
        for path in re.findall(r"/(?:etc/batchgate|run/secrets)/[\w./-]+", text):
            self.make_up(os.path.join(place, path.replace("/", "_")))
            text = text.replace(path, os.path.join(place, path.replace("/", "_")))
        env = world.environment()
        for name in re.findall(r"(?<!\$)\$\{([A-Za-z_]\w*)\}", text):
            env[name] = hashlib.sha256(name.encode()).hexdigest() if name.endswith("SHA256") else "http://127.0.0.1:1" if name.endswith("URL") else MADE_UP
        path = os.path.join(folder, "checked.yaml")
        with open(path, "w", encoding="utf-8") as out:
            out.write(text)
        done = subprocess.run([world.BINARY, "check", "--config", path], cwd=folder, env=env, capture_output=True, check=False)
        if done.returncode:
            raise Fault("%s: batchgate check refuses it:\n%s" % (self.at(block), (done.stdout + done.stderr).decode()))

    @staticmethod
    def make_up(path):
        """A certificate with its key, which is also a text, for whatever the configuration wants of the file."""
        if os.path.exists(path):
            return
        if not path.endswith((".pem", ".crt", ".key")):
            with open(path, "w", encoding="ascii") as out:
                out.write(MADE_UP)
            return
        subprocess.run([world.need("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
                        "/CN=made-up", "-keyout", path + ".part", "-out", path], check=True, capture_output=True)
        with open(path + ".part", encoding="ascii") as source, open(path, "a", encoding="ascii") as out:
            out.write(source.read())

    # --- running

    def prepare(self, folder):
        work = os.path.join(folder, "tree")
        os.makedirs(os.path.join(work, "build", "release"))
        os.mkdir(os.path.join(folder, "bin"))
        for name in COPIED:
            path = os.path.join(world.ROOT, name)
            if os.path.isdir(path):
                shutil.copytree(path, os.path.join(work, name), ignore=shutil.ignore_patterns("node_modules", "__pycache__"))
            elif os.path.exists(path):
                shutil.copy(path, work)
        for place in (os.path.join(work, "build", "release"), os.path.join(folder, "bin")):
            os.symlink(world.BINARY, os.path.join(place, "batchgate"))
        return work

    def script(self, folder):
        """What bash runs: each block by itself, in this one shell, its output and exit code in files."""
        lines = ["ip link set lo up", "cd %s/tree" % folder]
        for number, block in enumerate(self.blocks):
            path = os.path.join(folder, "block-%d" % number)
            if block.kind == "yaml" and not block.skipped and saved_as(block):
                with open(path, "w", encoding="utf-8") as out:
                    out.write(block.text)
                lines.append("cp %s %s/tree/%s" % (path, folder, saved_as(block)))
            elif block.kind == "sh" and not block.rest and not block.skipped:
                with open(path, "w", encoding="utf-8") as out:
                    out.write(block.text)
                lines.append(". %s >%s.out 2>&1; echo $? >%s.code" % (path, path, path))
        return "\n".join(lines) + "\n"

    def run(self, folder):
        work = self.prepare(folder)
        script = os.path.join(folder, "page.sh")
        with open(script, "w", encoding="utf-8") as out:
            out.write(self.script(folder))
        env = world.environment({"PATH": "%s/bin:%s:/usr/sbin:/sbin" % (folder, os.environ["PATH"]), "HOME": work, "TERM": "dumb",
                                 "LC_ALL": "C.UTF-8", "no_proxy": "*", "PYTHONDONTWRITEBYTECODE": "1"})
        argv = [world.need("unshare"), *([] if os.geteuid() == 0 else ["-r"]), "--net", "--pid", "--mount-proc", "--fork", "--kill-child",
                "bash", "--norc", script]
        with open(os.path.join(folder, "page.err"), "w+b") as err:
            child = subprocess.Popen(argv, cwd=work, env=env, stdin=subprocess.DEVNULL, stdout=err, stderr=err)
            try:
                child.wait(WITHIN)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
            err.seek(0)
            return err.read().decode("utf-8", "replace")

    def outcome(self, block, folder, said):
        path = os.path.join(folder, "block-%d" % self.blocks.index(block))
        if not os.path.exists(path + ".code"):
            raise Fault("%s: was not reached, or did not end\n%s" % (self.at(block), said[-2000:]))
        with open(path + ".code", encoding="ascii") as source:
            code = int(source.read())
        with open(path + ".out", encoding="utf-8", errors="replace", newline="") as source:
            return code, source.read()

    def judge(self, folder, said):
        """Every block once: run and its end as declared, compared, checked, or declared as not run."""
        for block in self.blocks:
            if block.kind == "sh" and not block.rest and not block.skipped:
                code, out = self.outcome(block, folder, said)
                wanted = int(block.note("exits with") or 0)
                if code != wanted:
                    raise Fault("%s: exit code %d, not %d\n%s" % (self.at(block), code, wanted, out[-3000:]))
                self.counts["run"] += 1
            elif block.output_of is not None and not block.output_of.skipped:
                _, out = self.outcome(block.output_of, folder, said)
                fault = varying.fault(block.kind, block.text, out, "in any order" in block.notes, "some lines" in block.notes)
                if fault:
                    raise Fault("%s: %s" % (self.at(block), fault))
                self.counts["compared"] += 1
            elif block.kind == "yaml" and not block.skipped:
                self.check_config(block, folder)
                self.counts["checked"] += 1
            else:
                self.counts["not run" if block.skipped else "shown"] += 1

    def try_out(self, folder):
        check_blocks(self.blocks)
        for fault in self.oversights():
            raise Fault(fault)
        said = self.run(folder) if any(block.kind == "sh" for block in self.blocks) else ""
        self.judge(folder, said)
        if sum(self.counts.values()) != len(self.blocks):
            raise Fault("%s: %d blocks, and only %s" % (self.name, len(self.blocks), self.counts))
        shutil.rmtree(folder)
