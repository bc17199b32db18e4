//! Checks of addresses that tenants name and to which the service sends requests: schemes and networks.
//!
//! IP addresses are compared as numbers, after IPv4 addresses embedded in IPv6 were extracted. A host name is checked
//! when the client connects, by the addresses that it resolves to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use url::{Host, Url};

/// Longest URL of an endpoint, in bytes.
const MAX_URL_BYTES: usize = 2048;

/// Permissions that the operator configures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EgressPolicy {
    /// Plain HTTP is allowed too.
    pub http: bool,
    /// Networks that are allowed although they are not public.
    pub networks: Vec<IpNet>,
    /// The proxy for all requests. The proxy then decides on addresses, not this service.
    pub proxy: Option<String>,
}

/// Reason why requests to an address are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressRefused {
    /// Not an absolute URL with a host.
    #[error("must be a URL like https://example.com/hook")]
    NoUrl,
    /// Longer than 2048 bytes.
    #[error("must be at most 2048 bytes")]
    TooLong,
    /// Neither `https` nor, if allowed, `http`.
    #[error("must be https")]
    Scheme,
    /// A user name or password in the URL.
    #[error("must not contain a user or password")]
    Userinfo,
    /// An address that is not public.
    #[error("must lead to a public address")]
    Address,
}

/// Not public: this host and network, private, shared (CGNAT), loopback, link-local, IETF, documentation, old 6to4
/// relays, benchmarks, multicast, reserved, broadcast. IANA's special-purpose registry, where "globally reachable" is false.
const NON_PUBLIC_IPV4_RANGES: [(Ipv4Addr, u8); 15] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];

/// Ranges within the allocated global unicast space (2000::/3) that are not public: Teredo, benchmarks, ORCHID,
/// documentation (twice).
const NON_PUBLIC_IPV6_RANGES: [(Ipv6Addr, u8); 3] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

/// The IPv4 address that is embedded in an IPv6 address: mapped or compatible (RFC 4291), translated (RFC 2765), NAT64
/// (RFC 6052), 6to4 (RFC 3056).
fn hidden_in(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let of = |high: u16, low: u16| {
        let ([p, q], [r, s]) = (high.to_be_bytes(), low.to_be_bytes());
        Some(Ipv4Addr::new(p, q, r, s))
    };
    match [a, b, c, d, e, f] {
        [0, 0, 0, 0, 0, 0 | 0xffff] | [0, 0, 0, 0, 0xffff, 0] | [0x64, 0xff9b, 0, 0, 0, 0] => of(g, h),
        [0x2002, ..] => of(b, c),
        _ => None,
    }
}

/// The embedded IPv4 address, or else the address itself.
#[must_use]
pub fn unmap(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(six) => hidden_in(six).map_or(address, IpAddr::V4),
        four @ IpAddr::V4(_) => four,
    }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(four) => !NON_PUBLIC_IPV4_RANGES
            .iter()
            .any(|(net, len)| Ipv4Net::new(*net, *len).is_ok_and(|net| net.contains(&four))),
        IpAddr::V6(six) => {
            let special = |(net, len): &(Ipv6Addr, u8)| Ipv6Net::new(*net, *len).is_ok_and(|net| net.contains(&six));
            six.segments()[0] & 0xe000 == 0x2000 && !NON_PUBLIC_IPV6_RANGES.iter().any(special)
        }
    }
}

impl EgressPolicy {
    /// True if a connection to this address is allowed.
    #[must_use]
    pub fn allows(&self, address: IpAddr) -> bool {
        let meant = unmap(address);
        is_public(meant) || self.networks.iter().any(|net| net.contains(&meant) || net.contains(&address))
    }

