"""Fuzzes one parser, guided by the branches of the gateway's code that its inputs reach.

    python -m malformed.fuzz_parser PARSER FOLDER SECONDS SEED

The folder gets the inputs to begin with, and the one that broke something. It needs atheris, which
is not locked with the project: its types are unknown here.
"""
# pyright: reportMissingImports=false, reportMissingModuleSource=false
# pyright: reportAttributeAccessIssue=false, reportUnknownMemberType=false

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["voice_gateway", "jwt"]):
    from malformed.parsers import PARSERS, seeds


def main(parser: str, folder: str, seconds: str, seed: str) -> None:
    corpus = Path(folder) / "corpus"
    corpus.mkdir()
    for number, data in enumerate(seeds(parser, int(seed))):
        (corpus / str(number)).write_bytes(data)
    limits = (f"-max_total_time={seconds}", "-timeout=5", "-rss_limit_mb=2048", "-max_len=8192")
    options = (*limits, f"-seed={seed or 1}", f"-artifact_prefix={folder}/", "-print_final_stats=1")
    atheris.Setup([sys.argv[0], *options, str(corpus)], PARSERS[parser])
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
