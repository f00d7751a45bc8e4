#!/usr/bin/env bash
# Builds the wheel, installs it with the locked versions in a new environment outside the
# checkout, and runs the command there: what a user gets from `pip install`.
set -euo pipefail
cd "$(dirname "$0")/.."
uv=.venv/bin/uv
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$uv" build --quiet --wheel --no-build-isolation --python .venv/bin/python --out-dir "$folder/dist" .
"$uv" venv --quiet --python .venv/bin/python "$folder/venv"
"$uv" pip install --quiet --python "$folder/venv/bin/python" --constraint requirements.lock "$folder"/dist/*.whl
cd "$folder"
venv/bin/cpi-analysis --version
venv/bin/cpi-analysis reproduce --out results --seed 1
test -s results/report.html
test -s results/manifest.json