    /// Parses the URL of an endpoint. Host names are checked later, at resolution. Literal addresses are checked here,
    /// in every notation: as the URL standard demands, `0x7f.1` and `2130706433` mean 127.0.0.1.
    ///
    /// # Errors
    /// The reason of the refusal.
    pub fn endpoint(&self, text: &str) -> Result<Url, AddressRefused> {
        if text.len() > MAX_URL_BYTES {
            return Err(AddressRefused::TooLong);
        }
        let mut url = Url::parse(text).map_err(|_| AddressRefused::NoUrl)?;
        match url.scheme() {
            "https" => {}
            "http" if self.http => {}
            _ => return Err(AddressRefused::Scheme),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(AddressRefused::Userinfo);
        }
        let literal: Option<IpAddr> = match url.host() {
            Some(Host::Ipv4(four)) => Some(four.into()),
            Some(Host::Ipv6(six)) => Some(six.into()),
            Some(Host::Domain(_)) => None,
            None => return Err(AddressRefused::NoUrl),
        };
        if literal.is_some_and(|address| !self.allows(address)) {
            return Err(AddressRefused::Address);
        }
        url.set_fragment(None);
        Ok(url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strict() -> EgressPolicy {
        EgressPolicy { http: true, ..EgressPolicy::default() }
    }

    #[test]
    fn no_spelling_of_an_inner_address_gets_through() {
        for host in [
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f000001",
            "0x7f.1",
            "0177.0.0.1",
            "127.0.0.1.",
            "%31%32%37.0.0.1",
            "１２７.0.0.1",
            "0.0.0.0",
            "10.0.0.1",
            "100.64.0.1",
            "169.254.169.254",
            "172.31.255.255",
            "192.168.1.1",
            "192.0.0.8",
            "192.0.2.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "[::]",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:a9fe:a9fe]",
            "[::a9fe:a9fe]",
            "[::ffff:0:a9fe:a9fe]",
            "[64:ff9b::a9fe:a9fe]",
            "[64:ff9b::10.0.0.1]",
            "[64:ff9b:1::1]",
            "[2002:a9fe:a9fe::1]",
            "[2002:7f00:1::]",
            "[2001:0:4136:e378::1]",
            "[2001:db8::1]",
            "[3fff::1]",
            "[fc00::1]",
            "[fd00:ec2::254]",
            "[fe80::1]",
            "[fec0::1]",
            "[ff02::1]",
            "[100::1]",
        ] {
            assert_eq!(strict().endpoint(&format!("http://{host}/x")), Err(AddressRefused::Address), "{host}");
        }
    }

    #[test]
    fn public_addresses_and_names_are_welcome() {
        for host in
            ["8.8.8.8", "[2606:4700::1111]", "[64:ff9b::808:808]", "[2002:808:808::1]", "example.com", "localhost"]
        {
            assert!(strict().endpoint(&format!("http://{host}/x")).is_ok(), "{host}");
        }
    }

    #[test]
    fn only_plain_addresses_of_the_web() {
        let default = EgressPolicy::default();
        let cases = [
            ("http://example.com/", AddressRefused::Scheme),
            ("ftp://example.com/", AddressRefused::Scheme),
            ("file:///etc/passwd", AddressRefused::Scheme),
            ("https://user@example.com/", AddressRefused::Userinfo),
            ("https://:pw@example.com/", AddressRefused::Userinfo),
            ("https://", AddressRefused::NoUrl),
            ("example.com", AddressRefused::NoUrl),
            ("https://1.2.3.4.5/", AddressRefused::NoUrl),
        ];
        for (text, why) in cases {
            assert_eq!(default.endpoint(text), Err(why), "{text}");
        }
        assert_eq!(default.endpoint(&format!("https://a/{}", "x".repeat(2048))), Err(AddressRefused::TooLong));
        assert_eq!(default.endpoint("https://example.com/a#b").unwrap().as_str(), "https://example.com/a");
    }

    #[test]
    fn an_operator_may_open_a_network() {
        let open = EgressPolicy { networks: vec!["127.0.0.0/8".parse().unwrap()], ..strict() };
        assert!(open.endpoint("http://127.0.0.1:1/").is_ok() && open.allows("::ffff:127.0.0.1".parse().unwrap()));
        assert!(!open.allows("10.0.0.1".parse().unwrap()) && !open.allows("::1".parse().unwrap()));
    }
}
