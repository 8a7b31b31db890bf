#!/bin/bash
# usage: packaging/build source [-o DIR]
#
# The source tarball: the project's files and nothing else. Packages are built from it, and 'pip install' takes it.
set -eu
# shellcheck source=tree.sh
. "$(dirname "$(readlink -f "$0")")/tree.sh"

make_work
make_tarball "$1/$NAME.tar.gz"
echo "$1/$NAME.tar.gz"
