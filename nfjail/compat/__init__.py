"""fail2ban's commands over nfjail's control socket, for scripts, exporters and panels that call them."""
