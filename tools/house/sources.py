"""Which files are ours: what git tracks or would track, without what a generator wrote."""
import pathlib
import subprocess

GENERATED = "src/wire/generated/"


def own_files(root, *suffixes):
    """Paths relative to root, sorted, of existing files with one of the suffixes (all without any)."""
    listing = subprocess.run(
        ["git", "-C", str(root), "-c", f"safe.directory={root}", "ls-files", "-z",
         "--cached", "--others", "--exclude-standard"],
        check=True, capture_output=True).stdout.decode()
    for name in sorted(set(filter(None, listing.split("\0")))):
        path = pathlib.Path(root) / name
        if name.startswith(GENERATED) or not path.is_file():
            continue
        if not suffixes or name.endswith(suffixes):
            yield name


def read(root, name):
    return (pathlib.Path(root) / name).read_text(encoding="utf-8", errors="replace")
