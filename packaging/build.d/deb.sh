#!/bin/bash
# usage: packaging/build deb [-o DIR]
#
# Debian's packages nfjail and nfjail-fail2ban-compat, with their source package, from packaging/debian. The quick tests that
# packaging/debian/rules can run are left out here, because packaging/test runs all: DEB_BUILD_OPTIONS='' runs them.
set -eu
# shellcheck source=tree.sh
. "$(dirname "$(readlink -f "$0")")/tree.sh"

main() {
  local output=$1 file
  has apt-get || die "builds Debian's packages on Debian only. Elsewhere: packaging/build rpm"
  export DEB_BUILD_OPTIONS=${DEB_BUILD_OPTIONS-nocheck}
  install_needed
  make_work
  make_tarball "$WORK/nfjail_$VERSION.orig.tar.gz"
  cd "$WORK/$NAME"
  cp -a packaging/debian debian
  logged dpkg-buildpackage --no-check-builddeps --unsigned-source --unsigned-changes --root-command=
  rm -rf "${WORK:?}/$NAME"
  cd "$WORK"
  for file in *; do mv "$file" "$output/"; echo "$output/$file"; done
}

# What packaging/debian/control names as Build-Depends: dpkg-dev first, whose dpkg-checkbuilddeps can read that.
install_needed() {
  local missing untested=()
  install build-essential
  case " $DEB_BUILD_OPTIONS " in *' nocheck '*) untested=(-Pnocheck) ;; esac
  missing=$(dpkg-checkbuilddeps "${untested[@]}" "$TREE/packaging/debian/control" 2>&1) && return
  # shellcheck disable=SC2046                         # a list
  install $(sed 's/.*dependencies: //; s/([^)]*)//g' <<< "$missing")
}
main "$@"
