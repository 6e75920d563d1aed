#!/usr/bin/python3
# ctest: timeout=900
# ctest: cost=90
"""A run of mixed faults: upstreams that misbehave, clients of every shape, a network that fails, reloads; then everything that
was seen is joined with everything that was told (checker.py).

SOAK_SECONDS says how long (20), SOAK_SEED what happens: the same seed posts the same batches, and each item meets the same
fate. Leaves its records in SOAK_KEEP, where that names a folder. Ends with 1 where anything did not fit.
"""
import collections
import json
import os
import shutil
import signal
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "harness"))
import answers  # noqa: E402
import checker  # noqa: E402
import client  # noqa: E402
import doctor  # noqa: E402
import front  # noqa: E402
import named  # noqa: E402
import plan  # noqa: E402
import spared  # noqa: E402
import world  # noqa: E402

CLIENTS = 40
CALM_S = 40  # for all that ended to be given back
FILES_MORE = 24  # descriptors that may be open in the end besides those of the start: helpers' sockets, a client's
RSS_MORE = 48 << 20
DOCTORED = 300  # batches whose records are spoilt, one way after the other


class Soak:
    def __init__(self, folder, seconds, seed):
        self.folder, self.seconds, self.seed = folder, seconds, seed
        self.stop = threading.Event()
        self.lock = threading.Lock()
        self.batches, self.wrong, self.samples = [], [], []
        self.counts = collections.Counter()
        self.helpers = set()  # all that have been seen: one that was replaced died
        self.trouble = collections.defaultdict(list)  # upstream -> [(from, to)]: the network was broken, or it refused
        self.upstreams = [self.upstream(name) for name in plan.PORTS]
        self.fronts = [front.Front(folder, plan.PORTS[name], port, name) for name, port in plan.BEHIND.items()]
        self.server = world.Server(folder, plan.config("v0", 0), base={})
        self.admin = {"Authorization": "Bearer " + plan.KEYS["dave"][0]}

    def upstream(self, name):
        port = plan.BEHIND.get(name, plan.PORTS[name])
        args = ["--name", name, "--seed", self.seed, "--record", self.record(name), "--port", str(port)]
        return world.Helper(os.path.join(HERE, "upstream.py"), args + plan.MANNERS.get(name, []), self.folder, name)

    def record(self, name):
        return os.path.join(self.folder, name + ".hits")

    # --- what happens meanwhile ---

    def beside(self, work, *args):
        def run():
            try:
                work(*args)
            except BaseException as error:  # told at the end
                self.wrong.append("%s: %r" % (work.__name__, error))
                self.stop.set()
        thread = threading.Thread(target=run)
        thread.start()
        return thread

    def post(self, number):
        count = 0
        while not self.stop.is_set():
            document, facts = plan.batch(self.seed, number, count)
            facts = client.Post(self.server.port, plan.KEYS[facts["caller"]][0], document, facts).run()
            with self.lock:
                self.batches.append(facts)
            count += 1
            self.stop.wait(facts["think"])

    def break_network(self):
        """Now and then nothing passes to or from one upstream for a while, or its port refuses."""
        rng = answers.chance(self.seed, "network")
        world.nft("table inet soak {\n chain in { type filter hook input priority 0; }\n}\n")
        while not self.stop.wait(rng.uniform(2, 7)):
            name = rng.choice(("hole", "hole", "wild", "few"))
            port, since = plan.PORTS[name], time.monotonic()
            if rng.random() < 0.7:
                rules = ["tcp dport %d drop" % port, "tcp sport %d drop" % port]
            else:
                rules = ["tcp dport %d tcp flags & (syn | ack) == syn reject with tcp reset" % port]
            world.nft("".join("add rule inet soak in %s\n" % r for r in rules))
            self.counts["holes"] += 1
            self.stop.wait(rng.uniform(0.5, 2.5))
            world.nft("flush chain inet soak in\n")
            self.trouble[name].append((since, time.monotonic()))

    def reload(self):
        rng = answers.chance(self.seed, "reload")
        number = 0
        while not self.stop.wait(rng.uniform(4, 12)):
            number += 1
            config = plan.config("v%d" % (number % 2), number % 2)
            with open(self.server.config_path + ".new", "w", encoding="utf-8") as out:
                json.dump(config, out)
            os.rename(self.server.config_path + ".new", self.server.config_path)
            self.server.signal(signal.SIGHUP)
            self.counts["reloads"] += 1

    def sample(self):
        while not self.stop.wait(1.0):
            metrics = self.server.metrics(self.admin)
            self.samples.append({"rss": self.server.rss(peak=False), "files": self.server.open_files(), "threads": self.server.threads(),
                                 "in_flight": metrics.of("batchgate_in_flight"), "queued": metrics.of("batchgate_queued")})
            self.helpers.update(named.helpers(self.server))
            if self.server.get("/readyz").status != 200:
                self.wrong.append("readyz is not ready")

    def run(self):
        self.first = self.state()
        threads = [self.beside(self.post, n) for n in range(CLIENTS)]
        threads += [self.beside(w) for w in (self.break_network, self.reload, self.sample)]
        self.stop.wait(self.seconds)
        self.stop.set()
        for thread in threads:
            thread.join()
        self.last = self.settle()

    # --- the end ---

    def state(self):
        return {"files": world.settled(self.server.open_files), "rss": self.server.rss(peak=False), "threads": self.server.threads()}

    def settle(self):
        """What is held when all has ended; it must be next to nothing."""
        names = ("in_flight", "queued", "batches_running", "memory_bytes")

        def left():
            metrics = self.server.metrics(self.admin)
            return {n: metrics.total("batchgate_" + n) for n in names if metrics.total("batchgate_" + n)}
        try:
            world.wait_for("nothing in flight, queued or held", lambda: not left(), CALM_S)
        except AssertionError:
            self.wrong.append("still held at the end: %r" % left())
        allowed = self.first["files"] + FILES_MORE
        try:
            world.wait_for("few descriptors", lambda: self.server.open_files() <= allowed, CALM_S)
        except AssertionError:
            self.wrong.append("%d descriptors at the start, %d at the end" % (self.first["files"], self.server.open_files()))
        last = self.state()
        if last["rss"] > world.memory_bound(self.first["rss"] + RSS_MORE):
            self.wrong.append("RSS %d MiB at the start, %d at the end" % (self.first["rss"] >> 20, last["rss"] >> 20))
        if last["threads"] != self.first["threads"]:
            self.wrong.append("%d threads at the start, %d at the end" % (self.first["threads"], last["threads"]))
        return last

    def close(self):
        """Ends everything, and reads what was written down. (hits)"""
        self.metrics = self.server.metrics(self.admin)
        self.cpu_s = world.cpu_of(self.server.pid) / os.sysconf("SC_CLK_TCK")
        self.helpers_s = self.helpers_cpu() / os.sysconf("SC_CLK_TCK")
        errors = [e for e in self.server.events() if e["level"] == "error"]
        if errors:
            self.wrong.append("%d lines of the log at level error, such as %r" % (len(errors), errors[0]))
        self.counts["reloaded"] = len(self.server.events("reloaded"))
        if self.counts["reloads"] and not self.counts["reloaded"]:
            self.wrong.append("no reload was taken")
        self.server.stop()
        hits = []
        for upstream, name in zip(self.upstreams, plan.PORTS):
            upstream.stop()
            with open(self.record(name), encoding="ascii") as source:
                seen = [json.loads(line) for line in source]
            hits += [h for h in seen if "tag" in h]
            self.trouble[name] += [h["away"] for h in seen if "away" in h]
        for process in self.fronts:
            process.stop()
        self.multiplexed = [f.requests() for f in self.fronts]
        return hits

    def helpers_cpu(self):
        """Clock ticks of the processes that run templates, those that have ended too."""
        with open("/proc/%d/stat" % named.forker(self.server), encoding="ascii") as source:
            fields = source.read().rpartition(")")[2].split()
        return int(fields[13]) + int(fields[14]) + sum(world.cpu_of(p) for p in named.helpers(self.server))

    def kill(self):
        self.stop.set()
        for process in [self.server, *self.upstreams, *self.fronts]:
            process.kill()


