#!/bin/bash
# usage: install.sh ROOT     called by mkrootfs.sh when all else is installed
#
# The servers that apt does not install beside others (vsftpd, proftpd and pure-ftpd conflict), and none of the servers is started
# when the system boots: each test starts its own.
set -eu
root=$1
inside() { chroot "$root" env DEBIAN_FRONTEND=noninteractive "$@"; }

printf '#!/bin/sh\nexit 101\n' > "$root/usr/sbin/policy-rc.d"; chmod +x "$root/usr/sbin/policy-rc.d"
names=$(for name in proftpd-core pure-ftpd; do inside apt-get -s --no-install-recommends install $name; done | awk '/^Inst/ { print $2 }' | sort -u)
mkdir "$root/tmp/beside"
# shellcheck disable=SC2086                           # several names
inside env --chdir=/tmp/beside apt-get -q -o APT::Sandbox::User=root download $names
inside sh -c 'dpkg --force-conflicts,overwrite,confdef,confold --install /tmp/beside/*.deb' </dev/null
rm -r "$root/tmp/beside" "$root/usr/sbin/policy-rc.d"
for name in apache2 dovecot dropbear inetd lighttpd mariadb nginx postfix postgresql proftpd pure-ftpd squid vsftpd; do
  inside systemctl disable $name
done
