#!/usr/bin/env bash
# Every test there is, on ports and data of their own: what runs here meanwhile is left alone.
#
#   ./test.sh                   all of them
#   ./test.sh db frontend       some; there are: style db backend frontend, and compose, which builds the images with Docker
#
# The first time installs what training needs, too (torch: several GB). The last line says: N passed, N failed, N skipped.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
RESULTS=$PWD/.cache/test-results

main() {
    [ $# -gt 0 ] || set -- style db backend frontend
    rm -rf "$RESULTS"
    mkdir -p "$RESULTS"
    find_python
    UV=$("$PYTHON" db/local.py uv)
    # what serves, without torch, as up.sh installs it: for the tests that start a backend
    SERVE_BIN=$PWD/backend/.venv-serve/bin
    export UV SERVE_BIN
    unset VIRTUAL_ENV # of the caller: uv would wonder why it is not used
    (cd backend && UV_PROJECT_ENVIRONMENT=.venv-serve "$UV" sync --quiet --no-default-groups)

    for part in "$@"; do
        echo
        echo "=== $part"
        # one that fails does not keep the others from running; the summary knows
        run "$part" || echo "$part" >>"$RESULTS/failed"
    done
    summary
}

find_python() {
    for PYTHON in python3 python3.14 python3.13 python3.12 python3.11 python; do
        "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && return
    done
    echo "Python 3.11 or later is needed, and not to be found." >&2
    exit 1
}

run() { # PART
    case $1 in
        style | compose) pytest "$1" backend "../db/tests/test_$1.py" ;;
        db) pytest db backend ../db/tests --ignore ../db/tests/test_style.py --ignore ../db/tests/test_compose.py ;;
        backend | frontend) pytest "$1" "$1" ;;
        *) echo "There is no part $1." && return 1 ;;
    esac
}

pytest() { # PART PROJECT ARGUMENTS...: in the environment of that project
    local report=$RESULTS/$1.xml project=$2
    shift 2
    # a test that hangs says where, and ends its part
    (cd "$project" && "$UV" run --quiet --all-groups pytest -q -ra --durations 5 --junitxml "$report" \
        -o faulthandler_timeout=300 -o faulthandler_exit_on_timeout=true "$@")
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
    print("\nNot all is well in:", *parts)
    cut_short = sum(not (results / f"{part}.xml").exists() for part in parts)  # it has no figures: one failure
    failed += cut_short
    total += cut_short
print(f"\n{total - failed - skipped} passed, {failed} failed, {skipped} skipped")
sys.exit(broken.exists())
END
}

main "$@"
