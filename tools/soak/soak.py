"""Everything at once for minutes, with random kills and freezes: ./run soak --minutes N

A media driver, two streams, and consumers of several habits, each a process. Every few seconds one of them is killed
with -9 and started again, or frozen for a while. Every frame that a consumer calls delivered is compared with its
source. Some processes are never touched: theirs is the memory that must not grow.
"""
import argparse
import json
import os
import pathlib
import random
import shutil
import signal
import sys
import tempfile
import time

from curves import draw
from processes import Process, files_below, usage

SETTLE_SECONDS = 20  # after the start, before memory is compared
GROWTH_KIB = 2048    # of private memory, from the median of the first third to that of the last
EXIT_PATIENCE = 60


def arguments():
    parser = argparse.ArgumentParser(prog="./run soak", description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10, help="how long (default 10)")
    parser.add_argument("--seed", type=int, default=None, help="of the kills (default: drawn, and printed)")
    parser.add_argument("--every", type=float, default=4, help="mean seconds between two faults (default 4)")
    parser.add_argument("--out", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--bin", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if not 0.2 <= options.minutes <= 10_000 or not 0.2 <= options.every <= 3600:
        parser.error("--minutes: 0.2 to 10000; --every: 0.2 to 3600 seconds")
    return options


class Soak:
    def __init__(self, options, folder):
        self.options = options
        self.random = random.Random(options.seed)
        self.folder = folder
        self.samples, self.events, self.problems = [], [], []
        self.begin = time.monotonic()
        self.log = open(options.out / "stderr.log", "w", encoding="utf-8")
        tp, demo = str(options.bin / "tp"), str(options.bin / "tp_demo")
        regions = folder / "regions"
        regions.mkdir()
        places = ["--aeron-dir", str(folder / "aeron"), "--base-dir", str(regions), "--mode", "direct",
                  "--media-driver", "never", "--json"]
        small = "pattern:640x480:u8"

        def watch(stream, source, *more):
            return [tp, "watch", "--stream", stream, "--expect", source, *more, *places]

        def publish(stream, source, rate, *more):
            return [tp, "publish", "--stream", stream, "--input", source, "--rate", rate, *more, *places]

        commands = {
            "media driver": [demo, "media-driver", "--aeron-dir", str(folder / "aeron")],
            "producer": publish("10000", "stars", "200"),
            "small producer": publish("10001", small, "150", "--slots", "4"),
            "steady producer": publish("10002", small, "100", "--slots", "16"),
            "consumer": watch("10000", "stars"),
            "latest": watch("10000", "stars", "--latest"),
            "slow consumer": watch("10001", small, "--slow-ms", "60", "--slow-every", "16"),
            "steady consumer": watch("10000", "stars"),
            "steady consumer 2": watch("10002", small),
        }
        self.processes = {name: Process(name, command, self.log) for name, command in commands.items()}
        self.steady = [name for name in commands if name.startswith("steady")]
        self.pending = []  # (when, what to do)

    def now(self):
        return time.monotonic() - self.begin

    def start_all(self):
        for process in self.processes.values():
            process.start()

    def fault(self):
        """Kills or freezes one process that is neither steady nor already in trouble."""
        names = [name for name, process in self.processes.items()
                 if name not in self.steady and process.alive() and not process.stopped]
        if not names:
            return
        # The media driver takes everybody down with it: seldom, so that the others have a life in between.
        weights = [0.3 if name == "media driver" else 1 for name in names]
        name = self.random.choices(names, weights)[0]
        process = self.processes[name]
        what = self.random.choice(("kill", "kill", "freeze"))
        later = self.now() + self.random.uniform(0.1, 3)
        self.events.append({"at": round(self.now(), 1), "what": what, "name": name})
        if what == "kill":
            process.kill()
            self.pending.append((later, process.start))
        else:
            process.freeze(True)
            self.pending.append((later, lambda: process.freeze(False)))

    def run_pending(self):
        due = [entry for entry in self.pending if entry[0] <= self.now()]
        self.pending = [entry for entry in self.pending if entry not in due]
        for _, action in due:
            action()

    def sample(self):
        entry = {"at": round(self.now(), 1), **files_below(self.folder), "processes": {}}
        for name, process in self.processes.items():
            used = usage(process.pid) if process.alive() else None
            if used:
                entry["processes"][name] = {**used, "fps": process.last.get("fps", 0.0),
                                            "delivered": process.delivered()}
        self.samples.append(entry)

    def check_alive(self):
        """Nobody may end by itself."""
        waiting = {id(getattr(action, "__self__", None)) for _, action in self.pending}
        for process in self.processes.values():
            if not process.alive() and id(process) not in waiting:
                code = process.popen.returncode
                self.problems.append(f"{process.name}: ended by itself with exit code {code} at {self.now():.0f} s")
                process.start()

    def run(self):
        self.start_all()
        end = self.options.minutes * 60
        next_fault = 10.0
        next_sample = 0.0
        while self.now() < end:
            time.sleep(0.05)
            self.run_pending()
            if self.now() >= next_sample:
                next_sample += 1
                self.check_alive()
                self.sample()
            if self.now() >= next_fault:
                next_fault = self.now() + self.random.expovariate(1 / self.options.every)
                self.fault()
        for _, action in self.pending:
            action()
        self.pending = []
        self.settle()
        self.finish()

    def settle(self):
        """After the last fault every consumer gets frames again."""
        before = {name: process.delivered() for name, process in self.processes.items()}
        consumers = [name for name in self.processes if "consumer" in name or name == "latest"]
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if all(self.processes[name].delivered() > before[name] for name in consumers):
                return
            time.sleep(0.1)
        for name in consumers:
            if self.processes[name].delivered() <= before[name]:
                self.problems.append(f"{name}: no frame within 60 s of the last fault")

    def finish(self):
        order = sorted(self.processes.values(), key=lambda p: ("producer" not in p.name, p.name == "media driver"))
        for process in order:
            code = process.finish(EXIT_PATIENCE)
            if code != 0:
                self.problems.append(f"{process.name}: " + ("did not end when asked to" if code is None else
                                                            f"exit code {code}"))
        self.left = files_below(self.folder / "regions")
        for process in self.processes.values():
            self.problems += process.problems
        self.check_growth()
        self.log.close()

    def check_growth(self):
        kept = [sample for sample in self.samples if sample["at"] >= SETTLE_SECONDS]
        self.growth = {}
        for name in self.steady:
            for key, limit in (("private_kib", GROWTH_KIB), ("descriptors", 4), ("threads", 0), ("mappings", 12)):
                values = [sample["processes"][name][key] for sample in kept if name in sample["processes"]]
                third = len(values) // 3
                if third < 5:
                    continue
                first, last = (sorted(part)[len(part) // 2] for part in (values[:third], values[-third:]))
                self.growth[f"{name} {key}"] = (first, last)
                if last - first > limit:
                    self.problems.append(f"{name}: {key} grew from {first} to {last}")

    def series(self, key, names):
        return {name: [(sample["at"], sample["processes"][name][key]) for sample in self.samples
                       if name in sample["processes"]] for name in names}

    def report(self):
        out = self.options.out
        with open(out / "samples.jsonl", "w", encoding="utf-8") as file:
            file.writelines(json.dumps(sample) + "\n" for sample in self.samples)
        everybody = list(self.processes)
        panels = {
            "private memory, KiB": self.series("private_kib", everybody),
            "open descriptors": self.series("descriptors", everybody),
            "mappings": self.series("mappings", everybody),
            "frames per second": self.series("fps", [n for n in everybody if n != "media driver"]),
            "files in shared memory": {"files": [(s["at"], s["files"]) for s in self.samples]},
            "shared memory, MiB": {"MiB": [(s["at"], s["mib"]) for s in self.samples]},
        }
        (out / "curves.svg").write_text(draw(panels, self.events, self.options.minutes * 60), encoding="utf-8")
        kills = sum(event["what"] == "kill" for event in self.events)
        delivered = sum(process.delivered() for process in self.processes.values())
        print(f"seed {self.options.seed}: {kills} kills, {len(self.events) - kills} freezes in "
              f"{self.options.minutes:g} minutes; {delivered} frames delivered and compared")
        for name, (first, last) in self.growth.items():
            print(f"  {name}: {first} at first, {last} at last")
        print(f"  most files at once {max(s['files'] for s in self.samples)}, "
              f"most shared memory {max(s['mib'] for s in self.samples)} MiB; "
              f"left by killed producers: {self.left['files']} files, {self.left['mib']} MiB")
        print(f"curves: {os.path.relpath(out / 'curves.svg')}")
        for problem in self.problems:
            print(f"PROBLEM {problem}")
        print("soak: clean" if not self.problems else f"soak: {len(self.problems)} problems; "
              f"stderr of all processes: {os.path.relpath(out / 'stderr.log')}")
        return 0 if not self.problems else 1


def main():
    options = arguments()
    if options.seed is None:
        options.seed = random.SystemRandom().randrange(1 << 32)
    options.out.mkdir(parents=True, exist_ok=True)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="tp-soak-", dir="/dev/shm"))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(130))
    soak = Soak(options, folder)
    try:
        soak.run()
        return soak.report()
    except KeyboardInterrupt:
        return 130
    finally:
        for process in soak.processes.values():
            if process.alive():
                process.kill()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
