//! Broker addresses as URLs: `nats://…`, `redis://…`, `amqp://…`, `sqs:https://…`.
//!
//! Must not show a password or a token, nor repeat it in an error.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use url::Url;

use crate::domain::clock::parse_duration;

/// A password or a token. `Debug` does not show the value.
#[derive(Clone, PartialEq, Eq)]
pub struct BrokerSecret(String);

impl BrokerSecret {
    /// The value, for the login at the broker.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for BrokerSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// Credentials for the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerLogin {
    /// User name or access key id; empty if only a password or token is given.
    pub user: String,
    /// The password, the token or the secret key.
    pub password: BrokerSecret,
}

/// A broker reached over TCP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerServer {
    /// Host name or IP address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// True for TLS. The server's certificate is verified.
    pub tls: bool,
    /// Credentials; `None`: no login.
    pub login: Option<BrokerLogin>,
    /// Time limit for publishing an event, including the connection.
    pub timeout: Duration,
}

impl BrokerServer {
    /// The host as written in a URL: IPv6 addresses in brackets.
    #[must_use]
    pub fn url_host(&self) -> String {
        if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() }
    }
}

/// A broker, and the destination of events in it. Every address accepts `?timeout=10s`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BrokerAddress {
    /// `nats://` or `tls://[user:password@ | token@]host[:4222][?subject=gantry&stream=GANTRY&create=true]`
    Nats {
        /// The server.
        server: BrokerServer,
        /// Prefix of subjects: `asset.ready` is published on `gantry.asset.ready`.
        subject: String,
        /// The JetStream stream that must store the messages.
        stream: String,
        /// True if a missing stream is created.
        create: bool,
    },
    /// `redis://` or `rediss://[[user]:password@]host[:6379][/0][?stream=gantry&maxlen=100000&create=true]`
    Redis {
        /// The server.
        server: BrokerServer,
        /// Database number.
        database: i64,
        /// Key of the stream.
        stream: String,
        /// Approximate maximum number of entries; older entries are trimmed, read or not. `None`: no limit.
        maxlen: Option<u64>,
        /// True if a missing stream is created.
        create: bool,
    },
    /// `amqp://` or `amqps://[user:password@]host[:5672][/vhost][?exchange=gantry&queue=gantry&create=true]`
    Amqp {
        /// The server.
        server: BrokerServer,
        /// The virtual host; default `/`.
        vhost: String,
        /// The topic exchange to publish to.
        exchange: String,
        /// The queue bound to the exchange, so that events that arrive before their consumer are kept.
        queue: String,
        /// True if exchange and queue are declared.
        create: bool,
    },
    /// `sqs:https://[key:secret@]host/account/queue[?region=eu-central-1]`: a queue's URL
    Sqs {
        /// The queue's URL. A queue whose name ends in `.fifo` is a FIFO queue.
        queue_url: String,
        /// The region for signatures: as given, or taken from the host. `None`: from the AWS default chain.
        region: Option<String>,
        /// Fixed credentials, for servers other than Amazon's. `None`: the default chain of aws-config.
        login: Option<BrokerLogin>,
        /// Time limit for publishing an event, including the connection.
        timeout: Duration,
    },
}

/// Time limit for publishing, unless the address sets `timeout`.
const DEFAULT_PUBLISH_TIMEOUT: Duration = Duration::from_secs(10);

impl FromStr for BrokerAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let unknown =
            || "write nats://…, tls://…, redis://…, rediss://…, amqp://…, amqps://… or sqs:https://…".to_owned();
        let (scheme, rest) = text.split_once(':').ok_or_else(unknown)?;
        // `url::ParseError` has fixed texts and never quotes its input, which may hold a password.
        let parse =
            |text: &str| Url::parse(text).map_err(|error| format!("the {scheme} address is not a URL: {error}"));
        match scheme {
            "nats" | "tls" => parse_nats(BrokerUrlParts::from_url(&parse(text)?, 4222, 4222)?),
            "redis" | "rediss" => parse_redis(BrokerUrlParts::from_url(&parse(text)?, 6379, 6379)?),
            "amqp" | "amqps" => parse_amqp(BrokerUrlParts::from_url(&parse(text)?, 5672, 5671)?),
            "sqs" => parse_sqs(parse(rest)?),
            _ => Err(unknown()),
        }
    }
}

