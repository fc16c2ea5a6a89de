#!/usr/bin/env python3
"""Compares the tables of docs/protocol/02-messages.md, which are the authority, with the schemas and
with the C++ description of the messages.

    check_schemas.py 02-messages.md schemas/ [wire_dump_fields]

Each source is turned into the same list of rows, message by message in wire order, and the lists are
compared. Exit code 1 and one line per difference. Any field, id, offset, type, null, group, length
or enum value that is in one place only is a difference.

Proves: MSG-1, MSG-3, MSG-4, MSG-6, MSG-25, MSG-27
Proves: MSG-29, MSG-33, MSG-34, MSG-51
"""

import re
import subprocess
import sys
import xml.etree.ElementTree as xml
from pathlib import Path

SIZES = {"u8": 1, "u16": 2, "u32": 4, "u64": 8, "i16": 2, "i32": 4, "i64": 8}
PRIMITIVES = {"uint8": "u8", "uint16": "u16", "uint32": "u32", "uint64": "u64",
              "int16": "i16", "int32": "i32", "int64": "i64"}
SCHEMAS = {"900": "control", "901": "driver", "902": "bridge", "903": "merge", "904": "tracelink",
           "910": "discovery"}
VAR_KINDS = {"varAsciiEncoding": "varAscii", "varDataEncoding": "varData", "varData256Encoding": "varData256"}
VAR_LIMITS = {"varAscii": "1073741824", "varData": "1073741824", "varData256": "256"}
TAG = "field {path} tag 0 1 varAscii required"


def cells(line):
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def null_of(cell, kind):
    """'required', 'zero', or the null that the type prescribes."""
    if cell == "—":
        return "required"
    if cell == "`0`":
        return "zero"
    value = re.findall(r"`(-?(?:0x)?[0-9A-Fa-f]+)`", cell)[0]
    number = int(value, 0)
    bits = 8 * SIZES[kind]
    expected = -(1 << (bits - 1)) if kind[0] == "i" else (1 << bits) - 1
    return "optional" if number == expected else f"null {number}"


def rows_of_reference(text):
    """Every message of the reference as {(schema, name): [row, …]}, and every enum."""
    messages, enums = {}, {}
    schema = message = path = None
    rows = []
    for line in text.splitlines():
        if match := re.match(r"## Schema (\d+)", line):
            schema, message = match[1], None
        elif match := re.match(r"### (\w+)$", line):
            message = match[1]
            path, rows = message, []
        elif line.startswith("## "):
            schema = message = None
        elif schema and (match := re.match(r"Enums?: (\w+) \((\w+)\): (.*)\.$", line)):
            enums[(schema, match[1])] = (match[2], match[3])
        elif schema and re.match(r"\| \w+ \| [ui]\d+ \| \d", line):
            name, encoding, values = cells(line)
            enums[(schema, name)] = (encoding, values)
        elif not message:
            continue
        elif re.match(rf"\| {schema} \| \d+ \|", line):
            _, template, block, smallest, _ = cells(line)
            messages[(schema, message)] = rows
            rows.append(f"message {message} {schema} {template} {block} {smallest if smallest != '—' else '-'}")
        elif match := re.match(r"Group `([\w.]+)` \(id (\d+)\), entry block length \*\*(\d+)\*\*:", line):
            parts = match[1].split(".")
            rows.append(f"group {'.'.join([message] + parts[:-1])} {parts[-1]} {match[2]} {match[3]}")
            path = f"{message}.{match[1]}"
        elif match := re.match(r"Var data of each `([\w.]+)` entry, in order: (.*)\.$", line):
            add_var_data(rows, f"{message}.{match[1]}", match[2])
        elif match := re.match(r"Var data, in order: (.*)\.$", line):
            add_var_data(rows, message, match[1])
        elif line.startswith("| ") and (match := re.match(r"\| (\d+|—) \| ([\d +n]+) \| (\d+) \| `(\w+)` \|", line)):
            offset, size, number, name, kind, null, _ = (cells(line) + [""])[:7]
            add_field(rows, path, offset, size, number, name.strip("`"), kind, null)
    return messages, enums


