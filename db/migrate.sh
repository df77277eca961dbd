#!/bin/sh
# Brings a database up to date: a new one by init.sql, an older one by the migrations that it lacks; then roles.sql.
#
#   PGHOST=... PGUSER=... PGPASSWORD=... PGDATABASE=... DB_USER=... DB_PASSWORD=... db/migrate.sh
#
# PGUSER owns the tables; DB_USER is whom the backend signs in as. Two that run at once take turns; what fails changes
# nothing; a database that a newer release has changed is left alone. While an export or a backup reads a table that is to
# change, it tries again and again, and others use the table in between. Needs psql 14 or later. Compose runs it through
# the service `migrate`, up.sh without Docker through db/embedded.py.
set -eu
cd "$(dirname "$0")"
export LC_ALL=C PGCONNECT_TIMEOUT="${PGCONNECT_TIMEOUT:-10}" # C: messages in English, which are looked at below

from_file() { # NAME: takes its value from the file that NAME_FILE names
    eval "file=\${${1}_FILE:-}"
    # shellcheck disable=SC2154 # eval sets it
    if [ -n "$file" ]; then eval "$1=\$(cat \"\$file\")"; fi
    eval "export $1"
}
from_file PGPASSWORD
from_file DB_PASSWORD
: "${DB_USER:=digits_app}" "${DB_PASSWORD:?is empty; set it in .env (or let ./up.sh make one)}"
export DB_USER

# --- can it be reached? ---------------------------------------------------------------------------
where="$PGUSER at $PGHOST:${PGPORT:-5432}, database $PGDATABASE"
if ! said=$(psql -Xqc "" 2>&1); then
    case $said in
        *"database \"$PGDATABASE\" does not exist"*)
            # A first start that was cut off leaves a server without any database but its own: then it is made now.
            count="SELECT count(*) FROM pg_database WHERE datname NOT IN ('postgres', 'template0', 'template1')"
            if [ "$(psql -XqAtc "$count" postgres 2>/dev/null)" = 0 ]; then
                createdb
            else
                echo "The server has no database $PGDATABASE ($where). Is POSTGRES_DB in .env right?"
                exit 1
            fi
            ;;
        *"authentication failed"* | *"no password supplied"* | *"role \"$PGUSER\" does not exist"*)
            echo "$said"
            echo "The database is there, but does not let us in ($where)."
            echo "Its data were made with another POSTGRES_USER, POSTGRES_PASSWORD or POSTGRES_DB than the ones set now."
            echo "Put the old ones back into .env; docs/operations.md, Troubleshooting, says how to change them. Nothing was changed."
            exit 1
            ;;
        *)
            echo "$said"
            echo "The database cannot be reached ($where)."
            echo "Does it run, and are DB_HOST and DB_PORT in .env right?"
            exit 1
            ;;
    esac
fi >&2

# --- bring it up to date --------------------------------------------------------------------------
TRIES=150 # in about ten minutes
PAUSE_S=3

script() {
    cat <<'END'
\set ON_ERROR_STOP on
\set VERBOSITY terse
\set QUIET on
SET client_min_messages = warning;
-- whoever comes after us waits as long as we do; a request gives up after 1.5 s
SET lock_timeout = '1s';
-- until this session ends: two that start at once take turns
SELECT pg_advisory_lock(hashtext('digit-recogniser schema')) \g /dev/null
SELECT to_regclass('schema_migrations') IS NOT NULL AS has_version, to_regclass('submissions') IS NULL AS is_empty \gset
\set version 0
\if :has_version
    SELECT max(version) AS version FROM schema_migrations \gset
\elif :is_empty
    \i init.sql
    SELECT max(version) AS version FROM schema_migrations \gset
    \echo The database is new, at version :version
\endif
END
    for file in migrations/[0-9]*.sql; do newest=$(basename "$file" .sql); done
    newest=${newest%%_*} # 0012, which SQL reads as 12
    cat <<END
SELECT :version > $newest AS is_newer \gset
\if :is_newer
    DO \$\$ BEGIN RAISE 'A newer release has changed this database; this release knows its versions up to $newest. Use the newer release, or restore a backup from before.'; END \$\$;
\endif
BEGIN;
END
    for file in migrations/[0-9]*.sql; do
        name=$(basename "$file" .sql)
        number=${name%%_*}
        cat <<END
SELECT :version < $number AS is_pending \gset
\if :is_pending
    \i $file
    INSERT INTO schema_migrations (version, name) VALUES ($number, '${name#*_}');
    \echo The database is at version $number now: ${name#*_}
\endif
END
    done
    echo '\i roles.sql'
    echo 'COMMIT;'
}

is_password_new() {
    ! signed_in=$(PGUSER=$DB_USER PGPASSWORD=$DB_PASSWORD psql -Xqc "" 2>&1) &&
        case $signed_in in *"authentication failed"*) true ;; *) false ;; esac
}
if is_password_new; then password_is_new=1; else password_is_new=; fi

tries=1
until said=$(script | psql -X -v ON_ERROR_STOP=1 2>&1); do
    case $said in
        *"lock timeout"*)
            if [ $tries -lt $TRIES ]; then
                [ $tries -gt 1 ] || echo "An export, a backup or another program uses the tables. Waiting for it." >&2
                tries=$((tries + 1))
                sleep $PAUSE_S
                continue
            fi
            ;;
    esac
    echo "$said" >&2
    echo "The tables could not be brought up to date (psql says why, above). Nothing was changed." >&2
    exit 1
done
[ -z "$said" ] || echo "$said"

# Whoever signed in with the old password may not stay.
if [ -n "$password_is_new" ]; then
    psql -Xq --output=/dev/null <<'SQL'
\getenv app_user DB_USER
SELECT pg_terminate_backend(pid)
FROM pg_stat_activity
WHERE usename = :'app_user' AND usename <> current_user
      AND (pg_has_role(usesysid, 'USAGE') OR pg_has_role('pg_signal_backend', 'USAGE'))
SQL
fi
