#!/bin/bash
# need.sh PACKAGE…: installs the Debian packages that are missing (os/lib/need.sh), as root.
set -euo pipefail
. "$(dirname "$0")/../../os/lib/common.sh"
. "$OS_DIR/lib/need.sh"
need "$@"
