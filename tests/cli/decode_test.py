"""tp decode against the reference: its examples, and messages built here from its tables alone."""
import json
import pathlib
import random
import re
import struct
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "unit" / "wire"))
import check_schemas  # noqa: E402  reads the tables of the reference

REFERENCE = pathlib.Path(sys.argv.pop(2)).read_text(encoding="utf-8")
TP = sys.argv.pop(1)
ROWS, ENUMS = check_schemas.rows_of_reference(REFERENCE)
SIZES = check_schemas.SIZES


class Message:
    """One message of the reference. build() gives bytes and what tp decode should say of them."""

    def __init__(self, schema, name, rows):
        self.schema, self.name = int(schema), name
        head = rows[0].split(" ")
        self.template, self.block, self.smallest = (None if v == "-" else int(v) for v in head[3:6])
        self.parts = {name: []}
        for row in rows[1:]:
            kind, path, part, *rest = row.split(" ")
            self.parts[path].append((kind, part, rest))
            if kind == "group":
                self.parts[f"{path}.{part}"] = []

    def build(self, seed, entries=2, sparse=False):
        self.random, self.entries, self.sparse = random.Random(seed), entries, sparse
        self.cuts = []  # the sizes at which the message may end early (MSG-38)
        header = struct.pack("<HHHH", self.block, self.template, self.schema, 1)
        body, fields = self.body(self.name, header)
        return body, {"schema_id": self.schema, "template_id": self.template, "message": self.name,
                      "version": 1, "fields": fields}

    def body(self, path, data):
        fields = {}
        for kind, name, rest in self.parts[path]:
            if kind == "field" and name == "tag":
                data, fields = self.var_data(data, name, "varAscii")
            elif kind == "field":
                part, fields[name] = self.field(rest)
                data += part
            elif kind == "group":
                count = 0 if self.sparse else self.entries
                data += struct.pack("<HH", int(rest[1]), count)
                fields[name] = []
                for _ in range(count):
                    data, entry = self.body(f"{path}.{name}", data)
                    fields[name].append(entry)
            else:
                if path == self.name:
                    self.cuts.append(len(data))
                data, fields[name] = self.var_data(data, name, rest[1])
        return data, fields

    def field(self, rest):
        enum = rest[2] if rest[3].startswith("(") else None
        kind = rest[3].strip("()") if enum else rest[2]
        presence = rest[-1]
        size, signed = SIZES[kind], kind[0] == "i"
        null = 0 if presence == "zero" else -(1 << (8 * size - 1)) if signed else (1 << (8 * size)) - 1
        if presence != "required" and self.sparse:
            return null.to_bytes(size, "little", signed=signed), None
        if enum:
            number, name = self.random.choice(enum_values(self.schema, enum))
            return number.to_bytes(size, "little", signed=signed), bool(number) if enum == "Bool" else name
        value = self.random.randrange(1, (1 << (8 * size - signed)) - 1) * self.random.choice([1, -1][:1 + signed])
        return value.to_bytes(size, "little", signed=signed), value

    def var_data(self, data, name, kind):
        size = 0 if self.sparse else self.random.randrange(1, 40)
        if name.endswith(("Uri", "Channel")):
            value = bytes(self.random.randrange(0x21, 0x7F) for _ in range(size))
        else:
            value = self.random.randbytes(size)
        shown = value.decode("latin-1") if kind == "varAscii" else value.hex()
        return data + struct.pack("<I", size) + value, shown


def enum_values(schema, name):
    return [(int(value), text) for value, text in
            (pair.split(" ") for pair in ENUMS[(str(schema), name)][1].split(", "))]


MESSAGES = [message for message in (Message(*key, rows) for key, rows in ROWS.items())
            if message.smallest is not None and message.name != "TensorHeader"]