impl fmt::Display for BrokerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = |server: &BrokerServer| format!("{}:{}", server.url_host(), server.port);
        match self {
            Self::Nats { server, stream, .. } => write!(f, "NATS at {}, stream {stream}", place(server)),
            Self::Redis { server, database, stream, .. } => {
                write!(f, "Redis at {}, database {database}, stream {stream}", place(server))
            }
            Self::Amqp { server, vhost, exchange, .. } => {
                write!(f, "AMQP at {}, virtual host {vhost}, exchange {exchange}", place(server))
            }
            Self::Sqs { queue_url, .. } => write!(f, "SQS queue {queue_url}"),
        }
    }
}

/// The parts of a broker's URL, percent-decoded.
struct BrokerUrlParts {
    server: BrokerServer,
    path: String,
    query: BrokerUrlQuery,
}

impl BrokerUrlParts {
    fn from_url(url: &Url, port: u16, tls_port: u16) -> Result<Self, String> {
        let tls = matches!(url.scheme(), "tls" | "rediss" | "amqps");
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        if host.is_empty() {
            return Err("the broker's address names no host".to_owned());
        }
        let mut query = BrokerUrlQuery::from_url(url)?;
        let server = BrokerServer {
            host: host.to_owned(),
            port: url.port().unwrap_or(if tls { tls_port } else { port }),
            tls,
            login: parse_login(url)?,
            timeout: query.take_timeout()?,
        };
        Ok(Self { server, path: percent_decode(url.path().trim_start_matches('/'))?, query })
    }
}

fn percent_decode(text: &str) -> Result<String, String> {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded.map(Into::into).map_err(|_| "the broker's address is not UTF-8 where it is percent-encoded".to_owned())
}

fn parse_login(url: &Url) -> Result<Option<BrokerLogin>, String> {
    let user = percent_decode(url.username())?;
    Ok(match url.password() {
        Some(password) => Some(BrokerLogin { user, password: BrokerSecret(percent_decode(password)?) }),
        None if user.is_empty() => None,
        // NATS URLs hold a token in the place of the user.
        None if matches!(url.scheme(), "nats" | "tls") => {
            Some(BrokerLogin { user: String::new(), password: BrokerSecret(user) })
        }
        None => return Err("the broker's address has a user without a password".to_owned()),
    })
}

/// Query parameters. Each is removed when it is read; any that is left is an error.
struct BrokerUrlQuery(BTreeMap<String, String>);

impl BrokerUrlQuery {
    fn from_url(url: &Url) -> Result<Self, String> {
        let mut pairs = BTreeMap::new();
        for (name, value) in url.query_pairs() {
            if pairs.insert(name.to_string(), value.to_string()).is_some() {
                return Err(format!("the broker's address has `{name}` twice"));
            }
        }
        if url.fragment().is_some() {
            return Err("the broker's address must not contain `#`".to_owned());
        }
        Ok(Self(pairs))
    }

    fn take_timeout(&mut self) -> Result<Duration, String> {
        let Some(text) = self.0.remove("timeout") else { return Ok(DEFAULT_PUBLISH_TIMEOUT) };
        let timeout = parse_duration(&text).filter(|timeout| !timeout.is_zero());
        timeout.ok_or_else(|| "the broker's `timeout` must be a duration like 10s".to_owned())
    }

    fn take_flag(&mut self, name: &str) -> Result<bool, String> {
        match self.0.remove(name).as_deref() {
            None | Some("true") => Ok(true),
            Some("false") => Ok(false),
            Some(_) => Err(format!("the broker's `{name}` must be true or false")),
        }
    }

    /// Takes a name: 1 to 200 characters of `a-z A-Z 0-9 - _` and those of `also`, so that no broker gives it a special
    /// meaning.
    fn take_name(&mut self, name: &str, default: &str, also: &str) -> Result<String, String> {
        let value = self.0.remove(name).unwrap_or_else(|| default.to_owned());
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c) || also.contains(c);
        if (1..=200).contains(&value.len()) && value.chars().all(plain) {
            return Ok(value);
        }
        let also: String = also.chars().flat_map(|c| [' ', c]).collect();
        Err(format!("the broker's `{name}` must be 1 to 200 characters of a-z A-Z 0-9 - _{also}"))
    }

    fn reject_unknown(&self, known: &str) -> Result<(), String> {
        match self.0.keys().next() {
            None => Ok(()),
            Some(name) => {
                Err(format!("the broker's address has an unknown parameter `{name}`; known are {known} and timeout"))
            }
        }
    }
}

