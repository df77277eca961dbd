#!/usr/bin/env bash
# The tests, on their own ports and data: a stack that is running is left alone.
#
#   ./test.sh                   all parts but compose, without the tests marked `slow`: minutes, on two cores
#   ./test.sh quick             a selection without browser and training, for use all day: under a minute
#   ./test.sh db frontend       some parts; there are: style db backend frontend, and compose, which builds the images with Docker
#   ./test.sh --slow [PART...]  with the tests marked `slow`; .ci/run runs every part this way, so every test there is
#
# Marked `slow` are the notebook, the experiments and long trainings, and what is another test on more data or more screens. `quick` also
# leaves out those marked `long`, which take seconds. The first time installs what training needs, too (torch: several GB).
# The last line says: N passed, N failed, N skipped.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
RESULTS=$PWD/.cache/test-results
DOCKER=(tests/test_{deploy,compose,images,scale,trainer}.py) # of db's tests: the part compose
PROCESSES=${PROCESSES:-3} # that share the tests of a part, on two cores: they often wait; each has its own database

main() {
    CHOICE='not slow'
    if [ "${1:-}" = --slow ]; then CHOICE='slow or not slow' && shift; fi
    [ $# -gt 0 ] || set -- style db+backend frontend
    rm -rf "$RESULTS"
    mkdir -p "$RESULTS"
    find_python
    UV=$("$PYTHON" db/local.py uv)
    # what serves, without torch, as up.sh installs it: for the tests that start a backend
    SERVE_BIN=$PWD/backend/.venv-serve/bin
    export UV SERVE_BIN
    export OMP_NUM_THREADS=1          # the workers have the cores; threads of torch would fight for them
    export PYTHONDONTWRITEBYTECODE='' # else each script that a test starts compiles all of torch's modules again: 10 s
    unset VIRTUAL_ENV                 # of the caller: else uv warns that it is not used
    install backend .venv-serve requirements.txt

    for part in "$@"; do
        echo
        echo "=== $part"
        run "$part"
    done
    summary
}

find_python() {
    for PYTHON in python3 python3.14 python3.13 python3.12 python3.11 python; do
        "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && return
    done
    echo "Python 3.11 or later is needed, but was not found." >&2
    exit 1
}

run() { # PART
    case $1 in
        quick) quick ;;
        style) PROCESSES=0 pytest style backend tests/style ;; # short: nothing to share out
        # one after the other: most build images
        compose) PROCESSES=0 database compose "${DOCKER[@]}" ;;
        db) database db "${DOCKER[@]/#/--ignore=}" ;;
        backend) pytest backend backend --ignore=tests/style ;;
        db+backend) db_beside_backend ;;
        # its tests wait for the browser; what its files share is for the whole session
        frontend) PROCESSES=$((PROCESSES + PROCESSES / 3)) pytest frontend frontend --dist worksteal ;;
        *) echo "There is no part $1." && echo "$1" >>"$RESULTS/failed" ;;
    esac
}

# some of db's tests use what the backend's tests are made of
database() { # NAME ARGUMENTS...
    install backend .venv requirements-dev.txt
    pytest "$1" db "${@:2}"
}

# Side by side, because db's tests mostly wait. Their output is printed when both have finished.
db_beside_backend() {
    install backend .venv requirements-dev.txt
    set -m # a process group, so that Ctrl-C can end all of it
    PROCESSES=$(((PROCESSES + 1) / 2)) run db >"$RESULTS/db.log" 2>&1 </dev/null &
    set +m
    trap 'kill -- -$! && exit 130' INT TERM
    run backend
    wait
    trap - INT TERM
    echo && echo "=== db" && cat "$RESULTS/db.log"
}

quick() {
    CHOICE='not slow and not long'
    pytest db db tests/test_local.py tests/test_init_sql.py
    pytest backend backend tests/style/test_style.py tests/app tests/test_documentation.py --ignore-glob='*/test_archive.py' --ignore=tests/app/test_database.py
    pytest frontend frontend tests/models/test_cards.py tests/common/test_{charts,shares}.py
}

pytest() { # NAME PROJECT ARGUMENTS...: in that project's environment
    local name=$1 project=$2
    shift 2
    # a file's tests stay together, since they share what they set up; a test that hangs says where, and is ended
    install "$project" .venv requirements-dev.txt
    (cd "$project" && PATH=$PWD/.venv/bin:$PATH .venv/bin/pytest -q -ra --durations 5 --junitxml "$RESULTS/$name.xml" \
        -m "$CHOICE" --numprocesses "$PROCESSES" --dist loadscope --no-loadscope-reorder \
        -o faulthandler_timeout=300 -o faulthandler_exit_on_timeout=true "$@") ||
        echo "$name" >>"$RESULTS/failed" # one that fails does not keep the others from running; the summary knows
}

install() { # PROJECT ENVIRONMENT REQUIREMENTS: what it pins, with hashes, and nothing else
    "$UV" venv --quiet --allow-existing --python "$PYTHON" "$1/$2"
    "$UV" pip sync --quiet --require-hashes --python "$1/$2" "$1/$3"
}

summary() {
    "$PYTHON" - "$RESULTS" <<'END'
import sys
from pathlib import Path
from xml.etree import ElementTree

results = Path(sys.argv[1])
suites = [suite for report in results.glob("*.xml") for suite in ElementTree.parse(report).iter("testsuite")]
total, failed, errors, skipped = (
    sum(int(suite.get(what)) for suite in suites) for what in ("tests", "failures", "errors", "skipped")
)
failed += errors
if (broken := results / "failed").exists():
    parts = broken.read_text().split()
    print("\nFailed parts:", *parts)
    cut_short = sum(not (results / f"{part}.xml").exists() for part in parts)  # it has no figures: one failure
    failed += cut_short
    total += cut_short
print(f"\n{total - failed - skipped} passed, {failed} failed, {skipped} skipped")
sys.exit(broken.exists())
END
}

main "$@"