def counted(soak, run):
    """The server's own counts against those of the checker: items that nobody was told of lie between."""
    sure = sum(len(b["results"]) for b in run.batches)
    most = sum(len(b["items"]) for b in run.batches if b["status"] in (200, None))
    total = soak.metrics.total("batchgate_items_total")
    if not sure <= total <= most:
        yield "the server counts %d items, clients have seen %d and sent %d" % (total, sure, most)
    attempts = soak.metrics.total("batchgate_attempts_total")
    repeats = sum(1 for i in run.items for a, b in zip(i.hits, i.hits[1:]) if a["fate"] != "answer")
    seen = sum(len(i.hits) for i in run.items)
    if attempts < seen - repeats:
        yield "the server counts %d attempts, %d requests were seen" % (attempts, seen)
    in_flight = max((s["in_flight"] for s in soak.samples), default=0)
    if in_flight > plan.MAX_IN_FLIGHT:
        yield "%d in flight, %d allowed" % (in_flight, plan.MAX_IN_FLIGHT)


def opened(run, turn_s=0):
    """Of each breaker, each time it was not closed, as the attempts that began in it."""
    return [probes for name in run.bounds["breakers"] for probes in spared.stretches(run, name, turn_s)]


def most_retries(run, upstream):
    return max(map(len, spared.retries_at_once(run, upstream)), default=0)


