//! Stage two for the API's listener: an address, a Unix socket, or a socket of the service manager.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::check::ConfigParser;

/// Where the API listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddress {
    /// A TCP address.
    Tcp(SocketAddr),
    /// A Unix socket at this path. Its peers count as reverse proxies.
    Unix {
        /// Absolute path.
        path: PathBuf,
        /// Permissions of the socket.
        mode: u32,
    },
    /// The socket that the service manager passes on (`LISTEN_FDS`).
    ServiceManager,
}

impl std::fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix { path, .. } => write!(f, "unix:{}", path.display()),
            Self::ServiceManager => f.write_str("systemd"),
        }
    }
}

impl ConfigParser {
    pub(super) fn listen(&mut self) -> ListenAddress {
        let mode = self.parse_value("server.socket_mode", "permissions like 0660", 0o660, |text| {
            u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o777)
        });
        let text = self.text("listen");
        if text == "systemd" {
            return ListenAddress::ServiceManager;
        }
        let Some(path) = text.strip_prefix("unix:") else { return ListenAddress::Tcp(self.address("listen")) };
        if !path.starts_with('/') {
            self.add_error("listen", format!("\"{text}\" is not an absolute path like unix:/run/gantry/gantry.sock"));
        }
        ListenAddress::Unix { path: path.into(), mode }
    }

    /// The origin at which clients reach the API. Without the setting, it is the listening address.
    pub(super) fn api_origin(&mut self, listen: &ListenAddress) -> Option<String> {
        let ListenAddress::Tcp(address) = listen else {
            if self.optional_text("public_url").is_none() {
                self.add_error(
                    "public_url",
                    format!("required, because listen is {listen}: set the address at which clients reach the proxy"),
                );
            }
            return self.origin("public_url");
        };
        self.public_origin("public_url", "listen", *address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{ConfigOverrides, InvalidSettings, ServiceConfig};

    fn load(settings: &[(&str, &str)]) -> Result<ServiceConfig, InvalidSettings> {
        let vars = settings.iter().map(|(name, value)| (format!("GANTRY_{name}"), (*value).to_owned()));
        ServiceConfig::from(&ConfigOverrides::default(), vars)
    }

    #[test]
    fn a_unix_socket_has_a_mode_and_its_peers_are_proxies() {
        let url = ("PUBLIC_URL", "https://files.example");
        let unix = ("LISTEN", "unix:/run/gantry/gantry.sock");
        let config = load(&[unix, url, ("SERVER__PROXIES", "10.0.0.0/8")]).unwrap();
        let path = "/run/gantry/gantry.sock".into();
        assert_eq!(config.listen, ListenAddress::Unix { path, mode: 0o660 });
        assert!(config.forwarding.proxies.iter().any(|net| net.to_string() == "127.0.0.1/32"));
        let config = load(&[unix, url, ("SERVER__SOCKET_MODE", "0666")]).unwrap();
        assert!(matches!(config.listen, ListenAddress::Unix { mode: 0o666, .. }));
        assert_eq!(load(&[("LISTEN", "systemd"), url]).unwrap().listen, ListenAddress::ServiceManager);
        for (setting, complaint) in [
            (vec![unix], "public_url: required, because listen is unix:"),
            (vec![("LISTEN", "unix:gantry.sock"), url], "listen: \"unix:gantry.sock\" is not an absolute path"),
            (vec![unix, url, ("SERVER__SOCKET_MODE", "rw")], "server.socket_mode: \"rw\" is not permissions"),
        ] {
            let complaints = load(&setting).unwrap_err().0;
            assert!(complaints.len() == 1 && complaints[0].starts_with(complaint), "{complaints:?}");
        }
    }
}
