#!/usr/bin/env bash
# Starts Digit recogniser, waits until it answers, and says where to look.
#
#   ./up.sh             three containers if a Docker daemon answers, else three processes of this machine
#   ./up.sh --local     processes, even where there is Docker
#   ./up.sh --status    what runs; exit status 0 when page and API answer
#   ./up.sh --down      stops it, whichever way it runs; the data stay
#
# Once more is always fine: it picks up a changed .env or source, and mends what stopped half-way.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

# bash 3.2 and the tools of macOS must do; what they cannot is in db/local.py

main() {
    local what=up where='' rebuild=''
    for option in "$@"; do
        case $option in
            --local) where=local ;;
            --rebuild) rebuild=yes ;; # what upforce.sh adds
            --down | --status) what=${option#--} ;;
            --help | -h) sed -n '2,/^set/{ /^#/s/^# \{0,1\}//p; }' up.sh && exit ;;
            *) stop_with "Unknown option $option; ./up.sh --help says what there is." ;;
        esac
    done
    find_python
    [ "$what" != up ] || [ -f .env ] || make_env
    read_env
    [ "$what" != up ] || [ -n "${DB_PASSWORD:-}" ] || add_password
    case $what in
        down) down ;;
        status) status ;;
        up)
            if [ -z "$where" ] && docker_answers; then
                up_docker "$rebuild"
            else
                [ -n "$where" ] || echo "No Docker daemon answers: starting the three services as processes of this machine."
                up_local "$rebuild"
            fi
            say_where
            ;;
    esac
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
    stop_with "Python 3.11 or later is needed, and not to be found."
}

helper() { "$PYTHON" db/local.py "$@"; }

random() { "$PYTHON" -c 'import secrets; print(secrets.token_hex(16))'; }

make_env() {
    # 077: only the owner may read the secrets. Moved into place when complete, in case of Ctrl-C.
    (umask 077 && sed -e "s/^POSTGRES_PASSWORD=\$/&$(random)/" -e "s/^DB_PASSWORD=\$/&$(random)/" \
        -e "s/^ADMIN_TOKEN=\$/&$(random)/" -e "s/^TRAIN_USER=.*/TRAIN_USER=$(id -u):$(id -g)/" .env.example >.env.new)
    mv .env.new .env
    echo "Made .env from .env.example, with random database passwords and admin token; only you can read it."
}

# an .env of an older release has none
add_password() {
    printf '\n# What the backend signs in to the database with, as DB_USER (default: digits_app).\nDB_PASSWORD=%s\n' "$(random)" >>.env
    echo "Added a random DB_PASSWORD to .env: the backend signs in to the database with it."
    read_env
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
    echo "The database   ${DB_HOST:-localhost}:$DB_PORT, user ${POSTGRES_USER:-digits}, database ${POSTGRES_DB:-digits}, password in .env"
    echo "Logs           $LOGS"
    echo "To stop        ./up.sh --down"
}

# --- with Docker ----------------------------------------------------------------------------------

docker_answers() { command -v docker >/dev/null && docker version >/dev/null 2>&1 && docker compose version >/dev/null 2>&1; }

# what only asks or stops works without a password, too
compose() { POSTGRES_PASSWORD=${POSTGRES_PASSWORD:-unknown} DB_PASSWORD=${DB_PASSWORD:-unknown} docker compose "$@"; }

runs_in_docker() { docker_answers && [ -n "$(compose ps --quiet 2>/dev/null)" ]; }

# unless it is published there by the container that shall have it
check_published() { # SERVICE INNER_PORT PORT VARIABLE
    local now
    now=$(compose port "$1" "$2" 2>/dev/null) || true
    [ "${now##*:}" = "$3" ] || helper port "$3" "$BIND_ADDRESS" "$4"
}