fn parse_nats(BrokerUrlParts { server, path, mut query }: BrokerUrlParts) -> Result<BrokerAddress, String> {
    let subject = query.take_name("subject", "gantry", ".")?;
    if subject.split('.').any(str::is_empty) {
        return Err("the broker's `subject` has an empty part".to_owned());
    }
    let (stream, create) = (query.take_name("stream", "GANTRY", "")?, query.take_flag("create")?);
    query.reject_unknown("subject, stream, create")?;
    if !path.is_empty() {
        return Err("a NATS address must not have a path".to_owned());
    }
    Ok(BrokerAddress::Nats { server, subject, stream, create })
}

fn parse_redis(BrokerUrlParts { server, path, mut query }: BrokerUrlParts) -> Result<BrokerAddress, String> {
    let number = if path.is_empty() { Ok(0) } else { path.parse::<u16>() };
    let database = i64::from(number.map_err(|_| "the path of a Redis address must be the number of a database")?);
    let (stream, create) = (query.take_name("stream", "gantry", ".:{}")?, query.take_flag("create")?);
    let maxlen = query.0.remove("maxlen").map(|text| text.parse().ok().filter(|entries| *entries > 0));
    let maxlen =
        maxlen.map(|entries| entries.ok_or("the broker's `maxlen` must be a number of entries")).transpose()?;
    query.reject_unknown("stream, maxlen, create")?;
    Ok(BrokerAddress::Redis { server, database, stream, maxlen, create })
}

fn parse_amqp(BrokerUrlParts { server, path, mut query }: BrokerUrlParts) -> Result<BrokerAddress, String> {
    let vhost = if path.is_empty() { "/".to_owned() } else { path };
    let exchange = query.take_name("exchange", "gantry", ".:")?;
    let (queue, create) = (query.take_name("queue", "gantry", ".:")?, query.take_flag("create")?);
    query.reject_unknown("exchange, queue, create")?;
    Ok(BrokerAddress::Amqp { server, vhost, exchange, queue, create })
}

fn parse_sqs(mut url: Url) -> Result<BrokerAddress, String> {
    if !matches!(url.scheme(), "http" | "https") || url.path().trim_matches('/').is_empty() {
        return Err("an SQS address must be `sqs:` and the queue's URL: sqs:https://host/account/queue".to_owned());
    }
    let (mut query, login) = (BrokerUrlQuery::from_url(&url)?, parse_login(&url)?);
    let timeout = query.take_timeout()?;
    let named = query.0.contains_key("region").then(|| query.take_name("region", "", "")).transpose()?;
    query.reject_unknown("region")?;
    // The results can be ignored: both calls fail only on URLs without a host, which cannot hold credentials.
    let _ = (url.set_username(""), url.set_password(None));
    url.set_query(None);
    let region = named.or_else(|| region_of(url.host_str()?));
    Ok(BrokerAddress::Sqs { queue_url: url.to_string(), region, login, timeout })
}

