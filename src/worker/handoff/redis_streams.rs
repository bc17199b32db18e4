//! The adapter for Redis: adds an entry to a stream, with the fields `id`, `type` and `event`, the whole event in JSON.
//!
//! Redis does not deduplicate: an event that is published twice becomes two entries with the same `id`. A stream grows
//! until its consumer trims it, or up to `maxlen`, which also removes unread entries; for that reason there is no limit
//! by default. Durability depends on Redis's settings: with `appendonly yes` and `appendfsync always` entries survive a
//! crash of the machine, without these they may not.
//!
//! Must not reuse a connection after a caller has given up waiting on it.

use async_trait::async_trait;
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ErrorKind, IntoConnectionInfo as _, RedisConnectionInfo, RedisError,
    ServerErrorKind,
};

use super::shared_connection::SharedConnection;
use super::{BrokerServer, CloudEvent, EventSink, SinkError, with_timeout};

/// Adds entries to a Redis stream.
pub(super) struct RedisStreamSink {
    server: BrokerServer,
    database: i64,
    stream: String,
    maxlen: Option<u64>,
    create: bool,
    connection: SharedConnection<MultiplexedConnection>,
}

impl RedisStreamSink {
    pub(super) fn new(server: BrokerServer, database: i64, stream: String, maxlen: Option<u64>, create: bool) -> Self {
        Self { server, database, stream, maxlen, create, connection: SharedConnection::new() }
    }

    async fn connect(&self) -> Result<MultiplexedConnection, SinkError> {
        let BrokerServer { host, port, tls, login, timeout } = &self.server;
        let place = if *tls {
            ConnectionAddr::TcpTls { host: host.clone(), port: *port, insecure: false, tls_params: None }
        } else {
            ConnectionAddr::Tcp(host.clone(), *port)
        };
        let mut settings = RedisConnectionInfo::default().set_db(self.database);
        if let Some(login) = login {
            settings = settings.set_password(login.password.expose());
            if !login.user.is_empty() {
                settings = settings.set_username(&login.user);
            }
        }
        let info = place.into_connection_info().map_err(|error| to_sink_error(&error))?.set_redis_settings(settings);
        let waits = AsyncConnectionConfig::new();
        let waits = waits.set_connection_timeout(Some(*timeout)).set_response_timeout(Some(*timeout));
        let client = Client::open(info).map_err(|error| to_sink_error(&error))?;
        client.get_multiplexed_async_connection_with_config(&waits).await.map_err(|error| to_sink_error(&error))
    }

    async fn add_entry(&self, mut connection: MultiplexedConnection, event: &CloudEvent) -> Result<(), SinkError> {
        let mut command = redis::cmd("XADD");
        command.arg(&self.stream);
        if !self.create {
            command.arg("NOMKSTREAM");
        }
        if let Some(entries) = self.maxlen {
            command.arg("MAXLEN").arg("~").arg(entries);
        }
        command.arg("*").arg("id").arg(&event.id).arg("type").arg(&event.kind).arg("event").arg(event.to_json());
        let added: Option<String> =
            command.query_async(&mut connection).await.map_err(|error| to_sink_error(&error))?;
        added.map(|_| ()).ok_or_else(|| SinkError::Refused(format!("Redis has no stream {}", self.stream)))
    }

    async fn check_stream(&self, mut connection: MultiplexedConnection) -> Result<(), SinkError> {
        let kind = redis::cmd("TYPE").arg(&self.stream).query_async(&mut connection).await;
        let kind: String = kind.map_err(|error| to_sink_error(&error))?;
        match kind.as_str() {
            "stream" => Ok(()),
            "none" if self.create => Ok(()),
            "none" => Err(SinkError::Refused(format!("Redis has no stream {}", self.stream))),
            other => Err(SinkError::Refused(format!("{} is a {other} in Redis, not a stream", self.stream))),
        }
    }
}

/// Converts a Redis error. Redis's texts hold no passwords.
fn to_sink_error(error: &RedisError) -> SinkError {
    let text = format!("Redis: {error}");
    match error.kind() {
        ErrorKind::AuthenticationFailed | ErrorKind::InvalidClientConfig | ErrorKind::UnexpectedReturnType => {
            SinkError::Refused(text)
        }
        ErrorKind::Server(
            ServerErrorKind::BusyLoading
            | ServerErrorKind::TryAgain
            | ServerErrorKind::ClusterDown
            | ServerErrorKind::MasterDown,
        ) => SinkError::Unavailable(text),
        ErrorKind::Server(_) | ErrorKind::Extension => SinkError::Refused(text),
        _ => SinkError::Unavailable(text),
    }
}

#[async_trait]
impl EventSink for RedisStreamSink {
    async fn publish(&self, event: &CloudEvent) -> Result<(), SinkError> {
        let added = self.connection.with_connection(|| self.connect(), |connection| self.add_entry(connection, event));
        with_timeout(self.server.timeout, added).await
    }

    fn name(&self) -> &'static str {
        "redis"
    }

    async fn check(&self) -> Result<(), SinkError> {
        let looked = self.connection.with_connection(|| self.connect(), |connection| self.check_stream(connection));
        with_timeout(self.server.timeout, looked).await
    }
}
