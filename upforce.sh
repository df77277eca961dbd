#!/usr/bin/env bash
# As ./up.sh (and with its options), but everything that was built or installed is made anew. The data stay.
exec "$(dirname "${BASH_SOURCE[0]}")/up.sh" --rebuild "$@"
