# shellcheck shell=bash
# Sourced by packaging/build and by the scripts of this folder, one for each kind of package: what is common to all kinds.
# Each of those is called with one argument, the folder for what it makes, and prints the paths of what it made.

PACKAGING=$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")
# shellcheck source=../lib.sh
. "$PACKAGING/lib.sh"
TREE=$(dirname "$PACKAGING")
umask 022
export LC_ALL=C.UTF-8 TZ=UTC                          # nothing of this shell's taste gets into a package
unset PYTHONPATH PYTHONSTARTUP PYTHONDONTWRITEBYTECODE

VERSION=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' "$TREE/nfjail/__init__.py")
# The time that everything in a package has, seconds since 1970: that of the newest entry in Debian's changelog.
SOURCE_DATE_EPOCH=$(date -d "$(sed -n '/^ -- /{s/^ -- .*>  //p;q}' "$PACKAGING/debian/changelog")" +%s)
# shellcheck disable=SC2034                           # used by the scripts
NAME=nfjail-$VERSION
export SOURCE_DATE_EPOCH

# What belongs to the project; whatever else lies in a checkout (.git, .venv, notes, caches) gets into no package.
SOURCES=(pyproject.toml README.md LICENSE CHANGELOG.md SECURITY.md CONTRIBUTING.md nfjail conf.d tests packaging .ci)

# make_work             WORK: a folder for what is in between, which is gone when the script ends. Not before install.
make_work() {
  WORK=$(mktemp -d)
  trap 'rm -rf "$WORK"' EXIT; trap 'exit 143' HUP INT TERM
}

# copy_tree DIR         the project's files, into the new folder DIR; all with one time, and modes that no umask has touched
copy_tree() {
  mkdir -p "$1"
  list_sources | tar -C "$TREE" -c --null --no-recursion -T - | tar -x -C "$1" --no-same-owner
  chmod -R u=rwX,go=rX "$1"
  find "$1" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
}
list_sources() {
  local there=() source
  cd "$TREE" || return
  for source in "${SOURCES[@]}"; do [ ! -e "$source" ] || there+=("$source"); done
  find "${there[@]}" \( -name __pycache__ -o -name '.*_cache' -o -name .hypothesis -o -name '*.egg-info' \) -prune \
    -o ! -type d ! -name '*.pyc' ! -name '*~' ! -name '.*.sw?' -print0 | sort -z
}

# make_tarball FILE     the project's files as a .tar.gz, all in the folder nfjail-VERSION; which it leaves in $WORK
make_tarball() {
  copy_tree "$WORK/$NAME"
  tar -C "$WORK" --sort=name --format=ustar --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" -c "$NAME" |
    gzip -9n > "$1"
}
