#!/bin/sh
# Starts pgAdmin in its container with the project's database listed already, as .env names it.
set -eu

quoted() { printf '"%s"' "$(printf %s "$1" | sed 's/["\\]/\\&/g')"; } # as a JSON string

cat >"$PGADMIN_SERVER_JSON_FILE" <<END
{"Servers": {"1": {
    "Name": "Digit recogniser", "Group": "Servers",
    "Host": $(quoted "$DB_HOST"), "Port": ${DB_PORT:-5432},
    "Username": $(quoted "$POSTGRES_USER"), "MaintenanceDB": $(quoted "$POSTGRES_DB"),
    "SSLMode": "prefer"
}}}
END
# pgAdmin's own start fills it if it is there and empty
: >"$PGADMIN_CUSTOM_CONFIG_DISTRO_FILE"
exec "${1:-/entrypoint.sh}"
