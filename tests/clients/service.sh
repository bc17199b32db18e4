# What the shell tests of the clients share; they source it.

# A free port of this machine.
port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