def hollow(soak, run):
    """A run in which nothing happened proves nothing."""
    codes = collections.Counter(i.result["code"] for i in run.items if i.result)
    whats = collections.Counter(h["what"] for i in run.items for h in i.hits)
    needs = {"successes": sum(1 for i in run.items if i.result and i.result["success"]), "retries": sum(len(i.hits) > 1 for i in run.items),
             "clients that left": sum(b["gone"] for b in run.batches), "timeouts": sum(1 for i in run.items if i.result and i.result["code"] == "timeout"),
             "broken answers": sum(h["fate"] == "cut" for i in run.items for h in i.hits), "keyed items": sum(bool(i.facts["key"]) for i in run.items),
             "items refused by a breaker": codes["circuit_open"], "items whose batch had no time for a rate or a pause": codes["rate_limited"],
             "items that waited for a pause to end": spared.waited_out(run),
             "breakers seen to open": len(opened(run)) or world.sanitized(),  # which calls too little for that, maybe
             "retries that their budget held back": sum(1 for i in run.items if i.facts["upstream"] == "again" and i.result and i.result["reason"] == "retry_wait"),
             "requests over HTTP/2": sum(count for count, _ in soak.multiplexed),
             "batches": len(run.batches), "kinds of misbehaviour": len(whats) if len(whats) > 10 else 0}
    for name, count in needs.items():
        if not count:
            yield "no " + name


def spoilt(hits, batches, bounds):
    """The checker sees what is wrong with each doctored record of this very run."""
    some = [b for b in batches if b["whole"]][:DOCTORED]
    tags = {i["tag"] for b in some for i in b["items"]}
    kept = json.dumps([[h for h in hits if h["tag"] in tags], some])
    for spoil in doctor.ALL:
        copy = json.loads(kept)
        rule = spoil(*copy)
        if rule is None:
            yield "nothing to be doctored: " + spoil.__name__
        elif not list(rule(checker.Run(*copy, bounds))):
            yield "a doctored record passes: " + spoil.__name__