BY_NAME = {message.name: message for message in MESSAGES}
# One of each schema, with groups and var data where the schema has them.
ONE_PER_SCHEMA = ["ShmPoolAnnounce", "ShmAttachResponse", "BridgeFrameChunk", "TimestampMergeMapAnnounce",
                  "TraceLinkSet", "DiscoveryResponse"]


def examples():
    """(title, dump, [(first, last, content)]) of every worked example."""
    text = REFERENCE[REFERENCE.index("\n## Worked examples"):REFERENCE.index("\n## Traps")]
    for part in text.split("\n### ")[1:]:
        dump = re.search(r"```\n(.*?)```", part, re.S)[1]
        rows = re.findall(r"^\| ([0-9a-f]+)(?:–([0-9a-f]+))? \| (.*) \|$", part, re.M)
        yield part.split("\n")[0], dump, [(int(a, 16), int(b or a, 16), text) for a, b, text in rows]


def flat(fields):
    """(name, value) of everything in a decoded object, in order; a tag is called tag."""
    for name, value in fields.items():
        if not isinstance(value, list):
            yield name, value
            continue
        yield name, len(value)
        for entry in value:
            yield from flat(entry if isinstance(entry, dict) else {"tag": entry})


def header(block=40, template=4, schema=900, version=1):
    return struct.pack("<HHHH", block, template, schema, version)


