#!/usr/bin/env python3
"""How fast the C library's memcpy is, by where source and destination lie within a page.

Some processors copy with one instruction (rep movsb) that falls from 39 to 2 GB/s in the worst pair of places;
payloads of tensorpool begin at byte 64 of a page. Prints MiB/s, the best of some tries, for copies of
--bytes. GLIBC_TUNABLES=glibc.cpu.x86_rep_movsb_threshold=1000000000 shows the rates without that instruction.
"""
import argparse
import ctypes
import mmap
import time

PAGE = 4096
PLACES = [(0, 0), (64, 64), (2112, 64), (48, 64), (16, 64), (0, 64), (63, 64), (0, 1)]


def rate(source_at, destination_at, size):
    """MiB/s of copies from byte `source_at` of one page to byte `destination_at` of another."""
    memory = mmap.mmap(-1, 2 * size + 5 * PAGE)
    base = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    base += -base % PAGE
    ctypes.memset(base, 1, 2 * size + 3 * PAGE)
    source = base + source_at
    destination = base + (size // PAGE + 2) * PAGE + destination_at
    copies = max(1, (64 << 20) // size)
    best = 0.0
    for _ in range(5):
        begin = time.perf_counter()
        for _ in range(copies):
            ctypes.memmove(destination, source, size)
        best = max(best, size * copies / (time.perf_counter() - begin) / 2**20)
    return best


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bytes", type=int, default=64 << 10, help="size of a copy (default 65536)")
    size = parser.parse_args().bytes
    if size < 1 or size > 1 << 30:
        parser.error("--bytes must be 1 to 1073741824")
    print(f"copies of {size} bytes\nsource  destination    MiB/s")
    for source, destination in PLACES:
        print(f"{source:6}  {destination:11}  {rate(source, destination, size):7.0f}")


if __name__ == "__main__":
    main()