def add_var_data(rows, path, text):
    for name, number, kind in re.findall(r"`(\w+)` \(id (\d+), (\w+)\)", text):
        rows.append(f"data {path} {name} {number} {kind}")


def add_field(rows, path, offset, size, number, name, kind, null):
    if size == "4 + n":
        rows.append(TAG.format(path=path))
        return
    if "constant" in kind:
        rows.append(f"constant {path} {name} {number} {kind}")
        return
    enum = re.match(r"(\w+) \((\w+)\)", kind)
    primitive = enum[2] if enum else kind.split("[")[0]
    count = int(kind.split("[")[1].rstrip("]")) if "[" in kind else 1
    if SIZES[primitive] * count != int(size):
        rows.append(f"wrong size of {path}.{name}: {size}")
    rows.append(f"field {path} {name} {offset} {number} {kind} {null_of(null, primitive)}")


class Schema:
    """The rows of one XML file. Offsets are computed here: fields are packed without padding."""

    def __init__(self, path):
        root = xml.parse(path).getroot()
        self.attributes = root.attrib
        self.types = {e.get("name"): e for e in root.find("types")}
        self.messages = {m.get("name"): self.message(m) for m in root if m.tag.endswith("message")}

    def message(self, element):
        name = element.get("name")
        rows = [f"message {name} {self.attributes['id']} {element.get('id')} {element.get('blockLength')}"]
        self.body(rows, name, element)
        return rows

    def body(self, rows, path, element):
        offset = 0
        for child in element:
            name, number, kind = child.get("name"), child.get("id"), child.get("type")
            if child.tag == "field":
                offset += self.field(rows, path, child, offset)
            elif child.tag == "group":
                rows.append(f"group {path} {name} {number} {child.get('blockLength', '0')}")
                self.body(rows, f"{path}.{name}", child)
            else:
                self.var_kind(kind)
                if child.get("presence") is not None:
                    rows.append(f"var data {path}.{name} declares a presence")
                rows.append(f"data {path} {name} {number} {VAR_KINDS[kind]}")

    def field(self, rows, path, child, offset):
        name, number, kind = child.get("name"), child.get("id"), child.get("type")
        if kind in VAR_KINDS:
            self.var_kind(kind)
            rows.append(TAG.format(path=path))
            return 0
        declared = self.types.get(kind)
        if declared is not None and declared.get("presence") == "constant":
            primitive = PRIMITIVES[declared.get("primitiveType")]
            rows.append(f"constant {path} {name} {number} {primitive} constant {declared.text}")
            return 0
        count = 1
        if declared is None:
            primitive = shown = PRIMITIVES[kind]
        elif declared.tag == "enum":
            primitive = PRIMITIVES[declared.get("encodingType")]
            shown = f"{kind} ({primitive})"
        else:
            primitive = shown = PRIMITIVES[declared.get("primitiveType")]
            count = int(declared.get("length", "1"))
            if count > 1:
                shown = f"{primitive}[{count}]"
        rows.append(f"field {path} {name} {offset} {number} {shown} {self.null(child, declared, primitive)}")
        return SIZES[primitive] * count

    def null(self, child, declared, primitive):
        presence = child.get("presence") or (declared.get("presence") if declared is not None else None)
        if presence is None:
            return "required"
        if declared is not None and declared.tag == "enum":
            return "optional"
        value = int(declared.get("nullValue"))
        return "zero" if value == 0 else null_of(f"`{value}`", primitive)

    def var_kind(self, kind):
        parts = {t.get("name"): t for t in self.types[kind]}
        assert parts["length"].get("primitiveType") == "uint32", kind
        assert parts["length"].get("maxValue") == VAR_LIMITS[VAR_KINDS[kind]], kind
        assert parts["varData"].get("length") == "0", kind

    def enums(self):
        for name, element in self.types.items():
            if element.tag == "enum":
                values = ", ".join(f"{v.text} {v.get('name')}" for v in element)
                yield name, (PRIMITIVES[element.get("encodingType")], values)