/// Extracts the region from a host like `sqs.eu-central-1.amazonaws.com`, also from a VPC endpoint's host.
fn region_of(host: &str) -> Option<String> {
    let amazon = host.strip_suffix(".amazonaws.com").or_else(|| host.strip_suffix(".amazonaws.com.cn"))?;
    let labels: Vec<_> = amazon.trim_end_matches(".vpce").split('.').collect();
    let at = labels.iter().position(|label| matches!(*label, "sqs" | "sqs-fips"))?;
    labels.get(at + 1).map(|region| (*region).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> BrokerAddress {
        text.parse().unwrap_or_else(|complaint| panic!("{text}: {complaint}"))
    }

    #[test]
    fn what_is_not_said_has_a_default() {
        let server = |port| BrokerServer {
            host: "h".to_owned(),
            port,
            tls: false,
            login: None,
            timeout: DEFAULT_PUBLISH_TIMEOUT,
        };
        let text = |text: &str| text.to_owned();
        let nats =
            BrokerAddress::Nats { server: server(4222), subject: text("gantry"), stream: text("GANTRY"), create: true };
        assert_eq!(parse("nats://h"), nats);
        let (stream, maxlen) = (text("gantry"), None);
        assert_eq!(
            parse("redis://h/"),
            BrokerAddress::Redis { server: server(6379), database: 0, stream, maxlen, create: true }
        );
        let (vhost, exchange, queue) = (text("/"), text("gantry"), text("gantry"));
        assert_eq!(
            parse("amqp://h"),
            BrokerAddress::Amqp { server: server(5672), vhost, exchange, queue, create: true }
        );
        let (queue_url, region) = (text("https://sqs.eu-central-1.amazonaws.com/1/q.fifo"), Some(text("eu-central-1")));
        let sqs = BrokerAddress::Sqs { queue_url, region, login: None, timeout: DEFAULT_PUBLISH_TIMEOUT };
        assert_eq!(parse("sqs:https://sqs.eu-central-1.amazonaws.com/1/q.fifo"), sqs);
    }

    #[test]
    fn everything_can_be_said() {
        let BrokerAddress::Nats { server, subject, stream, create } =
            parse("tls://t%20k@[::1]:1?subject=a.b&stream=S&create=false&timeout=2s")
        else {
            panic!()
        };
        assert_eq!((server.host.as_str(), server.port, server.tls), ("::1", 1, true));
        assert_eq!(server.login.unwrap().password.expose(), "t k");
        assert_eq!((subject.as_str(), stream.as_str(), create), ("a.b", "S", false));
        assert_eq!(server.timeout, Duration::from_secs(2));
        let BrokerAddress::Redis { server, database, maxlen, .. } = parse("rediss://:p@h:7/3?maxlen=9") else {
            panic!()
        };
        assert_eq!((server.port, server.tls, database, maxlen), (7, true, 3, Some(9)));
        let BrokerAddress::Amqp { server, vhost, .. } = parse("amqps://u:p%2F@h/a%2fb") else { panic!() };
        let login = server.login.unwrap();
        assert_eq!((login.user.as_str(), login.password.expose(), vhost.as_str()), ("u", "p/", "a/b"));
        assert_eq!(server.port, 5671);
        let BrokerAddress::Sqs { queue_url, region, login, .. } = parse("sqs:http://k:s@h:9/1/q?region=r") else {
            panic!()
        };
        assert_eq!((queue_url.as_str(), region.as_deref()), ("http://h:9/1/q", Some("r")));
        assert_eq!(login.unwrap().user, "k");
        let private = "sqs:https://vpce-1-a.sqs.us-east-1.vpce.amazonaws.com/1/q";
        assert!(matches!(parse(private), BrokerAddress::Sqs { region: Some(region), .. } if region == "us-east-1"));
        assert!(matches!(parse("sqs:http://localhost:9324/q"), BrokerAddress::Sqs { region: None, .. }));
    }

    #[test]
    fn passwords_are_never_shown() {
        for text in [
            "nats://hidden@h",
            "nats://u:hidden@h",
            "redis://:hidden@h",
            "amqp://u:hidden@h",
            "sqs:https://k:hidden@h/1/q",
        ] {
            let address = parse(text);
            assert!(!format!("{address:?} {address:#?} {address}").contains("hidden"), "{address:?}");
        }
        for bad in ["redis://u:hidden@", "redis://u:hidden@h:x", "hidden", "amqp://u:hidden@h?x=1", "sqs:u:hidden@h"] {
            assert!(!bad.parse::<BrokerAddress>().unwrap_err().contains("hidden"), "{bad}");
        }
    }

    #[test]
    fn complaints_say_what_is_wrong() {
        for (bad, says) in [
            ("", "nats://"),
            ("kafka://h", "nats://"),
            ("nats://", "host"),
            ("nats://h/x", "must not have a path"),
            ("nats://h?subject=a..b", "empty part"),
            ("nats://h?subject=a.*", "`subject` must be"),
            ("nats://h?stream=a.b", "`stream` must be"),
            ("nats://h?strem=a", "unknown parameter `strem`; known are subject"),
            ("nats://h?stream=a&stream=b", "twice"),
            ("nats://h#x", "#"),
            ("nats://h?timeout=0", "10s"),
            ("redis://h/x", "number of a database"),
            ("redis://h?maxlen=0", "`maxlen`"),
            ("redis://h?create=yes", "true or false"),
            ("redis://u@h", "without a password"),
            ("amqp://h?exchange=", "`exchange` must be"),
            ("amqp://h:70000", "not a URL"),
            ("sqs:https://h", "queue's URL"),
            ("sqs:ftp://h/q", "queue's URL"),
            ("sqs:https://h/q?x=1", "unknown parameter `x`; known are region"),
        ] {
            let complaint = bad.parse::<BrokerAddress>().unwrap_err();
            assert!(complaint.contains(says), "{bad}: {complaint}");
        }
    }
}
