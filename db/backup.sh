#!/bin/sh
# Dumps the database to standard output, or restores such a dump from standard input.
#
#   PGHOST=... PGUSER=... PGPASSWORD=... PGDATABASE=... db/backup.sh dump > FILE
#   db/backup.sh check < FILE                    # refuses what is not a backup, or one of a newer release
#   db/backup.sh restore [--overwrite] < FILE    # all or nothing; without --overwrite, only where nothing would be lost
#
# After `restore`, db/migrate.sh brings the tables up to date and says who may use them. ./up.sh does all of it, with Docker
# and without. PGUSER owns the tables. A dump of a newer Postgres may go into an older one: 18 into 17 was tried.
set -eu
cd "$(dirname "$0")"
export LC_ALL=C PGCONNECT_TIMEOUT="${PGCONNECT_TIMEOUT:-10}"

dump() {
    if [ "$(psql -XqAtc "SELECT to_regclass('submissions') IS NOT NULL")" != t ]; then
        stop_with "This database has no tables of Digit recogniser."
    fi
    pg_dump --format=custom --no-unlogged-table-data ||
        stop_with "(If pg_dump is older than the server: ./up.sh --local --backup FILE uses the one of Postgres 18.)"
}

check() {
    rows=$(pg_restore --data-only --table=schema_migrations --file=-) ||
        stop_with "This is no backup made by ./up.sh --backup, or one made by a newer Postgres than this can read."
    # 0: a release before there were versions
    theirs=$(echo "$rows" | awk '/^\\\.$/ { on = 0 } on && $1 > max { max = $1 } /^COPY .*schema_migrations / { on = 1 } END { print max + 0 }')
    for file in migrations/[0-9]*.sql; do ours=$(basename "$file"); done
    ours=$(echo "${ours%%_*}" | sed 's/^0*//')
    [ "$theirs" -le "$ours" ] ||
        stop_with "The backup is of a newer release, whose tables are at version $theirs; this one knows $ours. Update it first."
}

restore() { # [--overwrite]
    script "${1:-}" | psql -Xq --output=/dev/null
    psql -XqAt <<'SQL' || true # it is restored, whatever comes now
SELECT format('Restored: %s submissions, %s models, and %s.',
              (SELECT count(*) FROM submissions), (SELECT count(*) FROM models),
              coalesce((SELECT 'the promotion of ' || model FROM promotions ORDER BY id DESC LIMIT 1), 'no promotion'))
SQL
}

# One transaction, which a failure of pg_restore ends without COMMIT.
script() { # [--overwrite]
    cat <<'SQL'
\set ON_ERROR_STOP on
\set VERBOSITY terse
BEGIN;
SET LOCAL client_min_messages = warning;
SET LOCAL lock_timeout = '60s';
SELECT pg_advisory_xact_lock(hashtext('digit-recogniser schema')); -- not beside migrate.sh
SELECT to_regclass('submissions') IS NOT NULL AS has_tables \gset
\if :has_tables
    LOCK TABLE submissions, models, promotions, predictions IN ACCESS EXCLUSIVE MODE;
SQL
    [ "$1" = --overwrite ] || cat <<'SQL'
    DO $$ BEGIN
        IF EXISTS (SELECT FROM submissions) OR EXISTS (SELECT FROM promotions) THEN
            RAISE 'There are submissions or promotions in the database, which a restore would delete. With --overwrite it does.';
        END IF;
    END $$;
SQL
    printf '%s\n' '\endif'
    # also what a newer release than the dump's has added, which --clean would not know
    sed -nE 's/^CREATE (OR REPLACE |UNLOGGED )?(TABLE|VIEW|FUNCTION|TYPE|SEQUENCE) ([a-z0-9_]+).*/DROP \2 IF EXISTS \3 CASCADE;/p' \
        init.sql migrations/0005_retrainings.sql
    # transaction_timeout is new in Postgres 17; when psql has stopped, sed complains, and pg_restore ends with SIGPIPE
    { pg_restore --clean --if-exists --no-owner --no-privileges --file=- || [ $? -eq 141 ] || damaged; } |
        sed '1,30{/^SET transaction_timeout = 0;$/d;}' 2>/dev/null
    cat <<'SQL'
RESET search_path;
DO $$ BEGIN
    IF to_regclass('submissions') IS NULL THEN RAISE 'These are not the tables of Digit recogniser.'; END IF;
END $$;
COMMIT;
SQL
}

damaged() {
    echo "The backup is damaged." >&2
    echo "DO \$\$ BEGIN RAISE 'It ends too early.'; END \$\$;" # an error, also in the middle of a COPY
}

stop_with() {
    echo "$*" >&2
    exit 1
}

case ${1:-} in
    dump | check) "$1" ;;
    restore) restore "${2:-}" ;;
    *) stop_with "Usage: db/backup.sh dump, check or restore [--overwrite]" ;;
esac
