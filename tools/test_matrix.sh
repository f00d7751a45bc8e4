#!/usr/bin/env bash
# Runs the tests on each other Python of this machine (3.11 to 3.13) with the locked versions,
# and on the oldest supported direct dependencies. A Python that is not here is named, not hidden.
set -euo pipefail
cd "$(dirname "$0")/.."
uv=.venv/bin/uv
here=$(.venv/bin/python -c 'import sys; print("%d.%d" % sys.version_info[:2])')

find_python() {
  local candidate
  for candidate in "python$1" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$1".*/bin/python; do
    if "$candidate" -c "import sys; sys.exit('%d.%d' % sys.version_info[:2] != '$1')" 2>/dev/null; then
      command -v "$candidate"
      return
    fi
  done
}

run_tests() { # folder of the environment
  "$uv" pip install --quiet --python "$1/bin/python" --no-deps --no-build-isolation --editable . 2>/dev/null ||
    "$uv" pip install --python "$1/bin/python" --no-deps --no-build-isolation --editable .
  "$1/bin/python" -m pytest -n "${WORKERS:-auto}" -q -p no:cacheprovider
}

for version in 3.11 3.12 3.13; do
  [ "$version" = "$here" ] && continue
  python=$(find_python "$version")
  if [ -z "$python" ]; then
    echo "== Python $version is not on this machine: not tested"
    continue
  fi
  echo "== Python $version, locked versions"
  [ -x ".venv-$version/bin/python" ] || "$uv" venv --quiet --python "$python" ".venv-$version"
  "$uv" pip sync --quiet --python ".venv-$version/bin/python" --require-hashes requirements.lock
  run_tests ".venv-$version"
done

python=$(find_python 3.11)
if [ -z "$python" ]; then
  echo "== the oldest dependencies need Python 3.11, which is not on this machine: not tested"
  exit 0
fi
echo "== Python 3.11, oldest supported direct dependencies"
[ -x .venv-lowest/bin/python ] || "$uv" venv --quiet --python "$python" .venv-lowest
"$uv" pip install --quiet --python .venv-lowest/bin/python --resolution lowest-direct --editable ".[dev]"
run_tests .venv-lowest
