//! The client's address behind reverse proxies.
//!
//! All clients behind a proxy share the proxy's address. The address that a trusted proxy names counts instead: for
//! links that are bound to a network, for limits per address, and for the audit trail. Headers of any other peer are
//! ignored. Pure: no engine.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use http::{HeaderMap, HeaderName};
use ipnet::IpNet;

/// The header in which trusted proxies name their client. Only a single header may count: a proxy passes the other
/// through as the client wrote it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ForwardedHeader {
    /// `X-Forwarded-For: client, proxy`.
    #[default]
    XForwardedFor,
    /// `Forwarded: for=client, for=proxy` (RFC 7239).
    Forwarded,
    /// No header counts: the address is the peer of the connection.
    None,
}

/// Trusted proxies, and the header in which they name their client.
#[derive(Clone, Debug, Default)]
pub struct TrustedForwarding {
    /// Addresses and networks of the proxies.
    pub proxies: Arc<[IpNet]>,
    /// Header in which they name their client.
    pub header: ForwardedHeader,
}

impl TrustedForwarding {
    /// The client's address: the first address that is no trusted proxy's, read from the nearest proxy to the farthest.
    /// An entry that cannot be parsed ends the search at the proxy that wrote it.
    pub(super) fn client_address(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer;
        for address in self.named_addresses(headers).into_iter().rev() {
            if !self.is_trusted(client) {
                break;
            }
            let Some(address) = address else { break };
            client = address;
        }
        client
    }

    fn is_trusted(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.proxies.iter().any(|network| network.contains(&address))
    }

    /// Addresses in the header, from the client to the nearest proxy; `None` for entries that are no address
    /// (`unknown`, `_hidden`).
    fn named_addresses(&self, headers: &HeaderMap) -> Vec<Option<IpAddr>> {
        let lines = |name: &'static str| {
            let lines = headers.get_all(HeaderName::from_static(name)).iter();
            lines.flat_map(|line| line.to_str().unwrap_or_default().split(','))
        };
        match self.header {
            ForwardedHeader::None => Vec::new(),
            ForwardedHeader::XForwardedFor => lines("x-forwarded-for").map(parse_address).collect(),
            ForwardedHeader::Forwarded => lines("forwarded").map(forwarded_for).collect(),
        }
    }
}

/// The `for` parameter of an element of `Forwarded` (RFC 7239 §4).
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let mut pairs = element.split(';').filter_map(|pair| pair.trim().split_once('='));
    let (_, node) = pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case("for"))?;
    parse_address(node.trim().trim_matches('"'))
}

/// `192.0.2.1`, `192.0.2.1:8080`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:8080`.
fn parse_address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().or_else(|| text.parse().ok().map(|address: SocketAddr| address.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(header: ForwardedHeader, peer: &str, lines: &[(&'static str, &str)]) -> String {
        let proxies = ["127.0.0.0/8", "10.0.0.0/8", "::1/128"].map(|network| network.parse().unwrap()).into();
        let lines = lines.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
        let trusted = TrustedForwarding { proxies, header };
        trusted.client_address(peer.parse().unwrap(), &lines.collect()).to_string()
    }

    fn by_x(peer: &str, line: &str) -> String {
        client(ForwardedHeader::XForwardedFor, peer, &[("x-forwarded-for", line)])
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        assert_eq!(by_x("127.0.0.1", "192.0.2.7"), "192.0.2.7");
        assert_eq!(by_x("::ffff:127.0.0.1", "192.0.2.7"), "192.0.2.7");
        assert_eq!(by_x("198.51.100.1", "192.0.2.7"), "198.51.100.1");
    }

    #[test]
    fn what_the_client_wrote_itself_is_not_believed() {
        assert_eq!(by_x("127.0.0.1", "203.0.113.9, 192.0.2.7"), "192.0.2.7");
        assert_eq!(by_x("127.0.0.1", "203.0.113.9, 192.0.2.7, 10.1.2.3"), "192.0.2.7");
        assert_eq!(by_x("127.0.0.1", "10.9.9.9, 10.1.2.3"), "10.9.9.9");
    }

    #[test]
    fn what_is_no_address_ends_the_search() {
        for line in ["unknown", "", "192.0.2.7, nonsense", "192.0.2.7 198.51.100.2"] {
            assert_eq!(by_x("127.0.0.1", line), "127.0.0.1", "{line}");
        }
        assert_eq!(client(ForwardedHeader::XForwardedFor, "127.0.0.1", &[]), "127.0.0.1");
    }

    #[test]
    fn ports_and_brackets() {
        for (line, expected) in [
            ("192.0.2.7:4711", "192.0.2.7"),
            ("2001:db8::7", "2001:db8::7"),
            ("[2001:db8::7]", "2001:db8::7"),
            ("[2001:db8::7]:4711", "2001:db8::7"),
        ] {
            assert_eq!(by_x("127.0.0.1", line), expected);
        }
    }

    #[test]
    fn one_header_counts() {
        let both = [("x-forwarded-for", "192.0.2.7"), ("forwarded", "for=\"[2001:db8::7]:4711\";proto=https")];
        assert_eq!(client(ForwardedHeader::XForwardedFor, "::1", &both), "192.0.2.7");
        assert_eq!(client(ForwardedHeader::Forwarded, "::1", &both), "2001:db8::7");
        assert_eq!(client(ForwardedHeader::None, "::1", &both), "::1");
        let many = [("forwarded", "For=203.0.113.9"), ("forwarded", "for=192.0.2.7;by=_x, for=10.0.0.1")];
        assert_eq!(client(ForwardedHeader::Forwarded, "127.0.0.1", &many), "192.0.2.7");
    }
}
