#!/bin/bash
# usage: sshd.sh demo.sh [nfjail run's option...]
#
# The scenario of 'packaging/run --demo': an attacker guesses passwords at a real sshd until nfjail cuts him off, while somebody
# else is still served. Runs inside sshd.sh, which makes all of it private. Exit status: 0 when all went so.
set -eu -o pipefail
. "$(dirname "$(readlink -f "$0")")/common.sh"
SERVER=192.0.2.1 ATTACKER=192.0.2.20 FRIEND=192.0.2.40
DEMO=/run/demo                                        # /run is sshd.sh's own and ends with it
PYTHONPATH=$(readlink -f "$HERE/../.."); export PYTHONPATH PYTHONSAFEPATH=1

main() {
  local start=${EPOCHREALTIME/./} cut
  [ -n "${JOURNALD_PID:-}" ] || usage
  prepare
  title "An sshd on $SERVER, an attacker on $ATTACKER, somebody else on $FRIEND: all in private network namespaces"
  start_nfjail "$@"
  title "The attacker guesses root's password"
  attack
  cut="$(since "$start") after the start"
  title "Who is served now? (the attacker was cut off $cut)"
  is_refused "$ATTACKER" || fail "the attacker is still served"
  is_served "$FRIEND" || fail "somebody else is not served"
  show nfjail ctl --runtime $DEMO/run status
  show nfjail ctl --runtime $DEMO/run why $ATTACKER
  show nft list set inet nfjail sshd-4
  title "nfjail ends; the ban stays in the kernel"
  stop_nfjail
  is_refused "$ATTACKER" || fail "the ban ended with nfjail"
  title "Done. All of this was private to the demo and is gone now"
}

prepare() {
  mkdir -p $DEMO/etc/conf.d $DEMO/state $DEMO/run
  cat > $DEMO/etc/conf.d/demo.toml <<'C'
[jail.sshd]
enabled = true
backend = "journal"
maxretry = 3
findtime = "10m"
bantime = "1m"
C
  mkfifo $DEMO/said
  # shellcheck disable=SC2016                         # the password is made when ssh asks for it
  printf '#!/bin/sh\necho "wrong-$$"\n' > $DEMO/password; chmod +x $DEMO/password
}
title() { printf '\n%s\n' "$*"; }
since() { local ms=$(((${EPOCHREALTIME/./} - $1) / 1000)); printf '%d.%d s' $((ms / 1000)) $((ms % 1000 / 100)); }
fail() { stop_nfjail; echo "demo: FAILED: $*" >&2; exit 1; }
show() { title "\$ $*"; "$@" 2>&1 | sed 's/^/  /'; }
nfjail() { /usr/bin/python3 -m nfjail "$@"; }

start_nfjail() {
  sed -u 's/^/  nfjail    | /' < $DEMO/said & printer=$!
  /usr/bin/python3 -m nfjail run -v --config $DEMO/etc --state $DEMO/state --runtime $DEMO/run "$@" > $DEMO/said 2>&1 & daemon=$!
  for _ in $(seq 100); do
    if nfjail ctl --runtime $DEMO/run ping >/dev/null 2>&1; then return; fi
    [ -d /proc/$daemon ] || fail "nfjail did not start"
    sleep .05
  done
  fail "nfjail does not answer"
}
stop_nfjail() { kill -TERM "$daemon" 2>/dev/null || :; wait "$daemon" "$printer" 2>/dev/null || :; }

from_outside() { nsenter --net="/run/netns/$NFJAIL_ATK" -- "$@"; }
attack() {                                            # until he is refused
  local n said
  for n in $(seq 9); do
    said=$(guess 2>&1) || :
    echo "  attacker  | attempt $n: ${said##*$'\n'}"
    case $said in *"Permission denied"*) ;; *) return ;; esac
    sleep .2                                          # so that the lines come in order
  done
  fail "nine wrong passwords, and the attacker is still served"
}
guess() {                                             # one connection, one wrong password
  SSH_ASKPASS=$DEMO/password SSH_ASKPASS_REQUIRE=force from_outside timeout 5 ssh -F /dev/null -b $ATTACKER \
    -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o ConnectTimeout=3 \
    -o PreferredAuthentications=password -o NumberOfPasswordPrompts=1 root@$SERVER true </dev/null
}
banner() {                                            # what sshd says to the address $1, or why it says nothing
  from_outside /usr/bin/python3 -c '
import socket, sys
try:
    print(socket.create_connection((sys.argv[1], 22), 3, (sys.argv[2], 0)).recv(99).decode().strip())
except OSError as e:
    sys.exit(e.strerror or str(e))' $SERVER "$1" 2>&1
}
is_served() { local said rc=0; said=$(banner "$1") || rc=1; echo "  from $1 | $said"; return $rc; }
is_refused() { ! is_served "$1"; }

main "$@"