def compare(title, expected, found):
    differences = [f"{title}: missing: {row}" for row in expected if row not in found]
    differences += [f"{title}: not in the reference: {row}" for row in found if row not in expected]
    if not differences and expected != found:
        differences.append(f"{title}: the same rows in another order")
    return differences


def check_registry(text):
    """The overview table of schemas: version 1, package, id."""
    return {row[0]: (row[2], row[3].strip("`")) for row in map(cells, text.splitlines())
            if len(row) == 5 and row[0] in SCHEMAS and row[1].startswith("`")}


def dump_rows(rows):
    """What wire_dump_fields can know: no ids, and the primitive type of enums."""
    for row in rows:
        kind, *rest = row.split(" ", 3 if row.startswith("field") else 5)
        if kind == "field":
            path, name, tail = rest
            if name == "tag":
                continue
            offset, _, tail = tail.split(" ", 2)
            shown, presence = tail.rsplit(" ", 1)
            primitive = re.sub(r"\w+ \((\w+)\)", r"\1", shown)
            yield f"field {path} {name} {offset} {primitive} {presence}"
        elif kind == "group":
            yield f"group {rest[0]} {rest[1]} {rest[3]}"
        elif kind == "data":
            yield f"data {rest[0]} {rest[1]} {rest[3]}"
        else:
            yield row


def main():
    reference = Path(sys.argv[1]).read_text(encoding="utf-8")
    messages, enums = rows_of_reference(reference)
    registry = check_registry(reference)
    differences = []
    if len(messages) != 32 or len(registry) != 6 or len(enums) != 21:
        differences.append(f"read {len(messages)} messages, {len(registry)} schemas, {len(enums)} enums")

    for number, name in SCHEMAS.items():
        schema = Schema(Path(sys.argv[2]) / f"{name}.xml")
        version, package = registry[number]
        head = {"id": number, "version": version, "package": package, "byteOrder": "littleEndian"}
        for key, value in head.items():
            if schema.attributes.get(key) != value:
                differences.append(f"{name}.xml: {key} is {schema.attributes.get(key)}, expected {value}")
        expected = [row if not row.startswith("message") else row.rsplit(" ", 1)[0]
                    for (owner, _), rows in messages.items() if owner == number for row in rows]
        # The reference describes messages by topic, the schema by template id.
        found = {message: rows for message, rows in schema.messages.items()}
        found = [row for (owner, message) in messages if owner == number for row in found.pop(message, [])] + [
            row for rows in found.values() for row in rows]
        differences += compare(f"{name}.xml", expected, found)
        expected_enums = {key[1]: value for key, value in enums.items() if key[0] == number}
        differences += compare(f"enums of {name}.xml", sorted(expected_enums.items()), sorted(schema.enums()))

    if len(sys.argv) > 3:
        dump = subprocess.run([sys.argv[3]], check=True, capture_output=True, text=True).stdout.splitlines()
        sent = {key: rows for key, rows in messages.items() if "memory only" not in "".join(
            line for line in reference.splitlines() if f"| {key[1]} |" in line)}
        expected = [row for rows in sent.values() for row in dump_rows(rows)]
        differences += compare("fields.hpp", sorted(expected), sorted(dump))
        for (_, message), rows in sent.items():
            mine = [row for row in dump if row.split(" ")[1].split(".")[0] == message]
            differences += compare(f"fields.hpp, {message}", list(dump_rows(rows)), mine)

    for difference in differences:
        print(difference)
    print(f"{len(messages)} messages and {len(enums)} enums compared, {len(differences)} differences")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