class Decode(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def write(self, data, name="message.bin"):
        path = self.folder / name
        path.write_bytes(data)
        return str(path)

    def run_tp(self, *arguments, stdin=b""):
        return subprocess.run([TP, "decode", *arguments], input=stdin, capture_output=True, timeout=60)

    def decode(self, *arguments, stdin=b"", code=0):
        """The decoded messages and the lines of the errors."""
        result = self.run_tp(*arguments, stdin=stdin)
        errors = result.stderr.decode().splitlines()
        self.assertEqual(result.returncode, code, errors)
        self.assertTrue(all(line.startswith("tp: ") for line in errors), errors)
        return [json.loads(line) for line in result.stdout.splitlines()], errors

    def refused(self, data, *words, arguments=("-",)):
        messages, errors = self.decode(*arguments, stdin=data, code=1)
        self.assertEqual(messages, [])
        self.assertEqual(len(errors), 1)
        for word in words:
            self.assertIn(word, errors[0])

    def expect_fields(self, decoded, data, rows):
        """Holds every row of an example's table against the decoded fields and the dump's bytes."""
        values = list(flat(decoded["fields"]))
        self.assertEqual(rows[0][2], f"blockLength {data[0]}, templateId {decoded['template_id']}, "
                         f"schemaId {decoded['schema_id']}, version {decoded['version']}")
        enums = dict((name, rest[2]) for kind, name, rest in BY_NAME[decoded["message"]].parts[decoded["message"]]
                     if kind == "field" and rest[3].startswith("("))
        length = None
        for first, last, content in rows[1:]:
            stored = data[first:last + 1]
            name, _, said = content.partition(" ")
            number = int.from_bytes(stored, "little")
            if length is not None:  # the bytes of a text
                self.assertEqual((content.strip("`"), len(stored)), (stored.decode(), length))
                self.assertEqual(values.pop(0)[1], stored.decode())
                length = None
                continue
            if "group header" in said:
                self.assertEqual(values.pop(0), (name.strip("`"), int(said.rsplit(" ", 1)[1])))
            elif said.startswith("length"):
                length = int(said.split(" ")[1])
                self.assertEqual(values[0][0], name)
                if length == 0:
                    self.assertEqual(values.pop(0)[1], "")
                    length = None
            else:
                shown_name, shown = values.pop(0)
                self.assertEqual(shown_name, name)
                if said not in ("", "null"):
                    self.assertEqual(int(said), number)
                if name in enums:
                    self.assertEqual(shown, dict(enum_values(decoded["schema_id"], enums[name]))[number])
                elif said == "null" or name == "traceId" and number == 0:
                    self.assertIsNone(shown)
                else:
                    self.assertEqual(shown, number)
        self.assertEqual(values, [])

    # Proves: MSG-1, MSG-2, MSG-4, MSG-6, MSG-26, MSG-32
    def test_every_example_of_the_reference(self):
        found = list(examples())
        self.assertGreaterEqual(len(found), 4)
        for title, dump, rows in found:
            with self.subTest(title):
                name, size = re.match(r"(\w+).*?, (\d+) bytes", title).groups()
                data = bytes.fromhex("".join(line.split("  ", 1)[1] for line in dump.splitlines()))
                self.assertEqual(len(data), int(size))
                [decoded], _ = self.decode("--hex", "--strict", "-", stdin=dump.encode())
                self.assertEqual(decoded["message"], name)
                self.assertNotIn("trailing_bytes", decoded)
                self.expect_fields(decoded, data, rows)
                [binary], _ = self.decode("--strict", "-", stdin=data)
                self.assertEqual(binary, decoded)

    def test_every_message_of_the_reference(self):
        self.assertEqual(len(MESSAGES), 29)
        files, expected = [], []
        for message in MESSAGES:
            for case in ({"seed": 1}, {"seed": 2, "entries": 0}, {"seed": 3, "sparse": True}):
                data, decoded = message.build(**case)
                files.append(self.write(data, f"{message.name}{case['seed']}"))
                expected.append({"file": files[-1], **decoded})
            self.assertEqual(len(data), message.smallest)
        decoded, _ = self.decode("--strict", *files)
        for shown, wanted in zip(decoded, expected, strict=True):
            self.assertEqual(shown, wanted)
            self.assertEqual([name for name, _ in flat(shown["fields"])],
                             [name for name, _ in flat(wanted["fields"])], "in wire order")

    # Proves: MSG-17, MSG-35, MSG-38, MSG-49
    def test_a_message_cut_off_anywhere(self):
        for name in ONE_PER_SCHEMA:
            with self.subTest(name):
                data, _ = BY_NAME[name].build(4)
                files = {length: self.write(data[:length], f"{name}.{length}") for length in range(len(data))}
                decoded, errors = self.decode(*files.values(), code=1)
                self.assertEqual([m["file"] for m in decoded], [files[cut] for cut in BY_NAME[name].cuts])
                self.assertEqual(len(errors), len(files) - len(decoded))
                for line in errors:
                    length = int(re.match(r"tp: \S+\.(\d+): ", line)[1])
                    at = int(re.search(r" at byte (\d+): ", line)[1])
                    self.assertLessEqual(at, length)

    # Proves: MSG-39
    def test_trailing_bytes(self):
        for message in MESSAGES:
            data, expected = message.build(5)
            path = self.write(data + b"\xff" * 3)
            [decoded], _ = self.decode(path)
            self.assertEqual(decoded, {"file": path, **expected, "trailing_bytes": 3})
            self.refused(data + b"\xff", message.name, f"at byte {len(data)}", "1 trailing byte",
                         arguments=("--strict", "-"))

    # Proves: MSG-7, MSG-12, MSG-13, MSG-14, MSG-15, MSG-16
    def test_headers_that_are_not_ours(self):
        body = bytes(400)
        self.refused(b"", "at byte 0", "0 bytes")
        self.refused(header()[:7], "at byte 0", "7 bytes", "header of 8")
        self.refused(header(schema=905) + body, "at byte 4", "schema id 905", "template 4", "version 1")
        self.refused(header(template=14) + body, "at byte 2", "template id 14", "schema 900")
        for template in (50, 51, 52):
            self.refused(header(template=template) + body, "at byte 2", f"template id {template}", "never sent")
        for version in (0, 2, 65535):
            self.refused(header(version=version) + body, "FrameDescriptor", "at byte 6", f"version {version}", "only 1")
        for block in (0, 39, 41, 65535):
            self.refused(header(block=block) + body, "FrameDescriptor", "at byte 0", f"block length {block}")

    # Proves: MSG-18, MSG-35, MSG-36, MSG-42, MSG-46, MSG-47
    def test_malformed_messages_say_where_and_why(self):
        def broken(name, at, value, size):
            data, _ = BY_NAME[name].build(6, sparse=name == "ControlResponse")
            return data[:at] + value.to_bytes(size, "little") + data[at + size:]

        group = 8 + 35
        self.refused(broken("QosConsumer", 48, 3, 1), "QosConsumer.mode", "at byte 48", "3 is not a value")
        self.refused(broken("ControlResponse", 20, 5, 4), "ControlResponse.errorMessage", "at byte 20", "length 5")
        self.refused(broken("ControlResponse", 20, 1 << 31, 4), "at byte 20", "length 2147483648", "1073741824")
        self.refused(broken("ShmPoolAnnounce", group, 11, 2), "payloadPools", f"at byte {group}", "block length 11")
        self.refused(broken("ShmPoolAnnounce", group + 2, 65535, 2), "payloadPools", "65535 entries")
        self.refused(broken("ShmPoolAnnounce", group + 2, 600, 2), "payloadPools", "bytes left")
        self.refused(broken("ShmPoolAnnounce", group + 18, 0x20, 1), "payloadPools[0].regionUri",
                     f"at byte {group + 18}", "0x20")
        for size in (1, 2, 3):
            data, _ = BY_NAME["ControlResponse"].build(7, sparse=True)
            self.refused(data[:20 + size], "at byte 20", f"{size} bytes left")

    def test_the_two_enums_that_degrade_and_what_else_a_reader_takes(self):
        cases = [("FrameProgress", 36, b"\x63", "state", "UNKNOWN"),
                 ("DiscoveryResponse", 16, b"\x63", "status", "ERROR"),
                 ("ConsumerHello", 39, b"\xff" * 4, "descriptorStreamId", 0),
                 ("ShmAttachRequest", 29, b"\x00", "publishMode", None)]
        for name, at, value, field, shown in cases:
            data, _ = BY_NAME[name].build(8)
            [decoded], _ = self.decode("-", stdin=data[:at] + value + data[at + len(value):])
            self.assertEqual(decoded["fields"][field], shown)

    # Proves: MSG-41, MSG-43
    def test_text_of_a_peer_is_whole_and_steers_no_terminal(self):
        every = bytes(range(256))
        data = BY_NAME["ControlResponse"].build(9, sparse=True)[0][:20] + struct.pack("<I", 256) + every
        result = self.run_tp("-", stdin=data)
        self.assertTrue(all(0x20 <= byte <= 0x7E for byte in result.stdout.removesuffix(b"\n")), result.stdout)
        self.assertEqual(json.loads(result.stdout)["fields"]["errorMessage"].encode("latin-1"), every)

    def test_one_bad_file_leaves_the_others(self):
        good, expected = BY_NAME["QosProducer"].build(10)
        files = [self.write(good, "first"), self.write(good[:-1], "bad"), str(self.folder / "missing"),
                 str(self.folder), self.write(b"", "empty"), "-", self.write(good, "last")]
        decoded, errors = self.decode(*files, stdin=good, code=1)
        self.assertEqual(decoded, [{"file": name, **expected} for name in (files[0], "-", files[-1])])
        self.assertEqual(len(errors), 4)
        for line, name, why in zip(errors, files[1:5], ("at byte 8", "No such file", "folder", "0 bytes")):
            self.assertIn(name, line)
            self.assertIn(why, line)

    def test_input_is_bounded(self):
        path = self.folder / "huge"
        with open(path, "wb") as huge:
            huge.truncate((16 << 20) + 1)
        _, errors = self.decode(str(path), "/dev/zero", code=1)
        self.assertEqual(len(errors), 2)
        for line in errors:
            self.assertIn("more than 16777216 bytes", line)
        data, _ = BY_NAME["QosProducer"].build(11)
        with open(path, "wb") as largest:
            largest.write(data)
            largest.truncate(16 << 20)
        [decoded], _ = self.decode(str(path))
        self.assertEqual(decoded["trailing_bytes"], (16 << 20) - len(data))

    def test_output_that_cannot_be_written_is_a_failure(self):
        path = self.write(BY_NAME["QosProducer"].build(12)[0])
        with open("/dev/full", "wb") as full:
            result = subprocess.run([TP, "decode", path], stdout=full, stderr=subprocess.PIPE, timeout=60)
        self.assertEqual(result.returncode, 1)

    def test_hex_text_in_the_forms_that_people_have(self):
        data, expected = BY_NAME["ShmPoolAnnounce"].build(13)
        pairs = [f"{byte:02x}" for byte in data]
        lines = [pairs[i:i + 16] for i in range(0, len(pairs), 16)]
        printable = ["".join(chr(b) if 0x20 <= b <= 0x7E else "." for b in data[i:i + 16])
                     for i in range(0, len(data), 16)]
        joined = [["".join(line[i:i + 2]) for i in range(0, len(line), 2)] for line in lines]
        forms = {
            "joined": "".join(pairs),
            "upper case, no last line end": " ".join(pairs).upper(),
            "carriage returns": "\r\n".join(" ".join(line) for line in lines),
            "0x and commas": ", ".join("0x" + pair for pair in pairs) + ",\n",
            "0x and one word": "0x" + "".join(pairs),
            "comments": "# a message\n\n" + "\n".join(" ".join(line) + " // 16 bytes # more" for line in lines),
            "xxd": "".join(f"{16 * i:08x}: {' '.join(line):40} {printable[i]}\n" for i, line in enumerate(joined)),
            "hexdump -C": "".join(f"{16 * i:08x}  {' '.join(line[:8]):24} {' '.join(line[8:]):24} |{printable[i]}|\n"
                                  for i, line in enumerate(lines)) + f"{len(data):08x}\n",
            "od -A x": "".join(f"{16 * i:06x} {' '.join(line)}\n" for i, line in enumerate(lines))
                       + f"{len(data):06x}\n",
        }
        for form, text in forms.items():
            with self.subTest(form):
                [decoded], _ = self.decode("--strict", "--hex", "-", stdin=text.encode())
                self.assertEqual(decoded, {"file": "-", **expected})

    def test_malformed_hex_says_line_and_column(self):
        cases = {
            "28 00 4": "line 1, column 7",
            "28 00\n 0g": "line 2, column 3",
            "28 00\n0x": "line 2, column 1",
            "280 004": "line 1, column 1",
            "28 00 \u20ac": "line 1, column 7",
            "0000  28 00\n0003  04 00": "line 2, column 1: the offset is 0x3, but 0x2 bytes",
            "0000  28 00\n*\n0010  04 00": "line 2, column 1",
            "00000000: 280 ": "line 1, column 11",
        }
        for text, words in cases.items():
            with self.subTest(text):
                self.refused(text.encode(), "tp: -: ", words, arguments=("--hex", "-"))
        self.refused(b"# nothing\n", "0 bytes", arguments=("--hex", "-"))

    def test_the_example_of_the_help_works(self):
        text = self.run_tp("--help").stdout.decode()
        digits = re.search(r"echo '([0-9a-f ]+)' \| tp decode --hex -", text)[1]
        [decoded], _ = self.decode("--hex", "--json", "-", stdin=digits.encode())
        self.assertEqual(decoded["message"], "SequenceMergeMapRequest")

    def test_standard_input_is_read_once_only(self):
        _, errors = self.decode("-", "-", code=2)
        self.assertIn("standard input", errors[0])


if __name__ == "__main__":
    unittest.main()
