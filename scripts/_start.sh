# Finds a Python and hands over to _bootstrap.py: _start.sh run|test ARGUMENTS
here=$(dirname "$0")
case $1 in
    test) environment=$here/../.venv-test ;;
    *) environment=$here/../.venv ;;
esac

is_new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

python=
if [ -n "${AVATARIFY_PYTHON:-}" ]; then
    if ! is_new_enough "$AVATARIFY_PYTHON"; then
        echo "AVATARIFY_PYTHON names $AVATARIFY_PYTHON, which is not a Python 3.11 or newer;" \
            "name another one or unset it." >&2
        exit 2
    fi
    python=$AVATARIFY_PYTHON
elif [ -x "$environment/bin/python" ] && [ -f "$environment/complete" ]; then
    python=$environment/bin/python
else
    for candidate in python3.13 python3.12 python3.11 python3.14 python3 python; do
        if is_new_enough "$candidate"; then
            python=$candidate
            break
        fi
    done
fi

if [ -z "$python" ]; then
    found=$(python3 -c 'import platform; print(platform.python_version())' 2>/dev/null)
    if [ -n "$found" ]; then
        problem="The Python $found of this computer is too old: install Python 3.11 or newer"
    else
        problem="There is no Python on this computer: install Python 3.11 or newer"
    fi
    case $(uname -s) in
        Darwin) mend="brew install python@3.13" ;;
        *)
            if command -v apt-get >/dev/null 2>&1; then
                mend="sudo apt install python3 python3-venv"
            elif command -v dnf >/dev/null 2>&1; then
                mend="sudo dnf install python3"
            else
                mend="from your system's packages"
            fi
            ;;
    esac
    echo "$problem ($mend), or name one in the environment variable AVATARIFY_PYTHON." >&2
    exit 2
fi
exec "$python" -I "$here/_bootstrap.py" "$@"
