"""Fetches one file of one version of a package from the index pip is set up to use, and builds nothing.

usage: fetch.py PACKAGE FILE SHA256 DIRECTORY

`pip download` would run a source package's build to learn its dependencies, which takes a minute and a compiler.
Pip's own session and finder are used, so that its settings, proxies, certificates and link directories all hold.
"""

import hashlib
import os
import sys

from pip._internal.commands import create_command
from pip._internal.network.download import Downloader


def candidates(command, options, session, package, file):
    finder = command._build_package_finder(options, session)
    return [c.link for c in finder.find_all_candidates(package) if c.link.filename == file]


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        for block in iter(lambda: stream.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def main():
    package, file, expected, directory = sys.argv[1:]
    command = create_command("download")
    options, _ = command.parse_args(["--quiet", "--quiet", "--retries=1", "--timeout=60", package])
    with command.main_context():
        session = command.get_default_session(options)
        links = candidates(command, options, session, package, file)
        if not links:
            sys.exit(f"{file} is not in the cache, and no package index that can be reached has it (offline?)")
        links.sort(key=lambda link: link.hash != expected)
        path = os.path.join(directory, file)
        if links[0].is_file:
            with open(links[0].file_path, "rb") as source, open(path, "wb") as target:
                target.write(source.read())
        else:
            Downloader(session, "off")(links[0], directory)
    found = sha256(path)
    if found != expected:
        os.unlink(path)
        sys.exit(f"{file} has the SHA-256 {found}, not the pinned {expected}: it was thrown away")


if __name__ == "__main__":
    try:
        main()
    except (OSError, Exception) as error:  # one sentence, whatever the library says
        sys.exit(f"fetching {sys.argv[2]} failed: {error}")
