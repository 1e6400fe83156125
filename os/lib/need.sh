# shellcheck shell=bash
# need PACKAGE…: installs the Debian packages that are missing, without a question. Debian 12 and 13.

need() {
    local missing=() package
    for package in "$@"; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] && return 0
    command -v apt-get >/dev/null || die "this needs Debian packages (${missing[*]}), and there is no apt-get here"
    [ "$(id -u)" = 0 ] || die "missing Debian packages: ${missing[*]} (run as root, or: apt-get install ${missing[*]})"
    say "installing Debian packages: ${missing[*]}"
    apt_quietly update || die "apt-get update failed: is the Debian archive reachable?"
    apt_quietly install --yes --no-install-recommends "${missing[@]}" || die "cannot install: ${missing[*]}"
}

apt_quietly() {
    DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=600 -o Dpkg::Use-Pty=0 "$@" </dev/null >&2
}
