"""What the project aims at, and whether a run says that it was reached. Every aim compares figures of one run."""
from statistics import median


def row_of(report, workload, subject, frame_bytes=None, variant=""):
    for part in report["workloads"]:
        if part["name"] != workload:
            continue
        for row in part["rows"]:
            if row["subject"] == subject and frame_bytes in (None, row["frame_bytes"]) and row["variant"] == variant:
                return row
    return None


def figure_of(row, name):
    return next((figure for figure in row["figures"] if figure["name"] == name), None) if row else None


def alike(row, other, round_):
    """Whether the CPUs lay in alike places for both, and stayed there: the same factor as in line_transfer.hpp."""
    lines = [each["line_ns"][round_] if "line_ns" in each else 0 for each in (row, other)]
    if None in lines:
        return False
    return min(lines) <= 0 or max(lines) < 1.5 * min(lines)


def quotients(row, name, other, other_name=None):
    """Round by round, of the rounds that can be compared; None where one was not measured."""
    a, b = figure_of(row, name), figure_of(other, other_name or name)
    if not a or not b or len(a["rounds"]) != len(b["rounds"]) or not all(b["rounds"]):
        return None
    return [x / y for k, (x, y) in enumerate(zip(a["rounds"], b["rounds"])) if alike(row, other, k)]


def judge(what, values, limit, at_most, text="{:.2f} x"):
    """One line: the aim, what was found, and the verdict."""
    if values is None:
        return None
    sign = "at most" if at_most else "at least"
    if not values:
        return {"what": what, "aim": f"{sign} {text.format(limit)}", "found": "", "rounds": "", "met": False,
                "verdict": "no answer: the CPUs moved in all rounds"}
    found = median(values)
    met = found <= limit if at_most else found >= limit
    # With rounds on both sides of the limit the next run may say the opposite.
    firm = len({value <= limit if at_most else value >= limit for value in values}) == 1
    verdict = ("met" if met else "not met") + ("" if firm else ", not in all rounds")
    return {"what": what, "aim": f"{sign} {text.format(limit)}", "found": text.format(found),
            "rounds": f"{text.format(min(values))} .. {text.format(max(values))}", "met": met, "verdict": verdict}


def closed_loop_aims(report):
    aeron = row_of(report, "closed-loop", "aeron")
    for size, name in ((64 << 10, "64 KiB"), (640 << 10, "640 KiB")):
        ours = row_of(report, "closed-loop", "tensorpool", size)
        yield judge(f"one-way median, {name}, of raw Aeron's",
                    quotients(ours, "p50", aeron), 1.4, True)
        for rival in ("iceoryx2", "zeromq", "socket"):
            values = quotients(ours, "p50", row_of(report, "closed-loop", rival, size))
            yield judge(f"one-way median, {name}, of {rival}'s", values, 1, True)
        for tail in ("p99", "p99.9"):
            # Quotients of quotients, of the same rounds.
            tails, medians = (quotients(ours, figure, aeron) for figure in (tail, "p50"))
            if tails and medians and len(tails) == len(medians):
                yield judge(f"{tail} as a multiple of the own median, {name}, of raw Aeron's multiple",
                            [a / b for a, b in zip(tails, medians)], 1, True)


def copy_aims(report):
    for size, name, limit in ((4 << 10, "4 KiB", 0.85), (64 << 10, "64 KiB", 0.97), (640 << 10, "640 KiB", 0.97),
                              (8 << 20, "8 MiB", 0.97)):
        for workload in ("copy-in", "in-place"):
            ours, ring = (row_of(report, workload, subject, size) for subject in ("tensorpool", "ring"))
            yield judge(f"{workload}, {name}, of the bare ring's", quotients(ours, "rate", ring), limit, False)


def other_aims(report):
    counted = report.get("instructions", {})
    for key, what, limit in (("producer_claim_commit", "producer", 200), ("consumer_poll_10", "consumer, limit 10", 180),
                             ("consumer_poll_1", "consumer, limit 1", 250)):
        if key in counted:
            yield judge(f"instructions per frame, {what}", [counted[key]], limit, True, "{:.0f}")
    if "producer_bell" in counted:
        yield judge("instructions per frame, added by wake_waiters when nobody waits",
                    [counted["producer_bell"] - counted["producer_claim_commit"]], 10, True, "{:.0f}")
    frozen = row_of(report, "frozen", "tensorpool")
    for name, what in (("lost to others", "frames lost to others by a frozen consumer"),
                       ("held up", "frames held up by a frozen consumer")):
        figure = figure_of(frozen, name)
        yield judge(what, figure["rounds"] if figure else None, 0, True, "{:.0f}")
    wake, futex = (row_of(report, "wake-up", subject) for subject in ("tensorpool", "futex"))
    yield judge("wake-up median, of a bare futex's", quotients(wake, "p50", futex), 1.3, True)
    idle = figure_of(row_of(report, "idle-cpu", "tensorpool"), "reader's process")
    yield judge("idle process with a waiting consumer", idle["rounds"] if idle else None, 0.5, True, "{:.2f} %")


def aims(report):
    found = [*closed_loop_aims(report), *copy_aims(report), *other_aims(report)]
    return [aim for aim in found if aim]
