#!/usr/bin/env python3
"""Which test proves which rule of the protocol reference.

Collects the rules of docs/protocol/*.md ("**SHM-1** MUST — …"), the `Proves: SHM-1, SHM-2` lines of the tests
and the table of docs/protocol/deferred.md; writes one table of all rules (--table FILE) and prints a summary.

Exit code 1 when a test or deferred.md names a rule that does not exist, when a `Proves:` line cannot be read or
names more than six rules, or when a MUST of a finished chapter (docs/protocol/finished.toml) is neither proved
by a test nor deferred with a reason.
"""
import argparse
import collections
import dataclasses
import pathlib
import re
import sys
import tomllib

MOST_RULES_PER_TEST = 6
RULE = re.compile(r"^\s*(?:[-*]\s+)?\*\*([A-Z]+-\d+)\*\*\s+(MUST NOT|MUST|SHOULD NOT|SHOULD|MAY)\b\s*(?:—\s*)?(.*)")
HEADING = re.compile(r"^(#{1,6})\s+(.*)")
SECTION = re.compile(r"^([A-Z]?\d+)(?:\.\d+)*\b")
ID = r"[A-Z]+-\d+"
PROVES = re.compile(r"(?://|#|\*)\s*Proves:\s*(.*)")
PROVES_LIST = re.compile(rf"^({ID}(?:\s*,\s*{ID})*)\s*(?:$|[.;:(—].*)")
CPP_TEST = re.compile(r"^\s*(?:TYPED_)?TEST(?:_F|_P)?\(\s*(\w+)\s*,\s*(\w+)\s*\)")
FUZZ_TARGET = re.compile(r'^extern "C" int (LLVMFuzzerTestOneInput)\(')
PYTHON_TEST = re.compile(r"^\s*def (test_\w+)\(")
TEST_FILES = (".cpp", ".hpp", ".c", ".h", ".py", ".sh")


@dataclasses.dataclass
class Rule:
    id: str
    level: str
    text: str
    chapter: str
    section: str
    line: int
    proofs: list = dataclasses.field(default_factory=list)
    deferred: str = ""
    waits_for: str = ""

    @property
    def required(self):
        return self.level in ("MUST", "MUST NOT")


def sort_key(rule_id):
    prefix, number = rule_id.split("-")
    return prefix, int(number)


def collect_rules(folder, problems):
    """Id: Rule, of every chapter."""
    rules = {}
    for path in sorted(folder.glob("[0-9]*.md")):
        section = ""
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            heading = HEADING.match(line)
            if heading and len(heading.group(1)) <= 2:
                numbered = SECTION.match(heading.group(2))
                section = numbered.group(1) if numbered else heading.group(2).strip()
                if len(heading.group(1)) == 1:
                    section = ""
            match = RULE.match(line)
            if not match:
                continue
            rule = Rule(match.group(1), match.group(2), match.group(3).strip(), path.name, section, number)
            if rule.id in rules:
                problems.append(f"{path.name}:{number}: {rule.id} is defined twice")
            rules[rule.id] = rule
    return rules


def test_below(lines, index):
    """The name of the test that a Proves line stands above, and where it is; ('', index) if there is none near."""
    for below in range(index, min(index + 15, len(lines))):
        match = CPP_TEST.match(lines[below])
        if match:
            return f"{match.group(1)}.{match.group(2)}", below
        match = PYTHON_TEST.match(lines[below]) or FUZZ_TARGET.match(lines[below])
        if match:
            return match.group(1), below
    return "", index


def collect_proofs(root, rules, problems):
    for path in sorted((root / "tests").rglob("*")):
        relative = path.relative_to(root).as_posix()
        # The test of this script holds samples of such lines.
        if path.suffix not in TEST_FILES or relative == "tests/house/rules_test.py":
            continue
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        per_test = collections.Counter()
        for index, line in enumerate(lines):
            match = PROVES.search(line)
            if not match:
                continue
            where = f"{relative}:{index + 1}"
            listed = PROVES_LIST.match(match.group(1).strip())
            if not listed:
                problems.append(f"{where}: cannot read 'Proves: {match.group(1).strip()}'; write ids with commas")
                continue
            ids = re.findall(ID, listed.group(1))
            name, below = test_below(lines, index)
            if not name and path.suffix != ".sh":  # a script is one test as a whole
                problems.append(f"{where}: stands above no test, so it proves nothing")
                continue
            per_test[below] += len(ids)
            if per_test[below] > MOST_RULES_PER_TEST:
                problems.append(f"{where}: more than {MOST_RULES_PER_TEST} rules for one test prove nothing")
            for rule_id in ids:
                if rule_id not in rules:
                    problems.append(f"{where}: there is no rule {rule_id}")
                else:
                    rules[rule_id].proofs.append(f"{where} {name}".strip())


