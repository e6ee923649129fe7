"""Runs the gateway with the usual limit of 1,024 open files, which it may not raise.

python -m abuse.few_files
"""

import resource
import runpy

_FILES = 1024

if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_NOFILE, (_FILES, _FILES))
    runpy.run_module("voice_gateway", run_name="__main__")
