# Sourced by the other scripts: makes the virtual environment once and sets $python.
#   FUSELAB_VENV    where it is (default: .venv in the repository)
#   FUSELAB_PYTHON  the Python to make it with (default: python3.11, else python3)
# Usage:  source scripts/setup.sh; setup_environment requirements.txt [requirements-test.txt]

repository="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
venv="$(realpath -m -- "${FUSELAB_VENV:-$repository/.venv}")"
python="$venv/bin/python"

refuse() { echo "${0##*/}: error: $1" >&2; exit 2; }

setup_environment() {
    local files=() wanted stamp="$venv/.fuselab_requirements"
    for file in "$@"; do files+=("$repository/$file"); done
    wanted="$(cat "${files[@]}" | cksum)"
    # The stamp lists every set of requirements that was installed whole: a second run installs nothing.
    if [ -x "$python" ] && grep -qxF "$wanted" "$stamp" 2>/dev/null; then return; fi

    local base="${FUSELAB_PYTHON:-$(command -v python3.11 || command -v python3 || true)}"
    [ -n "$base" ] || refuse "no python3 is installed; on Debian: apt-get install python3 python3-venv"
    "$base" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || refuse "$base is older than Python 3.11; name another with FUSELAB_PYTHON"
    # An environment whose making was interrupted has a python and no pip.
    if ! "$python" -m pip --version >/dev/null 2>&1; then
        if [ -e "$venv" ] && [ ! -f "$venv/pyvenv.cfg" ] && [ -n "$(ls -A "$venv")" ]; then
            refuse "$venv holds files and is no virtual environment; name another place with FUSELAB_VENV"
        fi
        echo "making the environment $venv"
        if "$base" -c 'import ensurepip' 2>/dev/null; then
            "$base" -m venv --clear "$venv"
        elif [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
            # A plain Debian has Python without its venv module.
            apt-get update -q >/dev/null && apt-get install -y -q --no-install-recommends python3-venv >/dev/null
            "$base" -m venv --clear "$venv"
        else
            refuse "$base cannot make a virtual environment; on Debian: apt-get install python3-venv"
        fi
    fi
    echo "installing ${*} (some minutes and 6 GB the first time)"
    # visdom's build needs an old setuptools in the environment itself: requirements.txt tells why.
    "$python" -m pip install -q --disable-pip-version-check "setuptools<81" wheel
    local arguments=()
    for file in "${files[@]}"; do arguments+=(-r "$file"); done
    "$python" -m pip install -q --disable-pip-version-check --no-build-isolation "${arguments[@]}"
    echo "$wanted" >> "$stamp"
}
