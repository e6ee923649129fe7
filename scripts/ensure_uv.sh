# shellcheck shell=bash
# Sourced: puts `uv` on the PATH, installing it into .cache/uv where there is none.
# It needs the working directory to be the top of the project.

ensure_uv() {
  command -v uv >/dev/null 2>&1 && return
  local home=.cache/uv-tool
  if [ ! -x "$home/bin/uv" ]; then
    echo "getting uv into $home" >&2
    python3 -m venv "$home" || {
      echo "uv is missing, and python3 cannot make a virtual environment: install uv, or python3-venv" >&2
      return 1
    }
    "$home/bin/python" -m pip install --quiet --disable-pip-version-check uv || {
      echo "uv is missing, and pip could not install it: install uv by hand, then try again" >&2
      return 1
    }
  fi
  PATH="$PWD/$home/bin:$PATH"
  export PATH
}
