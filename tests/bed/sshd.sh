#!/bin/bash
# usage: sshd.sh COMMAND [ARGUMENT...]
#
# Runs COMMAND while a real sshd can be attacked: two private namespaces (net.sh up), in nfj-srv an sshd on 192.0.2.1 and
# 2001:db8::1 port 22 that logs as ssh.service to a private journald (journald.sh; its settings hold here too). COMMAND runs in
# nfj-srv, so its nft rules hold for that sshd; attack with 'ip netns exec nfj-atk flood.py 192.0.2.1 root 192.0.2.20 3'.
# PAM's delay after a failure (2 s) and sshd's PerSourcePenalties are off. Nothing stays behind, and runs do not collide.
# Root only. Exit status: COMMAND's.
#
#   LOGD=rsyslog              no journald, but rsyslogd writing a private /var/log/auth.log and /var/log/syslog
#   SSHD_OPTIONS='-o X=y'     more options for sshd
set -eu
. "$(dirname "$(readlink -f "$0")")/common.sh"

outside() {
  [ $# -gt 0 ] || usage
  need_root
  [ -x /usr/sbin/sshd ] || die "apt-get install openssh-server"
  [ "${LOGD:-}" != rsyslog ] || [ -x /usr/sbin/rsyslogd ] || die "apt-get install rsyslog"
  unset NETNS
  exec "$HERE/journald.sh" "$HERE/sshd.sh" --inside "$@"
}

inside() {
  "$HERE/net.sh" up
  if [ -e /etc/pam.d/common-auth ]; then              # Debian's; elsewhere the delay stays
    sed '/^auth.*pam_unix\.so/s/$/ nodelay/' /etc/pam.d/common-auth > /run/common-auth
    mount -n --bind /run/common-auth /etc/pam.d/common-auth
  fi
  [ "${LOGD:-journald}" = journald ] || replace_journald
  mkdir /run/sshd; ssh-keygen -q -t ed25519 -N '' -f /run/sshd.key
  local penalties=; ! has_penalties /usr/sbin/sshd || penalties='-o PerSourcePenalties=no'
  # shellcheck disable=SC2086                        # several options; the first of a kind counts
  in_srv "$HERE/as-unit.sh" ssh.service /usr/sbin/sshd -D -f /dev/null -h /run/sshd.key ${SSHD_OPTIONS:-} $penalties \
    -o UsePAM=yes -o PasswordAuthentication=yes -o PermitRootLogin=yes -o PidFile=none & local sshd=$!
  wait_for listening
  local rc=0; in_srv "$@" || rc=$?
  kill -TERM $sshd 2>/dev/null || :; wait $sshd 2>/dev/null || :
  exit "$rc"
}
in_srv() { nsenter --net="/run/netns/$NFJAIL_SRV" -- "$@"; }
listening() { in_srv ss -Hltn 'sport = :22' | grep -q .; }
gone() { [ ! -d "/proc/$JOURNALD_PID" ]; }
wait_for() { for _ in $(seq 500); do if "$@"; then return; fi; sleep .01; done; die "waited in vain until: $*"; }

replace_journald() {
  kill -TERM "$JOURNALD_PID"; wait_for gone; rm -rf /dev/log /run/systemd/journal
  cat > /run/rsyslog.conf <<'C'
module(load="imuxsock" SysSock.Name="/dev/log")
auth,authpriv.* /var/log/auth.log
*.*;auth,authpriv.none /var/log/syslog
C
  touch /var/log/auth.log /var/log/syslog
  rsyslogd -n -f /run/rsyslog.conf -i /run/rsyslogd.pid &
  wait_for test -S /dev/log
}

case ${1:-} in
--inside) shift; inside "$@" ;;
*) outside "$@" ;;
esac
