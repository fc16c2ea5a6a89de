#!/usr/bin/env python3
"""Fails on any include that the table of docs/internals/house.md does not allow.

Usage: tools/house/layers.py [ROOT]. Prints one line per finding; exit code 1 when there is one.
"""
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from house import sources  # noqa: E402

# Layer: the other layers whose headers it may include.
MAY_USE = {
    "base": set(),
    "shm": {"base"},
    "wire": {"base"},
    "transport": {"base"},
    "protocol": {"base"},
    "agents": {"base", "shm", "wire", "transport", "protocol"},
    "client": {"base", "shm", "wire", "transport", "protocol", "agents"},
    "sim": {"base", "transport"},
    "config": {"base", "shm", "protocol"},
    "driver": {"base", "shm", "transport", "protocol", "agents", "client", "config"},
}

# What protocol may use of shm and wire: headers without code to link.
PROTOCOL_HEADERS = {
    "shm/layout.hpp", "shm/geometry.hpp", "shm/seqlock.hpp", "shm/slot_image.hpp", "shm/tensor_rules.hpp",
    "wire/messages.hpp", "wire/enums.hpp", "wire/fields.hpp", "wire/descriptor.hpp",
}

# Protocol is sans-IO: time, threads, files and the system come in as arguments.
PROTOCOL_FORBIDDEN = re.compile(
    r"^(thread|mutex|shared_mutex|condition_variable|future|semaphore|latch|barrier|stop_token|chrono|ctime|time\.h|"
    r"fstream|iostream|cstdio|stdio\.h|filesystem|random|csignal|signal\.h|unistd\.h|fcntl\.h|dirent\.h|poll\.h|"
    r"pthread\.h|sched\.h|sys/.*|linux/.*|netinet/.*|arpa/.*|spdlog/.*)$")

AERON = re.compile(r"^(aeron/)?(aeronc|aeronmd|aeron_[a-z0-9_/]+|Aeron)\.h$|^(aeron|aeronmd|concurrent)/")
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)
# Types and calls that must not appear in what users include, comments aside.
FOREIGN_IN_PUBLIC = re.compile(
    r"\baeron_\w+_t\b|\baeron::|\baeron_(publication|exclusive_publication|subscription|image|counter|async)_\w+|\bsbe::")
COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)


def is_generated(root, header):
    return header.startswith(("wire/generated", "generated/")) or (root / "src/wire/generated" / header).is_file()


def check_include(root, layer, name, header):
    """The reason why the file `name` of `layer` must not include `header`, or None."""
    target = header.split("/", 1)[0]
    if AERON.match(header) and not name.startswith("src/transport/aeron/"):
        return "Aeron's headers belong to src/transport/aeron"
    if layer != "wire" and is_generated(root, header):
        return "the generated codecs belong to src/wire"
    if layer == "protocol" and PROTOCOL_FORBIDDEN.match(header):
        return "protocol is sans-IO: no clock, thread, file or system"
    if target == layer or target not in MAY_USE or target in MAY_USE[layer]:
        return None
    if layer == "protocol" and header in PROTOCOL_HEADERS:
        return None
    return f"{layer} may not use {target}"


def check_layers(root):
    for name in sources.own_files(root, ".hpp", ".cpp", ".h", ".c"):
        parts = name.split("/")
        in_layer = parts[0] == "src" and len(parts) > 2
        if in_layer and parts[1] not in MAY_USE:
            yield f"{name}: the layer '{parts[1]}' is not in the table"
            continue
        text = sources.read(root, name)
        for match in INCLUDE.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            header = match.group(2)
            if in_layer:
                reason = check_include(root, parts[1], name, header)
            elif parts[0] == "include":
                reason = None if not header.startswith(tuple(f"{layer}/" for layer in MAY_USE)) else \
                    "public headers may not use internal ones"
            elif parts[0] == "examples" and header.startswith(tuple(f"{layer}/" for layer in MAY_USE)):
                reason = "examples use only the public headers"
            else:
                reason = None
            if reason:
                yield f"{name}:{line}: {header}: {reason}"
        if parts[0] == "include":
            code = COMMENT.sub(lambda comment: "\n" * comment.group().count("\n"), text)
            for match in FOREIGN_IN_PUBLIC.finditer(code):
                line = code.count("\n", 0, match.start()) + 1
                yield f"{name}:{line}: '{match.group().strip()}': no Aeron or SBE name in the public headers"


LINK = re.compile(r"\btensorpool_([a-z]+)\b")


def check_links(root):
    """The CMake side of the same table: which layer targets a layer links."""
    for layer in MAY_USE:
        path = root / "src" / layer / "CMakeLists.txt"
        if not path.is_file():
            continue
        text = re.sub(r"#[^\n]*", "", path.read_text(encoding="utf-8"))
        for target in sorted(set(LINK.findall(text))):
            if target in MAY_USE and target != layer and target not in MAY_USE[layer]:
                # An alias or property of the layer's own target is not a link.
                yield f"src/{layer}/CMakeLists.txt: {layer} may not link tensorpool_{target}"


def check(root):
    root = pathlib.Path(root)
    yield from check_layers(root)
    yield from check_links(root)


if __name__ == "__main__":
    base = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parents[2]
    findings = list(check(base))
    print("\n".join(findings) if findings else "layers: every include is allowed")
    sys.exit(1 if findings else 0)
