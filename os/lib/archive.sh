# shellcheck shell=bash
# Where Debian 13 comes from: the mirror that this machine's own apt is configured with.
#
# apt itself is asked (`apt-get indextargets`), so both forms of sources lists, proxies and local settings count as
# apt understands them. The entries whose suite is this machine's release name the mirrors; Debian 13 is expected
# beside it. DEBIAN_MIRROR and DEBIAN_SECURITY_MIRROR override that.
#
# archive_open makes CACHE/apt, an apt root of our own with Debian 13's lists, which answers which versions the
# archive has now. These versions are part of the cache keys. The lists are fetched at most once a day (REFRESH=1
# fetches them at once), so a build in between is quick, repeatable, and works without a network.

SUITE=trixie
LISTS_MAX_AGE_MINUTES=1440

own_mirror() {
    local wanted=$1
    apt-get indextargets --no-release-info --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Identifier: Packages' \
        2>/dev/null | awk -v suite="$wanted" '$2 == suite && $3 == "main" { print $1; exit }'
}

# archive_open: see above. Sets SOURCES and KEYRING.
archive_open() {
    KEYRING=
    SOURCES=$CACHE/apt/sources.list
    alone apt archive_prepare
}

archive_prepare() {
    local codename mirror security components='main contrib'
    codename=$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-}")
    mirror=${DEBIAN_MIRROR:-$(own_mirror "$codename")}
    security=${DEBIAN_SECURITY_MIRROR:-$(own_mirror "$codename-security")}
    [ -n "$mirror" ] || die "no Debian mirror in this machine's apt configuration; set DEBIAN_MIRROR=http://…/debian"

    need debian-archive-keyring
    archive_keyring
    if [ -z "$KEYRING" ]; then
        apt_quietly update && apt_quietly install --yes debian-archive-keyring
        archive_keyring
        [ -n "$KEYRING" ] || die "debian-archive-keyring here does not know the keys of Debian 13; upgrade it"
    fi

    mkdir -p "$CACHE/apt"
    {
        echo "deb [signed-by=$KEYRING] $mirror $SUITE $components"
        echo "deb [signed-by=$KEYRING] $mirror $SUITE-updates $components"
        if [ -n "$security" ]; then echo "deb [signed-by=$KEYRING] $security $SUITE-security $components"; fi
    } >"$SOURCES.new"
    cmp -s "$SOURCES.new" "$SOURCES" || rm -f "$CACHE/apt/fetched"
    mv "$SOURCES.new" "$SOURCES"
    archive_refresh
}

archive_keyring() {
    local file
    for file in /usr/share/keyrings/debian-archive-trixie-stable.*; do
        [ -e "$file" ] || return 0
    done
    for file in /usr/share/keyrings/debian-archive-keyring.{pgp,gpg}; do
        if [ -e "$file" ]; then KEYRING=$file; return 0; fi
    done
}

archive_refresh() {
    [ "${REFRESH:-0}" = 0 ] || rm -f "$CACHE/apt/fetched"
    if [ -n "$(find "$CACHE/apt/fetched" -mmin -$LISTS_MAX_AGE_MINUTES 2>/dev/null)" ]; then return 0; fi
    mkdir -p "$CACHE/apt/state/lists/partial" "$CACHE/apt/cache/archives/partial" "$CACHE/apt/empty"
    touch "$CACHE/apt/status"
    if archive_apt get -qq update >&2; then
        rm -rf "$CACHE/apt/answers"
        touch "$CACHE/apt/fetched"
    elif [ -n "$(ls "$CACHE"/apt/state/lists/*Packages* 2>/dev/null)" ]; then
        say "the Debian archive cannot be reached; using the package lists fetched earlier"
    else
        die "cannot fetch Debian 13's package lists"
    fi
}

# archive_apt get|cache …: apt on our own lists, blind to what is installed here.
archive_apt() {
    local tool=$1
    shift
    "apt-$tool" -o Dir::Etc::SourceList="$SOURCES" -o Dir::Etc::SourceParts="$CACHE/apt/empty" \
        -o Dir::Etc::Preferences=/dev/null -o Dir::Etc::PreferencesParts="$CACHE/apt/empty" \
        -o Dir::State="$CACHE/apt/state" -o Dir::State::status="$CACHE/apt/status" \
        -o Dir::Cache="$CACHE/apt/cache" -o APT::Architecture=amd64 -o APT::Architectures=amd64 \
        -o Acquire::Languages=none -o APT::Sandbox::User=root "$@"
}

# versions_of PACKAGE…: the versions of these packages and of all they depend on, one a line (`name version`). apt
# takes seconds for that; its answer holds until the lists are fetched again.
versions_of() {
    local answer new
    answer=$CACHE/apt/answers/$(key "$(cat "$SOURCES")" "$*")
    if [ ! -s "$answer" ]; then
        mkdir -p "$CACHE/apt/answers"
        new=$(mktemp "$answer.XXXXXX")
        archive_apt get --simulate --no-install-recommends install "$@" >"$new" 2>&1 ||
            die "Debian 13 cannot install $*: $(grep '^E:' "$new" | tail -n 1)"
        sed -nE 's/^Inst ([^ ]+) \(([^ ]+) .*/\1 \2/p' "$new" | sort >"$new.sorted"
        rm "$new"
        mv "$new.sorted" "$answer"
    fi
    cat "$answer"
}

# The mirrors, for a key: what a root gets as its sources list.
mirrors() { sed 's/ \[signed-by=[^]]*\]//' "$SOURCES"; }

# version_of PACKAGE: the version that Debian 13 has now.
version_of() { versions_of "$1" | awk -v name="$1" '$1 == name { print $2 }'; }

# Options of debootstrap for roots that nobody reads manuals in.
SLIM=(
    --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/info/*'
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright'
)

# debootstrap ROOT OPTION…: a minimal Debian 13 root, which afterwards knows nothing of how it was made but the
# mirror; and not even that if the address holds a password. In namespaces of its own: a build that is killed leaves
# no process, and none of the mounts that mmdebstrap makes in the root.
debootstrap() {
    local root=$1
    shift
    unshare --mount --pid --fork --kill-child mmdebstrap --mode=root --variant=minbase --keyring="$KEYRING" --architectures=amd64 \
        --aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Languages "none"' \
        "$@" "$SUITE" "$root" "$SOURCES"
    rm -f "$root"/etc/apt/apt.conf.d/99mmdebstrap "$root"/etc/dpkg/dpkg.cfg.d/99mmdebstrap
    mirrors | sed '/@/d; s/ contrib$//' >"$root/etc/apt/sources.list"
}
