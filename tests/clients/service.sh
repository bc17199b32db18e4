# What the shell tests of the clients share; they source it.

# Where this file is, before its user goes elsewhere.
clients=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# A free port of this machine, below those that the kernel gives to outgoing connections.
port() { (cd "$clients" && python3 -c 'import service; print(service.free_port())'); }
