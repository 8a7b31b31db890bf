#!/bin/bash
# usage: packaging/build rpm [-o DIR]
#
# RPM packages nfjail and nfjail-fail2ban-compat, with their source package, from packaging/rpm/nfjail.spec. The quick tests that
# its %check can run are left out here, because packaging/test runs all: RPMBUILD_OPTIONS='' runs them.
set -eu
# shellcheck source=tree.sh
. "$(dirname "$(readlink -f "$0")")/tree.sh"

main() {
  local output=$1 spec=$PACKAGING/rpm/nfjail.spec sources file
  has apt-get || install_needed
  has_macros || die "needs Fedora's rpm macros: builds RPM packages on Fedora and its like"
  [ "$(sed -n 's/^Version: *//p' "$spec")" = "$VERSION" ] || die "this is nfjail $VERSION, but $spec is for another version"
  make_work
  sources=$WORK/SOURCES
  mkdir "$sources"
  make_tarball "$sources/$NAME.tar.gz"
  cp "$WORK/$NAME/packaging/rpm/nfjail.spec" "$WORK/$NAME/packaging/systemd/nfjail.sysusers" "$sources/"
  touch -d "@$SOURCE_DATE_EPOCH" "$sources"/*
  build_all
  for file in "$WORK"/SRPMS/*.rpm "$WORK"/RPMS/*/*.rpm; do mv "$file" "$output/"; echo "$output/${file##*/}"; done
}

has_macros() { has rpmbuild && [ "$(rpm --eval '%{?pyproject_wheel:yes}')" = yes ]; }
# What the spec names as BuildRequires, and what %pyproject_buildrequires finds for this project.
install_needed() {
  install rpm-build systemd-rpm-macros python3-devel python3-packaging python3-pip python3-setuptools python3-systemd
}

# When and on which machine it was built is told by no package, or each build would give another one. The source package tells
# in which folder, which is therefore always /mnt; except where one may not mount, and then only the others are always the same.
build_all() {
  local options top=$WORK place=()
  read -ra options <<< "${RPMBUILD_OPTIONS---without tests}"
  is_root || place=(--map-root-user)
  # shellcheck disable=SC2016                         # the inner shell's own variables
  place=(unshare --mount "${place[@]}" -- "$BASH" -c 'mount -n --bind "$0" /mnt && exec "$@"' "$WORK")
  if "${place[@]}" true 2>/dev/null; then top=/mnt; else place=(); fi
  logged "${place[@]}" rpmbuild -ba "${options[@]}" \
    --define "_topdir $top" --define "_tmppath $top/tmp" \
    --define '_buildhost localhost' --define 'use_source_date_epoch_as_buildtime 1' \
    --define 'clamp_mtime_to_source_date_epoch 1' --define 'build_mtime_policy clamp_to_source_date_epoch' \
    "$top/SOURCES/nfjail.spec"
}
main "$@"
