//! Wire tests that read as transcripts.
//!
//! ```text
//! > POST /v1/uploads {"filename": "hello.txt", "size": 5}      a request; the JSON body may go on below
//! < 201 {"upload": {"id": "$upload", "state": "open"}}         the answer holds at least this
//! > PUT $url [hello]                                           a body of text
//! > PUT $url noise:5242880:1                                   a body of so many bytes from that seed
//! | if-none-match: *                                           a header, sent or expected
//! < 200
//! @ $reader                                                    from here on with this key
//! ~ tus-resumable: 1.0.0                                       from here on with this header
//! ```
//!
//! `< 200 sha256:…` expects a body with that digest. `$name` takes a value the first time it is seen and must meet it again afterwards. Expected headers may end in `…`.

use std::collections::HashMap;

use reqwest::{Client, Method, Response};
use serde_json::Value;

use super::requests;
use super::seed;
use super::service::Service;

/// Values that a transcript has met.
pub type Names = HashMap<String, String>;

/// Plays a transcript against a service, as its admin until told otherwise.
pub async fn play(service: &Service, names: &mut Names, text: &str) {
    names.entry("admin".to_owned()).or_insert_with(|| service.admin.clone());
    let client = requests::client_without_redirects();
    let mut actor = Some(service.admin.clone());
    let mut always: Vec<(String, String)> = Vec::new();
    let mut lines = steps(text).into_iter().peekable();
    while let Some(line) = lines.next() {
        let (mark, rest) = line.split_at(1);
        let mut headers = Vec::new();
        while let Some(header) = lines.next_if(|line| line.starts_with('|')) {
            let (name, value) = header_in(&header[1..]);
            headers.push((name.to_owned(), value.to_owned()));
        }
        match mark {
            "~" => {
                let (name, value) = header_in(rest);
                always.push((name.to_owned(), value.to_owned()));
            }
            "@" => {
                let who = fill(rest.trim(), names);
                actor = (who != "nobody").then_some(who);
            }
            ">" => {
                let expected = lines.next().filter(|line| line.starts_with('<')).expect("an answer follows");
                let mut wanted = Vec::new();
                while let Some(header) = lines.next_if(|line| line.starts_with('|')) {
                    let (name, value) = header_in(&header[1..]);
                    wanted.push((name.to_owned(), value.to_owned()));
                }
                let said = |name: &str| headers.iter().any(|(known, _)| known == name);
                let usual: Vec<_> = always.iter().filter(|(name, _)| !said(name)).cloned().collect();
                headers.extend(usual);
                let answer = send(&client, service, actor.as_deref(), &fill(rest.trim(), names), &headers, names).await;
                expect(answer, expected[1..].trim(), &wanted, names, &line).await;
            }
            _ => panic!("{line:?} is no line of a transcript"),
        }
    }
}

/// `name: value`, or `name:` for a header that must not be there.
fn header_in(text: &str) -> (&str, &str) {
    let text = text.trim();
    let pair = text.split_once(": ").or_else(|| Some((text.strip_suffix(':')?, "")));
    pair.expect("a header is written name: value")
}

/// Lines that belong together: a JSON body goes on until the next mark.
fn steps(text: &str) -> Vec<String> {
    let mut steps: Vec<String> = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        match (line.chars().next(), steps.last_mut()) {
            (Some('>' | '<' | '|' | '@' | '~'), _) | (_, None) => steps.push(line.to_owned()),
            (_, Some(last)) => last.push_str(line),
        }
    }
    steps
}

fn fill(text: &str, names: &Names) -> String {
    let mut out = text.to_owned();
    let mut known: Vec<_> = names.iter().collect();
    // The longest name first: $upload must not be read as $up and "load".
    known.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
    for (name, value) in known {
        out = out.replace(&format!("${name}"), value);
    }
    out
}

/// So many bytes, always the same for a seed.
pub fn noise(len: u64, seed: u64) -> Vec<u8> {
    seed::noise(usize::try_from(len).unwrap(), seed)
}

