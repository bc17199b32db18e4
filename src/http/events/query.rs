//! The request: query string, `Last-Event-ID` and `Accept`. Unknown parameters are refused.

use std::time::Duration;

use http::{HeaderMap, header};

use crate::domain::clock::parse_duration;
use crate::domain::ids::AssetId;
use crate::engine::{Error, FeedPosition};
use crate::http::query::{DEFAULT_PAGE_LIMIT, parse_limit, query_pairs, unknown_parameter};

/// A parsed request for events.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct EventsQuery {
    /// `Last-Event-ID`, else `?after=`.
    pub(super) after: Option<i64>,
    /// True for a stream, false for a page.
    pub(super) stream: bool,
    /// Maximum number of events of a page.
    pub(super) limit: u32,
    /// Time to wait while the page is empty.
    pub(super) wait: Duration,
    /// Only events of this asset, where the path names none.
    pub(super) asset: Option<AssetId>,
}

impl EventsQuery {
    /// Parses the request. `names_asset`: the path names the asset, so the query must not.
    pub(super) fn parse(query: Option<&str>, headers: &HeaderMap, names_asset: bool) -> Result<Self, Error> {
        let accepts = |kind: &str| {
            let mut values = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
            values.any(|value| value.contains(kind))
        };
        let mut question =
            Self { after: None, stream: true, limit: DEFAULT_PAGE_LIMIT, wait: Duration::ZERO, asset: None };
        let mut pages = accepts("application/json");
        for (name, value) in query_pairs(query) {
            pages |= matches!(name.as_str(), "after" | "limit" | "wait");
            match name.as_str() {
                "after" => question.after = Some(parse_event_id("after", &value)?),
                "limit" => question.limit = parse_limit(&value)?,
                "wait" => {
                    let problem = || Error::invalid("wait", "must be seconds, or a duration like 30s");
                    question.wait = parse_duration(&value).ok_or_else(problem)?;
                }
                "asset" if !names_asset => question.asset = Some(value.parse().map_err(|_| Error::NotFound)?),
                other => return Err(unknown_parameter(other)),
            }
        }
        // A client that reconnects uses the same address as before; its header is newer than the query.
        if let Some(last) = headers.get("last-event-id").filter(|value| !value.is_empty()) {
            question.after = Some(parse_event_id("Last-Event-ID", last.to_str().unwrap_or("?"))?);
        }
        question.stream = accepts("text/event-stream") || !pages;
        Ok(question)
    }

    /// The position to begin at; a page begins with the oldest event by default.
    pub(super) fn since(&self) -> FeedPosition {
        let unsaid = if self.stream { FeedPosition::Now } else { FeedPosition::Beginning };
        self.after.map_or(unsaid, FeedPosition::Event)
    }
}

fn parse_event_id(field: &'static str, text: &str) -> Result<i64, Error> {
    let digits = (1..=19).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    let id = text.parse().ok().filter(|_| digits);
    id.ok_or_else(|| Error::invalid(field, "must be the id of an event, or 0"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn ask(query: &str, headers: &[(&'static str, &'static str)]) -> Result<EventsQuery, Error> {
        let headers =
            headers.iter().map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_static(value)));
        EventsQuery::parse(Some(query), &headers.collect(), false)
    }

    #[test]
    fn what_is_asked_for() {
        let stream = |query, headers: &[_]| ask(query, headers).unwrap().stream;
        assert!(stream("", &[]) && stream("", &[("accept", "*/*")]));
        assert!(stream("after=1", &[("accept", "text/event-stream")]));
        assert!(!stream("after=1", &[]) && !stream("wait=1s", &[]) && !stream("", &[("accept", "application/json")]));
    }

    #[test]
    fn where_it_begins() {
        let since = |query, headers: &[_]| ask(query, headers).unwrap().since();
        assert_eq!(since("", &[]), FeedPosition::Now);
        assert_eq!(since("", &[("accept", "application/json")]), FeedPosition::Beginning);
        assert_eq!(since("after=7", &[]), FeedPosition::Event(7));
        assert_eq!(since("after=7", &[("last-event-id", "9")]), FeedPosition::Event(9));
        assert_eq!(since("after=7", &[("last-event-id", "")]), FeedPosition::Event(7));
    }

    #[test]
    fn nonsense_is_refused() {
        for bad in ["after=", "after=-1", "after=x", "after=99999999999999999999", "after=+1", "wait=soon", "what=1"] {
            assert!(matches!(ask(bad, &[]), Err(Error::Invalid { .. })), "{bad}");
        }
        assert!(ask("", &[("last-event-id", "1 or 1=1")]).is_err());
        assert!(EventsQuery::parse(Some("asset=x"), &HeaderMap::new(), true).is_err());
    }
}
