# shellcheck shell=bash
# Sourced by packaging/run and packaging/test: where the checkout is, and how missing distribution packages are installed.

[ -e /proc/self/fd/0 ] || exec </dev/null             # stdin may be closed: fd 0 must not become something else
# Not the first python3 in PATH: pyenv's and the like do not see the distribution's modules.
PYTHON=/usr/bin/python3
# shellcheck disable=SC2034                           # used by the scripts
TREE=$(dirname "$(dirname "$(readlink -f "$0")")")
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
unset PYTHONHOME VIRTUAL_ENV

say() { echo "${0##*/}: $*" >&2; }
die() { say "$*"; exit 1; }
usage() { sed -n '2,${/^#/!q;s/^# \{0,1\}//p}' "$0"; }
is_root() { [ "$(id -u)" = 0 ]; }
has() { [ -x "$(command -v "$1")" ]; }

# install PACKAGE...    makes sure of these distribution packages; does nothing, and quickly, when all are there
install() {
  local missing started=$SECONDS
  missing=$(missing "$@")
  [ -n "$missing" ] || return 0
  is_root || die "not installed: $missing. Run it once as root: sudo $0"
  say "installing $missing"
  without_services get_packages "$missing"
  keep_disabled "$missing"
  say "installed in $((SECONDS - started)) s"
}

missing() {                                           # those of the given packages that are not installed, on one line
  local installed
  if has apt-get; then
    # shellcheck disable=SC2016                       # dpkg-query's own variables
    installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null | sed -n 's/^installed //p') || :
  elif has dnf; then
    installed=$(rpm -q --qf '%{NAME}\n' "$@" 2>/dev/null) || :
  else
    die "neither apt-get nor dnf is here. Install by hand: $*"
  fi
  printf '%s\n' "$@" | grep -vxF -e "${installed:-none}" | paste -sd ' '
}

get_packages() {
  # shellcheck disable=SC2086                         # a list
  if has apt-get; then
    export DEBIAN_FRONTEND=noninteractive
    logged apt-get -qq update
    logged apt-get -qq -y -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=120 --no-install-recommends install $1
  else
    logged dnf -q -y --setopt=install_weak_deps=False install $1
  fi
}
logged() {                                            # COMMAND...   shows what it says only when it fails
  local log; log=$(mktemp)
  if "$@" </dev/null >"$log" 2>&1; then rm -f "$log"; return; fi
  cat "$log" >&2; rm -f "$log"
  die "failed: $*"
}

# What packages bring is neither started now (Debian asks policy-rc.d) nor at the next boot.
without_services() {
  local policy=/usr/sbin/policy-rc.d
  if [ -e $policy ] || ! has apt-get; then "$@"; return; fi
  trap 'rm -f /usr/sbin/policy-rc.d' EXIT; trap 'exit 143' HUP INT TERM
  printf '#!/bin/sh\nexit 101\n' > $policy; chmod +x $policy
  "$@"
  rm -f $policy; trap - EXIT HUP INT TERM
}
keep_disabled() {
  local pair
  for pair in openssh-server:ssh.service openssh-server:ssh.socket openssh-server:sshd.service rsyslog:rsyslog.service; do
    case " $1 " in *" ${pair%:*} "*) systemctl disable -q "${pair#*:}" >/dev/null 2>&1 || : ;; esac
  done
}

check_python() {                                      # TOML is read by Python itself since 3.11
  $PYTHON -c 'import sys; sys.exit(sys.version_info < (3, 10))' || die "needs Python 3.10 or newer, here is $($PYTHON -V)"
  $PYTHON -c 'import sys; sys.exit(sys.version_info < (3, 11))' || install python3-tomli
}