async fn send(
    client: &Client,
    service: &Service,
    actor: Option<&str>,
    line: &str,
    headers: &[(String, String)],
    names: &Names,
) -> Response {
    let mut words = line.splitn(3, ' ');
    let (method, target, body) = (words.next().unwrap(), words.next().unwrap(), words.next());
    let ours = target.starts_with('/');
    let url = if ours { format!("{}{target}", service.base) } else { target.to_owned() };
    let mut request = client.request(Method::from_bytes(method.as_bytes()).unwrap(), url);
    if let Some(actor) = actor.filter(|_| ours) {
        request = request.bearer_auth(actor);
    }
    for (name, value) in headers {
        request = request.header(name, fill(value, names));
    }
    if let Some(body) = body.filter(|body| body.starts_with("noise:")) {
        let mut words = body.split(':').skip(1).map(|word| word.parse().unwrap());
        let bytes = noise(words.next().unwrap(), words.next().unwrap());
        request = request.header("content-length", bytes.len()).body(bytes);
    } else if let Some(body) = body {
        let text = body.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
        request = match text {
            Some(text) if !body.starts_with("[{") => request.header("content-length", text.len()).body(text.to_owned()),
            _ => request.header("content-type", "application/json").body(body.to_owned()),
        };
    }
    request.send().await.unwrap()
}

async fn expect(answer: Response, expected: &str, headers: &[(String, String)], names: &mut Names, asked: &str) {
    let (status, pattern) = expected.split_once(' ').unwrap_or((expected, ""));
    let status = fill(status, names);
    let (got, got_headers) = (answer.status().as_u16(), answer.headers().clone());
    let body = answer.bytes().await.unwrap();
    assert_eq!(got.to_string(), status, "{asked}\nanswered {got}: {}", String::from_utf8_lossy(&body));
    for (name, value) in headers {
        let there = got_headers.get(name).map_or("", |value| value.to_str().unwrap());
        let value = fill(value, names);
        let holds = match value.strip_suffix('…') {
            _ if value.starts_with('$') => {
                names.insert(value[1..].to_owned(), there.to_owned());
                true
            }
            Some(start) => there.starts_with(start),
            None => there == value,
        };
        assert!(holds, "{asked}\n{name}: {there:?} instead of {value:?}");
    }
    if pattern.is_empty() {
        return;
    }
    if let Some(digest) = pattern.strip_prefix("sha256:") {
        use sha2::Digest;
        assert_eq!(hex::encode(sha2::Sha256::digest(&body)), fill(digest, names), "{asked}");
        return;
    }
    let body = String::from_utf8_lossy(&body).into_owned();
    if let Some(text) = pattern.strip_prefix('[').and_then(|text| text.strip_suffix(']'))
        && !pattern.starts_with("[{")
    {
        assert_eq!(body, fill(text, names), "{asked}");
        return;
    }
    // A number that is known stands without quotes.
    let pattern = names.iter().fold(pattern.to_owned(), |text, (name, value)| {
        text.replace(&format!(": ${name},"), &format!(": {value},"))
            .replace(&format!(": ${name}}}"), &format!(": {value}}}"))
    });
    let pattern: Value = serde_json::from_str(&pattern).unwrap_or_else(|e| panic!("{pattern}: {e}"));
    let value: Value = serde_json::from_str(&body).unwrap_or_else(|e| panic!("{asked}\n{body}: {e}"));
    meets(&pattern, &value, names, &format!("{asked}\n{body}"));
}

/// Whether a value holds everything of a pattern.
fn meets(pattern: &Value, value: &Value, names: &mut Names, context: &str) {
    match (pattern, value) {
        (Value::Object(pattern), Value::Object(value)) => {
            for (name, pattern) in pattern {
                let value = value.get(name).unwrap_or_else(|| panic!("{context}\nhas no {name:?}"));
                meets(pattern, value, names, context);
            }
        }
        (Value::Array(pattern), Value::Array(value)) => {
            assert_eq!(pattern.len(), value.len(), "{context}\n{value:?}");
            for (pattern, value) in pattern.iter().zip(value) {
                meets(pattern, value, names, context);
            }
        }
        (Value::String(name), value) if name.starts_with('$') => {
            let text = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
            let known = names.entry(name[1..].to_owned()).or_insert_with(|| text.clone());
            assert_eq!(*known, text, "{context}\n{name}");
        }
        _ => assert_eq!(pattern, value, "{context}"),
    }
}
