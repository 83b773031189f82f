#!/usr/bin/env bash
# Start a Visdom server, in an air-gapped network too, and say how to reach its page from your desk:
#   bash scripts/visdom_server.sh
#   bash scripts/visdom_server.sh --port 8098 --assets /folder/filled/elsewhere
# All flags: bash scripts/visdom_server.sh --help. FUSELAB_VENV names the virtual environment (default: .venv here).
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
python="${FUSELAB_VENV:-$root/.venv}/bin/python"
[ -x "$python" ] || python="$(command -v python3)"
exec "$python" "$root/scripts/visdom_server.py" "$@"
