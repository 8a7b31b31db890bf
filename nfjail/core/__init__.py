"""The pure part: values and decisions. No files, no sockets, no clock, no log."""
