//! Listening sockets: TCP, a Unix socket for a proxy on this machine, or what the service manager passes on.

use std::io::{Error, ErrorKind, Result};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use listenfd::ListenFd;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

/// Address of every peer on a Unix socket: it is a proxy on this machine.
const UNIX_PEER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// A socket that accepts connections.
pub enum ServerSocket {
    /// TCP.
    Tcp(TcpListener),
    /// A Unix socket.
    Unix(UnixSocket),
}

/// A Unix socket, whose file is removed with it if this process made it.
pub struct UnixSocket {
    listener: UnixListener,
    path: Option<PathBuf>,
}

impl Drop for UnixSocket {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// An accepted connection.
pub(super) enum PeerStream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl ServerSocket {
    /// Binds a Unix socket with these permissions. A file that a dead process left behind is replaced.
    ///
    /// # Errors
    /// Another process listens there, the path is no socket, or it cannot be written.
    pub fn bind_unix(path: &Path, mode: u32) -> Result<Self> {
        refuse_live(path)?;
        // No client may connect before the permissions are right, and none may find the path empty.
        let temporary = path.with_extension("new");
        let _ = std::fs::remove_file(&temporary);
        let listener = UnixListener::bind(&temporary)?;
        let moved = std::fs::set_permissions(&temporary, std::fs::Permissions::from_mode(mode))
            .and_then(|()| std::fs::rename(&temporary, path));
        if let Err(error) = moved {
            let _ = std::fs::remove_file(&temporary);
            return Err(error);
        }
        Ok(Self::Unix(UnixSocket { listener, path: Some(path.to_owned()) }))
    }

    /// The only socket that the service manager has passed on (sd_listen_fds(3)).
    ///
    /// # Errors
    /// There is none, there are several, or it is no stream socket that listens.
    pub fn from_service_manager() -> Result<Self> {
        let mut passed = ListenFd::from_env();
        if passed.len() != 1 {
            let text =
                format!("the service manager has passed on {} sockets instead of one (LISTEN_FDS)", passed.len());
            return Err(Error::new(ErrorKind::InvalidInput, text));
        }
        let missing = || Error::new(ErrorKind::InvalidInput, "the socket of the service manager is gone");
        if let Ok(unix) = passed.take_unix_listener(0) {
            let unix = unix.ok_or_else(missing)?;
            unix.set_nonblocking(true)?;
            return Ok(Self::Unix(UnixSocket { listener: UnixListener::from_std(unix)?, path: None }));
        }
        let tcp = passed.take_tcp_listener(0)?.ok_or_else(missing)?;
        tcp.set_nonblocking(true)?;
        Ok(Self::Tcp(TcpListener::from_std(tcp)?))
    }

    /// Address of a TCP socket; `None`: a Unix socket.
    ///
    /// # Errors
    /// The system does not know the address.
    pub fn tcp_address(&self) -> Result<Option<SocketAddr>> {
        match self {
            Self::Tcp(listener) => listener.local_addr().map(Some),
            Self::Unix(_) => Ok(None),
        }
    }

    pub(super) async fn accept(&self) -> Result<(PeerStream, SocketAddr)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                let _ = stream.set_nodelay(true);
                Ok((PeerStream::Tcp(stream), peer))
            }
            Self::Unix(socket) => {
                let (stream, _) = socket.listener.accept().await?;
                Ok((PeerStream::Unix(stream), UNIX_PEER))
            }
        }
    }
}

/// Refuses a path where another process listens, or where something else is than a socket.
fn refuse_live(path: &Path) -> Result<()> {
    let Ok(found) = std::fs::symlink_metadata(path) else { return Ok(()) };
    if !found.file_type().is_socket() {
        return Err(Error::new(ErrorKind::AlreadyExists, "the path is taken by something that is no socket"));
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(()),
        Ok(_) => Err(Error::new(ErrorKind::AddrInUse, "another process listens there")),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_dead_socket_is_replaced_and_a_live_one_refused() {
        let dir = tempfile::TempDir::new().unwrap();
        let path = dir.path().join("gantry.sock");
        // A process that was killed leaves its file.
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let socket = ServerSocket::bind_unix(&path, 0o640).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        let refused = ServerSocket::bind_unix(&path, 0o640).err().unwrap();
        assert_eq!(refused.kind(), ErrorKind::AddrInUse);
        // The refused attempt has left the live socket alone.
        let client = tokio::spawn(UnixStream::connect(path.clone()));
        let (_, peer) = socket.accept().await.unwrap();
        assert!(client.await.unwrap().is_ok() && peer.ip().is_loopback());
        drop(socket);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        std::fs::write(&path, "precious").unwrap();
        assert_eq!(ServerSocket::bind_unix(&path, 0o640).err().unwrap().kind(), ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(&path).unwrap(), b"precious");
    }
}
