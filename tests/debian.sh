#!/bin/sh
# Installs the Debian packages that are named, where this is root on a Debian; elsewhere says what will be left out.
# Usage: sh tests/debian.sh PACKAGE...
set -eu

missing=
for package in "$@"; do
    if command -v dpkg-query >/dev/null 2>&1 &&
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ]; then
        continue
    fi
    missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "Not root on a Debian, so these packages are not installed:$missing"
    echo "Tests that need a program which is not there are left out and named at the end."
    exit 0
fi

# The daemons among them are started by tests, each with its own folder and port, and not by the system: Debian's
# docker-registry would otherwise listen on port 5000 from now on.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
    trap 'rm -f "$policy"' EXIT
fi

echo "Installing Debian packages:$missing"
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086  # one word for each package
if ! { apt-get update -qq && apt-get install -y -qq --no-install-recommends $missing </dev/null; }; then
    echo "apt-get could not install:$missing" >&2
    [ "${CI:-}" != true ]
fi