def figures(soak, run, hits):
    codes = collections.Counter(r["code"] or "ok" for b in run.batches for r in b["results"])
    whats = collections.Counter(h["what"] for h in hits)
    peaks = {name: "%d of %d" % (checker.overlap(s for i in items for s in i.spans()), bound)
             for name, bound, items in checker.bounded(run) if " " in name}
    fates = collections.Counter(h["fate"] for h in hits)
    certain = sum(i.is_certain(n) for i in run.items for n in range(len(i.hits)))
    told = sum(len(b["results"]) for b in run.batches)
    return [
        "seed %s, %d s" % (soak.seed, soak.seconds),
        "%d batches, %d left midway: %s; %d items sent, %d results" % (
            len(run.batches), sum(b["gone"] for b in run.batches), dict(collections.Counter(b["shape"] for b in run.batches)), len(run.items), told),
        "refused batches: %s" % dict(collections.Counter(b.get("problem") for b in run.batches if b["status"] not in (200, None))),
        "results: %s" % dict(codes.most_common()),
        "requests seen: %d, %s; %d certain spans; %d items came more than once" % (len(hits), dict(fates), certain, sum(len(i.hits) > 1 for i in run.items)),
        "misbehaviour: %s" % dict(whats.most_common()),
        "templates that had no time left on this machine: %d" % sum(
            checker.late_template(i, i.result) for i in run.items
            if i.result and i.batch["endpoint"] and not i.result["success"] and not i.result["fallback_used"]),
        "most at once: %s" % peaks,
        "pauses that were told: %d, items that waited for their end: %d" % (sum(map(len, spared.pauses(run, 0).values())), spared.waited_out(run)),
        "breakers seen to open: %d times, %d probes; surely, %d and %d" % tuple(
            n for o in (opened(run), opened(run, run.turn_s)) for n in (len(o), sum(map(len, o)))),
        "retries at once: %s" % {name: most_retries(run, name) for name in run.bounds["budgets"]},
        "over HTTP/2: %s" % ", ".join("%d requests on %d connections" % pair for pair in soak.multiplexed),
        "network broken %d times, %d reloads (%d taken)" % (soak.counts["holes"], soak.counts["reloads"], soak.counts["reloaded"]),
        "RSS %d MiB, at most %d, at the end %d; descriptors %d, %d, %d; threads %d, %d" % (
            soak.first["rss"] >> 20, max(s["rss"] for s in soak.samples) >> 20, soak.last["rss"] >> 20, soak.first["files"],
            max(s["files"] for s in soak.samples), soak.last["files"], soak.first["threads"], soak.last["threads"]),
        "in flight at most %d, queued %d; CPU %.1f s, of %d processes for templates %.1f s" % (max(s["in_flight"] for s in soak.samples), max(s["queued"] for s in soak.samples),
            soak.cpu_s, len(soak.helpers), soak.helpers_s),
    ]


def main():
    seconds = float(os.environ.get("SOAK_SECONDS") or 20)
    seed = os.environ.get("SOAK_SEED") or str(int.from_bytes(os.urandom(4), "big"))
    print("soak: %g s, SOAK_SEED=%s" % (seconds, seed), flush=True)
    if os.environ.get("SOAK_KEEP"):
        os.makedirs(os.environ["SOAK_KEEP"], exist_ok=True)
    folder = tempfile.mkdtemp(prefix="batchgate-soak-")
    soak = None
    try:
        soak = Soak(folder, seconds, seed)
        soak.run()
        hits = soak.close()
        bounds = plan.bounds(soak.trouble)
        run = checker.Run(hits, soak.batches, bounds, 20000 if world.sanitized() else 0)
        print("\n".join(figures(soak, run, hits)))
        if os.environ.get("SOAK_KEEP"):
            with open(os.path.join(os.environ["SOAK_KEEP"], "soak-%s.json" % seed), "w", encoding="utf-8") as out:
                json.dump({"hits": hits, "batches": soak.batches, "bounds": bounds}, out)
        found = checker.judge(run)
        more = {"the run itself": soak.wrong, "counts": list(counted(soak, run)), "too little happened": list(hollow(soak, run)),
                "the checker": list(spoilt(hits, soak.batches, bounds))}
        found.update({name: wrong for name, wrong in more.items() if wrong})
    finally:
        if soak:
            soak.kill()
        shutil.rmtree(folder, True)
    if found:
        print("\nFAILED, again with SOAK_SEED=%s SOAK_SECONDS=%g\n%s" % (seed, seconds, checker.tell(found)))
        return 1
    print("everything fits; %d doctored records were all found" % len(doctor.ALL))
    return 0


if __name__ == "__main__":
    world.enter_namespace()
    sys.exit(main())
