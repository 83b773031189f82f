#!/usr/bin/env bash
# Sets up what is missing and runs all tests; further words go to pytest, e.g. scripts/test.sh tests/data -k lytro
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
setup_environment requirements.txt requirements-test.txt
cd "$repository"
"$python" -m ruff check .
exec "$python" -m pytest "$@"
