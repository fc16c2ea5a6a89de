"""tp inspect on good, foreign and damaged region files, built here byte by byte."""
import json
import pathlib
import random
import struct
import subprocess
import sys
import tempfile
import unittest

TP = sys.argv.pop(1)
MAGIC = 0x544F504C53484D31


def superblock(region_type=1, pool_id=0, nslots=4, slot_bytes=256, stride=0, magic=MAGIC, epoch=7):
    return struct.pack("<QIQIhHIIIQQQ", magic, 1, epoch, 10000, region_type, pool_id, nslots,
                       slot_bytes, stride, 42, 1000, 2000)


def slot(seq, index, dims=(4, 6), dtype=3, committed=True):
    padded = list(dims) + [0] * (8 - len(dims))
    head = struct.pack("<QIIHIQI26xI", seq << 1 | committed, 48, index, 1, 0, 12345, 0, 192)
    tensor = struct.pack("<HHHH", 184, 52, 900, 1) + struct.pack(
        "<hhBBBI8i8i", dtype, 1, len(dims), 0, 0, 0, *padded, *([0] * 8))
    return (head + tensor).ljust(256, b"\0")


class Inspect(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def write(self, data, name="header.ring"):
        path = pathlib.Path(self.folder.name, name)
        path.write_bytes(data)
        return str(path)

    def run_tp(self, *arguments):
        result = subprocess.run([TP, "inspect", *arguments], capture_output=True, text=True, timeout=60)
        self.assertIn(result.returncode, (0, 1), result.stderr)
        return result

    def regions(self, *arguments):
        result = self.run_tp(*arguments, "--json")
        return result.returncode, [json.loads(line) for line in result.stdout.splitlines()]

    def ring(self):
        return superblock() + slot(4, 0) + slot(5, 1) + slot(2, 2, committed=False) + bytes(256)

    def test_good_ring(self):
        code, [region] = self.regions(self.write(self.ring()))
        self.assertEqual(code, 0, region)
        self.assertEqual(region["faults"], [])
        self.assertEqual(region["superblock"]["epoch"], 7)
        self.assertEqual(region["superblock"]["region_type"], "header_ring")
        states = [s["state"] for s in region["slots"]]
        self.assertEqual(states, ["committed", "committed", "in_progress", "unused"])
        self.assertEqual(region["slots"][1]["seq"], 5)
        self.assertEqual(region["slots"][1]["dtype"], "u16")
        self.assertEqual(region["slots"][1]["dims"], [4, 6])

    def test_uri_text_and_slot_limit(self):
        path = self.write(self.ring())
        code, [region] = self.regions("shm:file?path=" + path, "--slots", "1")
        self.assertEqual(code, 0)
        self.assertEqual(len(region["slots"]), 1)
        text = self.run_tp(path)
        self.assertIn("seq 5", text.stdout)
        self.assertNotIn("\x1b", text.stdout)

    def test_folder_of_an_epoch(self):
        self.write(self.ring())
        # What this project writes, and what some others do (SHM-24, SHM-25).
        self.write(superblock(2, 1, 4, 64, 64) + bytes(4 * 64), "1.pool")
        self.write(superblock(2, 2, 4, 0xFFFFFFFF, 128) + bytes(4 * 128), "2.pool")
        code, regions = self.regions(self.folder.name)
        self.assertEqual(code, 0, regions)
        self.assertEqual([r["superblock"]["region_type"] for r in regions], ["header_ring", "payload_pool", "payload_pool"])

    def test_every_truncation_is_shown_and_none_crashes(self):
        whole = self.ring()
        for size in (0, 1, 63, 64, 65, 64 + 255, 64 + 256, len(whole) - 1):
            with self.subTest(size=size):
                code, [region] = self.regions(self.write(whole[:size]))
                self.assertEqual(code, 1)
                self.assertTrue(region["faults"])

    def test_damaged_fields_are_named(self):
        cases = {
            "magic": superblock(magic=1),
            "epoch": superblock(epoch=0),
            "nslots": superblock(nslots=3),
            "slot_bytes": superblock(slot_bytes=128),
            "neither the stride": superblock(2, 1, 4, 128, 64),
            "stride_bytes": superblock(2, 1, 4, 0xFFFFFFFF, 65),
            "region_type": superblock(region_type=9),
        }
        for field, block in cases.items():
            with self.subTest(field=field):
                code, [region] = self.regions(self.write(block + bytes(4096)))
                self.assertEqual(code, 1)
                self.assertTrue(any(field in fault for fault in region["faults"]), region["faults"])

    def test_damaged_slots_are_named(self):
        data = superblock() + slot(4, 0, dtype=99) + slot(6, 1) + slot(2, 2, dims=(4, -6)) + bytes(256)
        code, [region] = self.regions(self.write(data))
        self.assertEqual(code, 1)
        faults = [" ".join(s.get("faults", [])) for s in region["slots"]]
        self.assertIn("dtype", faults[0])
        self.assertIn("belongs into slot 2", faults[1])
        self.assertIn("negative", faults[2])

    def test_noise(self):
        draw = random.Random(3)
        for _ in range(20):
            data = bytearray(self.ring())
            for _ in range(30):
                data[draw.randrange(len(data))] = draw.randrange(256)
            self.regions(self.write(bytes(data)), "--slots", "all")

    def test_what_is_no_file(self):
        for target in ("/nonexistent", "/dev/null", self.folder.name, "shm:file?path=relative"):
            with self.subTest(target=target):
                result = self.run_tp(target)
                self.assertEqual(result.returncode, 1)
                self.assertTrue(result.stderr.startswith("tp: "), result.stderr)


if __name__ == "__main__":
    unittest.main()
