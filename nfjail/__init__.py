"""nfjail keeps attackers out of a Linux server: log events in, nftables bans out."""

__version__ = "0.1.0"
