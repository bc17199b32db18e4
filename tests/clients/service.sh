# What the shell tests of the clients share; they source it.

# A free port of this machine, below those that the kernel gives to outgoing connections.
port() { (cd "$(dirname "${BASH_SOURCE[0]}")" && python3 -c 'import service; print(service.free_port())'); }
