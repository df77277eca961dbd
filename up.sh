#!/usr/bin/env bash
# Starts Digit recogniser, waits until it answers, and says where to look.
#
#   ./up.sh             three containers if a Docker daemon answers, else three processes of this machine
#   ./up.sh --local     processes, even where there is Docker
#   ./up.sh --status    what is running; exit status 0 when page and API answer
#   ./up.sh --down      stops it, whichever way it runs; the data stay
#
#   ./up.sh --backup FILE                 writes everything in the database to a new file (pg_dump's custom format)
#   ./up.sh --restore FILE [--overwrite]  puts it back, all or nothing; without --overwrite only into an empty database
#   ./up.sh --psql [ARGUMENTS]            psql on the database, as its owner
#
# It may be run again at any time: it picks up a changed .env or source, and repairs a start that stopped half-way. With --local, the last
# three use the programs that come with the local Postgres, even where there is Docker.
set -euo pipefail
CALLED_FROM=$PWD
cd "$(dirname "${BASH_SOURCE[0]}")"

# bash 3.2 and the tools of macOS must do; what they cannot is in db/local.py and db/env_file.py

main() {
    local what=up where='' rebuild='' file='' overwrite=''
    while [ $# -gt 0 ]; do
        case $1 in
            --local) where=local ;;
            --rebuild) rebuild=yes ;; # what upforce.sh adds
            --down | --status) what=${1#--} ;;
            --backup | --restore)
                what=${1#--} file=${2:-}
                [ -n "$file" ] || stop_with "Which file? ./up.sh $1 FILE"
                case $file in /*) ;; *) file=$CALLED_FROM/$file ;; esac
                shift
                ;;
            --overwrite) overwrite=$1 ;;
            --psql) what=psql && shift && break ;; # the rest is for psql
            --help | -h) sed -n '2,/^set/{ /^#/s/^# \{0,1\}//p; }' up.sh && exit ;;
            *) stop_with "Unknown option $1; see ./up.sh --help." ;;
        esac
        shift
    done
    find_python
    case $what in status | psql) ;; *) take_turn ;; esac
    if [ "$what" = up ]; then "$PYTHON" db/env_file.py up; else "$PYTHON" db/env_file.py; fi
    read_env
    case $what in
        up) up ;;
        down) down ;;
        status) status ;;
        backup) backup ;;
        restore) restore ;;
        psql) run_psql "$@" ;;
    esac
}

up() {
    if [ -z "$where" ] && docker_answers; then
        up_docker "$rebuild"
    else
        [ -n "$where" ] || echo "No Docker daemon answers: starting the three services as processes of this machine."
        up_local "$rebuild"
    fi
    say_where
}

stop_with() {
    echo "$*" >&2
    exit 1
}

# --- what both ways need --------------------------------------------------------------------------

find_python() {
    for PYTHON in python3 python3.14 python3.13 python3.12 python3.11 python; do
        "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && return
    done
    stop_with "Python 3.11 or later is needed, but was not found."
}

helper() { "$PYTHON" db/local.py "$@"; }

# Two that start, stop, back up or restore at once take turns. What they start does not inherit the file (Popen closes it).
take_turn() {
    mkdir -p .run
    exec 9>>.run/turn.lock
    helper turn 9
}

read_env() {
    local lines
    lines=$(helper env)
    eval "$lines"
    BIND_ADDRESS=${BIND_ADDRESS:-127.0.0.1} DB_PORT=${DB_PORT:-5432} DB_HOST=${DB_HOST:-}
    BACKEND_PORT=${BACKEND_PORT:-8000} FRONTEND_PORT=${FRONTEND_PORT:-8501}
    # where this machine itself reaches what listens on BIND_ADDRESS
    REACH=$BIND_ADDRESS
    [ "$REACH" != 0.0.0.0 ] || REACH=127.0.0.1
    API=http://$REACH:$BACKEND_PORT PAGE=http://$REACH:$FRONTEND_PORT
}

say_where() {
    echo
    echo "Draw a digit   ${PAGE/127.0.0.1/localhost}"
    echo "The API        ${API/127.0.0.1/localhost}/docs"
    local host=${DB_HOST:-localhost}
    [ "$host" != host.docker.internal ] || host=localhost # what containers call this machine
    echo "The database   $host:$DB_PORT, user ${POSTGRES_USER:-digits}, database ${POSTGRES_DB:-digits}, password in .env"
    echo "To retrain     $TRAINER"
    echo "Logs           $LOGS"
    echo "To stop        ./up.sh --down"
}

# --- with Docker ----------------------------------------------------------------------------------

docker_answers() { command -v docker >/dev/null && docker version >/dev/null 2>&1 && docker compose version >/dev/null 2>&1; }

# what only asks or stops works without a password, too
compose() { POSTGRES_PASSWORD=${POSTGRES_PASSWORD:-unknown} DB_PASSWORD=${DB_PASSWORD:-unknown} docker compose "$@"; }

# (without .env, the project would be that of any folder with this one's name)
runs_in_docker() { [ -f .env ] && docker_answers && [ -n "$(compose ps ${1:+"$1"} --quiet 2>/dev/null)" ]; }

# The ports that the containers do not have yet, as arguments for `helper ports`, and nothing else may have.
wanted_ports() {
    wanted_port frontend 8501 FRONTEND_PORT "$FRONTEND_PORT"
    wanted_port backend 8000 BACKEND_PORT "$BACKEND_PORT"
    [ -n "$DB_HOST" ] || wanted_port db 5432 DB_PORT "$DB_PORT"
}

wanted_port() { # SERVICE INNER_PORT VARIABLE PORT
    local now
    now=$(compose port "$1" "$2" 2>/dev/null) || true
    [ "${now##*:}" = "$4" ] || echo "$3" "$4" "$BIND_ADDRESS"
}

up_docker() { # REBUILD
    ! runs_locally || stop_with "It is already running as local processes: ./up.sh --local updates them, ./up.sh --down stops them."
    case $DB_HOST in
        localhost | 127.0.0.1) stop_with "In a container, DB_HOST=$DB_HOST would be the container itself. This machine is host.docker.internal there." ;;
    esac
    # shellcheck disable=SC2046 # words, not lines
    helper ports $(wanted_ports)
    # the users in the containers are others: they must be able to read what a strict umask hides
    chmod -R a+rX db/*.sql db/*.sh db/migrations backend/models 2>/dev/null || true # (not ours to change: then somebody saw to it)

    ! has_data || echo "(./up.sh --local has its own database, in db/data; the one in Docker is separate.)"
    echo "Building the images; the first time takes a minute or two ..."
    # what fails, fails again, and then says why
    docker compose build --quiet ${1:+--no-cache} 2>/dev/null || docker compose build
    end_pause
    local since
    since=$(date -u +%Y-%m-%dT%H:%M:%SZ)
    if [ -n "$DB_HOST" ]; then
        one_off sh db/migrate.sh </dev/null || stop_with "The database at $DB_HOST cannot be used; what was running is still running."
        docker compose up --detach --no-deps ${1:+--force-recreate} backend frontend
    else
        docker compose up --detach ${1:+--force-recreate}
    fi || {
        docker compose logs --no-color --tail 8 --since "$since" # not what an earlier start said
        stop_with "It did not start; the services' last messages are above. ./up.sh --status shows what is running."
    }
    wait_until_ready
    [ -z "$DB_HOST" ] || compose stop db # ours, which the switch might still have needed
    LOGS="docker compose logs -f"
    TRAINER="docker compose --profile train up -d trainer, then \"Retrain\" on the Models page"
}

# `up` takes a paused container for one that runs; after the pause it counts as unhealthy, unless it starts again
end_pause() {
    local paused
    paused=$(compose ps --services --status paused)
    [ -n "$paused" ] || return 0
    # shellcheck disable=SC2086 # one word each
    echo "Paused until now:" $paused && compose unpause $paused && compose restart $paused
}

# In a container that ends with the command; in it, the database is where PGHOST and so on say, and db/ has the scripts.
one_off() { # COMMAND...
    local terminal=''
    [ -t 0 ] || terminal=--no-TTY
    PGPASSWORD=${POSTGRES_PASSWORD:-} docker compose --progress quiet run --rm --env PGPASSWORD --env PSQL_HISTORY=/dev/null \
        ${DB_HOST:+--no-deps} ${terminal:+"$terminal"} migrate "$@"
}

# --- without --------------------------------------------------------------------------------------

runs_locally() { helper status backend || helper status frontend || { has_data && embedded status; }; } >/dev/null 2>&1

up_local() { # REBUILD
    ! runs_in_docker || stop_with "It is already running in Docker: ./up.sh updates it, ./up.sh --down stops it."
    UV=$(helper uv)
    unset VIRTUAL_ENV # of the caller: else uv warns that it is not used
    set -a            # from here on, what is started sees the settings
    read_env
    as_this_machine_says
    export FORWARDED_ALLOW_IPS=none # uvicorn itself: X-Forwarded-For takes PROXY_SECRET, also from this machine
    no_proxy=$REACH,${no_proxy:-} # the page calls the API without detour, whatever proxy the world is reached by
    set +a
    [ -z "$1" ] || rm -rf {backend,frontend}/.venv-serve # not db's: Postgres may be running from it
    for part in db backend frontend; do install_packages "$part"; done
    # shellcheck disable=SC2046 # words, not lines
    helper ports FRONTEND_PORT "$FRONTEND_PORT" "$BIND_ADDRESS" BACKEND_PORT "$BACKEND_PORT" "$BIND_ADDRESS" \
        $([ -n "$DB_HOST" ] || echo DB_PORT "$DB_PORT" 127.0.0.1)
    embedded "$(if [ -n "$DB_HOST" ]; then echo migrate; else echo start; fi)"

    helper stop frontend >/dev/null
    helper stop backend >/dev/null
    start backend "$BACKEND_PORT" BACKEND_PORT app.server --host "$BIND_ADDRESS" --port "$BACKEND_PORT"
    BACKEND_URL=${BACKEND_URL:-$API} start frontend "$FRONTEND_PORT" FRONTEND_PORT \
        streamlit run app.py --server.address "$BIND_ADDRESS" --server.port "$FRONTEND_PORT" --server.headless true
    wait_until_ready local
    LOGS=".run/backend.log, .run/frontend.log, db/data/postgres.log"
    TRAINER="cd backend && uv run python trainer.py, then \"Retrain\" on the Models page"
}

# A separate environment for what serves: torch is not in it.
install_packages() { # PART
    UV=${UV:-$(helper uv)}
    [ -d "$1/.venv-serve" ] || echo "Installing the packages of the $1 ..."
    "$UV" venv --quiet --allow-existing --python "$PYTHON" "$1/.venv-serve"
    "$UV" pip sync --quiet --require-hashes --python "$1/.venv-serve" "$1/requirements.txt"
}

start() { # PART PORT VARIABLE MODULE ARGUMENTS...
    local part=$1 port=$2 variable=$3
    shift 3
    helper ports "$variable" "$port" "$BIND_ADDRESS"
    # through Python: the scripts beside it hold the path of a folder that may have been moved since
    helper start "$part" "$port" "$part" "$PWD/$part/.venv-serve/bin/python" -m "$@"
}

# the same .env serves with Docker and without
as_this_machine_says() { [ "$DB_HOST" != host.docker.internal ] || DB_HOST=127.0.0.1; }

# --- both -----------------------------------------------------------------------------------------

wait_until_ready() { # [local]: then it is noticed when one of them has ended
    helper wait "$API/health/ready" ${1:+backend}
    helper wait "$PAGE/_stcore/health" ${1:+frontend}
}

has_data() { [ -d db/data ]; } # where there are none, there is no need to ask embedded.py, nor for uv

embedded() { # start, stop, status, migrate or run COMMAND...
    [ -x db/.venv-serve/bin/python ] || install_packages db >&2
    db/.venv-serve/bin/python db/embedded.py "$@"
}

# COMMAND, with psql, pg_dump and pg_restore on the PATH, and PGHOST and so on set.
in_database() { # COMMAND...
    if [ -z "$where" ]; then one_off "$@"; else embedded run "$@"; fi
}

# Sets `where` to the way in which the database is reached.
find_database() {
    case $DB_HOST in localhost | 127.0.0.1) where=local ;; esac # in a container, that would be the container
    if [ -z "$where" ] && { runs_locally || ! docker_answers; }; then where=local; fi
    if [ -n "$DB_HOST" ]; then
        [ -z "$where" ] || { as_this_machine_says && export DB_HOST; }
    elif [ -z "$where" ]; then
        runs_in_docker db || stop_with "The database is not running: ./up.sh starts it."
    else
        { has_data && embedded status >/dev/null 2>&1; } || stop_with "The database is not running: ./up.sh --local starts it."
    fi
}

backup() {
    [ ! -e "$file" ] || stop_with "$file exists, and a backup never overwrites a file."
    find_database
    umask 077 # it holds what people drew; only the owner may read it
    PART=$(mktemp "$file.XXXXXX")
    trap 'rm -f "$PART"' EXIT
    in_database sh db/backup.sh dump </dev/null >"$PART" || stop_with "No backup was made; the reason is above."
    mv -n "$PART" "$file" || true # some complain where it exists, some do not
    [ ! -e "$PART" ] || stop_with "$file exists by now, and a backup never overwrites a file."
    echo "Everything in the database is in $file ($(du -h "$file" | cut -f 1 | tr -d ' ')). Keep .env, too: it holds the secrets."
}

restore() {
    [ -r "$file" ] || stop_with "There is no file $file that can be read."
    find_database
    # the file is read twice: what cannot be restored is refused before anything is touched
    {
        in_database sh db/backup.sh check <"$file" &&
            in_database sh db/backup.sh restore ${overwrite:+"$overwrite"} <"$file"
    } || stop_with "Nothing was restored; the database is unchanged."
    in_database sh db/migrate.sh </dev/null
    echo "Backends that run serve what was restored within seconds, without a restart."
}

run_psql() {
    find_database
    in_database psql "$@"
}

status() {
    if runs_in_docker; then
        compose ps
    elif runs_locally; then
        helper status frontend || true
        helper status backend || true
        [ -n "$DB_HOST" ] || embedded status || true
    else
        stop_with "Nothing is running."
    fi
    helper answers "$PAGE/_stcore/health" && helper answers "$API/health/ready"
}

down() {
    helper stop frontend
    helper stop backend
    ! has_data || embedded stop
    if [ -f .env ] && docker_answers && [ -n "$(compose ps --all --quiet 2>/dev/null)" ]; then
        compose --profile train --profile pgadmin down
    fi
}

main "$@"