up_docker() { # REBUILD
    ! runs_locally || stop_with "It already runs as local processes: ./up.sh --local renews them, ./up.sh --down stops them."
    case $DB_HOST in
        localhost | 127.0.0.1) stop_with "In a container, DB_HOST=$DB_HOST would be the container itself. This machine is host.docker.internal there." ;;
    esac
    check_published frontend 8501 "$FRONTEND_PORT" FRONTEND_PORT
    check_published backend 8000 "$BACKEND_PORT" BACKEND_PORT
    [ -n "$DB_HOST" ] || check_published db 5432 "$DB_PORT" DB_PORT
    # the users in the containers are others: they must be able to read what a strict umask hides
    chmod -R a+rX db/init.sql db/migrate.sh db/migrations db/roles.sql backend/models 2>/dev/null || true # (not ours to change: then somebody saw to it)

    ! has_data || echo "(What ./up.sh --local stored, in db/data, is a database of its own; here is another.)"
    echo "Building the images; the first time takes a minute or two ..."
    # what fails, fails again, and then says why
    docker compose build --quiet ${1:+--no-cache} 2>/dev/null || docker compose build
    if [ -n "$DB_HOST" ]; then
        # somebody else's database: ours is not needed
        compose stop db
        docker compose run --rm --no-deps -T migrate </dev/null &&
            docker compose up --detach --no-deps ${1:+--force-recreate} backend frontend
    else
        docker compose up --detach ${1:+--force-recreate}
    fi || {
        docker compose logs --no-color --tail 8
        stop_with "It did not come up; above is what the services said last. ./up.sh --status shows what runs."
    }
    wait_until_ready
    LOGS="docker compose logs -f"
}

# --- without --------------------------------------------------------------------------------------

runs_locally() { helper status backend || helper status frontend || { has_data && embedded status; }; } >/dev/null 2>&1

up_local() { # REBUILD
    ! runs_in_docker || stop_with "It already runs in Docker: ./up.sh renews it, ./up.sh --down stops it."
    UV=$(helper uv)
    unset VIRTUAL_ENV # of the caller: uv would wonder why it is not used
    set -a            # from here on, what is started sees the settings
    read_env
    no_proxy=$REACH,${no_proxy:-} # the page calls the API without detour, whatever proxy the world is reached by
    set +a
    for part in backend frontend; do
        [ -z "$1" ] || rm -rf "$part/.venv-serve" "$part/uv.lock"
        install_packages "$part"
    done
    embedded "$(if [ -n "$DB_HOST" ]; then echo migrate; else echo start; fi)"

    # no access log: health checks would fill it; LOG_LEVEL=debug logs every request, with its time
    start backend "$BACKEND_PORT" BACKEND_PORT \
        uvicorn app.main:app --host "$BIND_ADDRESS" --port "$BACKEND_PORT" --no-access-log
    BACKEND_URL=${BACKEND_URL:-$API} start frontend "$FRONTEND_PORT" FRONTEND_PORT \
        streamlit run app.py --server.address "$BIND_ADDRESS" --server.port "$FRONTEND_PORT" --server.headless true
    wait_until_ready local
    LOGS=".run/backend.log, .run/frontend.log, db/data/postgres.log"
}

# An environment of its own without the default groups: `uv sync` alone would install torch.
install_packages() { # PART
    [ -d "$1/.venv-serve" ] || echo "Installing the packages of the $1 ..."
    (cd "$1" && UV_PROJECT_ENVIRONMENT=.venv-serve "$UV" sync --quiet --no-default-groups)
}

start() { # PART PORT VARIABLE MODULE ARGUMENTS...
    local part=$1 port=$2 variable=$3
    shift 3
    helper stop "$part" >/dev/null
    helper port "$port" "$BIND_ADDRESS" "$variable"
    # through Python: the scripts beside it hold the path of a folder that may have been moved since
    helper start "$part" "$part" "$PWD/$part/.venv-serve/bin/python" -m "$@"
}

# --- both -----------------------------------------------------------------------------------------

wait_until_ready() { # [local]: then it is noticed when one of them has ended
    helper wait "$API/health/ready" ${1:+backend}
    helper wait "$PAGE/_stcore/health" ${1:+frontend}
}

has_data() { [ -d db/data ]; } # where there are none, there is no need to ask embedded.py, nor for uv

embedded() { # start, stop, status or migrate
    UV=${UV:-$(helper uv)}
    "$UV" run --quiet --script db/embedded.py "$1"
}

status() {
    if runs_in_docker; then
        compose ps
    elif runs_locally; then
        helper status frontend || true
        helper status backend || true
        [ -n "$DB_HOST" ] || embedded status || true
    else
        stop_with "Nothing runs."
    fi
    helper answers "$PAGE/_stcore/health" && helper answers "$API/health/ready"
}

down() {
    helper stop frontend
    helper stop backend
    ! has_data || embedded stop
    if docker_answers && [ -n "$(compose ps --all --quiet 2>/dev/null)" ]; then compose down; fi
}

main "$@"