def expand(cell):
    """Ids of a cell like `SHM-1..SHM-3, SHM-7`; None when it holds anything else."""
    ids = []
    for part in cell.replace("`", "").split(","):
        part = part.strip()
        span = re.fullmatch(rf"({ID})\s*(?:\.\.|…)\s*({ID})", part)
        if span:
            (first_prefix, first), (last_prefix, last) = sort_key(span.group(1)), sort_key(span.group(2))
            if first_prefix != last_prefix or first >= last:
                return None
            ids += [f"{first_prefix}-{number}" for number in range(first, last + 1)]
        elif re.fullmatch(ID, part):
            ids.append(part)
        else:
            return None
    return ids


def collect_deferred(path, rules, problems):
    if not path.exists():
        return
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.startswith("|"):
            continue
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if not re.match(rf"`?{ID}", cells[0]):
            continue  # the table's head
        where = f"deferred.md:{number}"
        ids = expand(cells[0])
        if ids is None:
            problems.append(f"{where}: cannot read the rules '{cells[0]}'")
            continue
        if len(cells) != 3 or not cells[1] or not cells[2]:
            problems.append(f"{where}: a reason and what it waits for are needed")
            continue
        named_singly = ".." not in cells[0]
        for rule_id in ids:
            if rule_id in rules:
                rules[rule_id].deferred, rules[rule_id].waits_for = cells[1], cells[2]
            elif named_singly or rule_id in (ids[0], ids[-1]):
                problems.append(f"{where}: there is no rule {rule_id}")


def finished(rule, chapters):
    sections = chapters.get(rule.chapter)
    return sections == "all" or (isinstance(sections, list) and rule.section in sections)


def read_finished(path, rules, problems):
    """Chapter file: "all" or a list of sections."""
    if not path.exists():
        problems.append(f"{path.name} is missing")
        return {}
    chapters = tomllib.loads(path.read_text(encoding="utf-8"))["finished"]
    known = collections.defaultdict(set)
    for rule in rules.values():
        known[rule.chapter].add(rule.section)
    for chapter, sections in chapters.items():
        if chapter not in known:
            problems.append(f"{path.name}: there is no chapter {chapter}")
        elif sections != "all":
            for section in sections:
                if section not in known[chapter]:
                    problems.append(f"{path.name}: {chapter} has no rules in a section {section}")
    return chapters


def status(rule, chapters):
    if rule.proofs:
        return "proved"
    if rule.deferred:
        return "deferred"
    if finished(rule, chapters):
        return "open" if rule.required else "untested"
    return "later"


def write_table(path, rules, chapters):
    lines = ["# Rules and the tests that prove them", "", "Written by `./run rules`.", "",
             "| rule | level | section | status | tests, or reason |", "|---|---|---|---|---|"]
    for rule_id in sorted(rules, key=sort_key):
        rule = rules[rule_id]
        last = "<br>".join(rule.proofs)
        if not last and rule.deferred:
            last = f"{rule.deferred} (waits for: {rule.waits_for})"
        lines.append(f"| {rule_id} | {rule.level} | {f'{rule.chapter[:2]} {rule.section}'.strip()} | "
                     f"{status(rule, chapters)} | {last} |")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def print_summary(rules, chapters):
    columns = ("proved", "deferred", "open", "untested", "later")
    print(f"{'chapter':<24}{'level':<8}" + "".join(f"{column:>10}" for column in columns))
    counts = collections.defaultdict(collections.Counter)
    for rule in rules.values():
        level = "MUST" if rule.required else rule.level.split()[0]
        counts[rule.chapter, level][status(rule, chapters)] += 1
    for (chapter, level), row in sorted(counts.items()):
        print(f"{chapter:<24}{level:<8}" + "".join(f"{row[column]:>10}" for column in columns))


def run(root):
    """(rules, finished chapters, problems)."""
    problems = []
    folder = root / "docs" / "protocol"
    rules = collect_rules(folder, problems)
    if not rules:
        problems.append("docs/protocol holds no rules")
    collect_proofs(root, rules, problems)
    collect_deferred(folder / "deferred.md", rules, problems)
    chapters = read_finished(folder / "finished.toml", rules, problems)
    for rule in sorted(rules.values(), key=lambda rule: sort_key(rule.id)):
        if status(rule, chapters) == "open":
            problems.append(f"{rule.chapter}:{rule.line}: {rule.id} {rule.level} is neither proved nor deferred: "
                            f"{rule.text[:90]}")
    return rules, chapters, problems


def main():
    parser = argparse.ArgumentParser(description="Which test proves which rule of docs/protocol.")
    parser.add_argument("--root", type=pathlib.Path, default=pathlib.Path(__file__).resolve().parent.parent)
    parser.add_argument("--table", type=pathlib.Path, help="write the table of all rules to this file")
    arguments = parser.parse_args()
    rules, chapters, problems = run(arguments.root)
    if arguments.table:
        write_table(arguments.table, rules, chapters)
    print_summary(rules, chapters)
    for rule in sorted(rules.values(), key=lambda rule: sort_key(rule.id)):
        if rule.proofs and rule.deferred:
            print(f"note: {rule.id} is deferred and proved ({rule.proofs[0]}); deferred.md can forget it")
    for problem in problems:
        print(f"problem: {problem}")
    print(f"{len(problems)} problems" if problems else "every MUST of the finished chapters is accounted for")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
