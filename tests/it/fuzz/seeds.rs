//! One request of each kind, before it is changed.

/// A request before it is changed.
#[derive(Clone)]
pub(super) struct Seed {
    pub(super) method: &'static str,
    pub(super) target: String,
    pub(super) headers: Vec<(Vec<u8>, Vec<u8>)>,
    pub(super) body: Vec<u8>,
}

impl Seed {
    pub(super) fn new(method: &'static str, target: impl Into<String>) -> Self {
        Self { method, target: target.into(), headers: Vec::new(), body: Vec::new() }
    }

    pub(super) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub(super) fn json(self, body: &str) -> Self {
        self.header("content-type", "application/json").body(body.as_bytes())
    }

    pub(super) fn body(mut self, body: &[u8]) -> Self {
        self.body = body.to_vec();
        self
    }

    pub(super) fn bytes(&self, host: &str, length: Option<&[u8]>) -> Vec<u8> {
        let mut bytes = format!("{} {} HTTP/1.1\r\nhost: {host}\r\n", self.method, self.target).into_bytes();
        for (name, value) in &self.headers {
            bytes.extend([name.as_slice(), b": ", value, b"\r\n"].concat());
        }
        if let Some(length) = length {
            bytes.extend([b"content-length: ".as_slice(), length, b"\r\n"].concat());
        } else if !self.body.is_empty() {
            bytes.extend(format!("content-length: {}\r\n", self.body.len()).into_bytes());
        }
        bytes.extend(b"connection: close\r\n\r\n");
        bytes.extend(&self.body);
        bytes
    }
}

/// One request of each kind, all of which the service accepts as they are.
pub(super) fn seeds(key: &str, asset: &str, upload: &str, tus: &str) -> Vec<Seed> {
    let with_key = |seed: Seed| seed.header("authorization", &format!("Bearer {key}"));
    let form = "--b\r\ncontent-disposition: form-data; name=\"a\"\r\n\r\nx\r\n--b\r\ncontent-disposition: form-data; name=\"file\"; \
        filename=\"a.txt\"\r\ncontent-type: text/plain\r\n\r\nhello\r\n--b--\r\n";
    let tus_of = |seed: Seed| seed.header("tus-resumable", "1.0.0");
    let draft = |seed: Seed| seed.header("upload-draft-interop-version", "6");
    [
        Seed::new("POST", "/v1/uploads")
            .json(r#"{"filename":"a.bin","size":5,"method":"multipart","part_size":5242880}"#),
        Seed::new("POST", "/v1/uploads").json(r#"{"max_size":50,"content_types":["image/*"],"expires_in":60}"#),
        Seed::new("POST", format!("/v1/uploads/{upload}/urls")).json(r#"{"parts":"1-1"}"#),
        Seed::new("POST", format!("/v1/uploads/{upload}/complete")).json(r#"{"parts":[{"part":1,"etag":"x"}]}"#),
        Seed::new("GET", format!("/v1/uploads/{upload}")),
        Seed::new("PUT", format!("/v1/uploads/{upload}/content")).body(b"hello"),
        Seed::new("GET", "/v1/uploads?state=open&limit=5&protocol=tus&idle_for=10m"),
        Seed::new("GET", "/v1/assets?state=ready&q=a&sort=-size&limit=3&created_after=2026-01-01T00:00:00Z"),
        Seed::new("POST", "/v1/assets/batch").json(&format!(r#"{{"ids":["{asset}"]}}"#)),
        Seed::new("GET", format!("/v1/assets/{asset}?wait=1s&until=ready")),
        Seed::new("PATCH", format!("/v1/assets/{asset}")).json(r#"{"filename":"b.bin","metadata":{"a":"b"}}"#),
        Seed::new("GET", format!("/v1/assets/{asset}/content?delivery=stream&filename=a.txt"))
            .header("range", "bytes=0-2"),
        Seed::new("GET", format!("/v1/assets/{asset}/events?after=0&limit=3")),
        Seed::new("POST", format!("/v1/assets/{asset}/links")).json(r#"{"expires_in":60,"max_uses":2}"#),
        Seed::new("POST", "/v1/collections")
            .json(&format!(r#"{{"assets":[{{"id":"{asset}","path":"a/b.txt"}}],"expires_in":60}}"#)),
        Seed::new("GET", "/v1/events?after=0&limit=2&wait=0s"),
        Seed::new("POST", "/v1/webhooks").json(r#"{"url":"http://127.0.0.1:9/x","events":["asset.ready"]}"#),
        Seed::new("POST", "/v1/keys").json(r#"{"scopes":["upload"],"expires_in":60}"#),
        Seed::new("GET", "/v1/admin/jobs?kind=process&state=dead&limit=5"),
        Seed::new("GET", "/v1/admin/audit?action=upload.create&since=2026-01-01T00:00:00Z&limit=5"),
        tus_of(Seed::new("POST", "/tus"))
            .header("upload-length", "5")
            .header("upload-metadata", "filename YS50eHQ=,filetype dGV4dC9wbGFpbg=="),
        tus_of(Seed::new("POST", "/tus")).header("upload-concat", &format!("final;/tus/{upload}")),
        tus_of(Seed::new("HEAD", tus)),
        tus_of(Seed::new("PATCH", tus))
            .header("upload-offset", "0")
            .header("upload-checksum", "sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=")
            .header("content-type", "application/offset+octet-stream")
            .body(b"hel"),
        draft(Seed::new("POST", "/files"))
            .header("upload-complete", "?1")
            .header("content-disposition", "attachment; filename=\"a.txt\"")
            .body(b"hello"),
        draft(Seed::new("PATCH", tus))
            .header("upload-complete", "?0")
            .header("upload-offset", "0")
            .header("content-type", "application/partial-upload")
            .body(b"he"),
        Seed::new("POST", "/files").header("content-type", "multipart/form-data; boundary=b").body(form.as_bytes()),
        Seed::new("POST", "/s3/multipart").json(r#"{"filename":"a.bin","type":"text/plain","metadata":{}}"#),
        Seed::new("GET", "/s3/params?filename=a.bin&type=text%2Fplain&metadata%5Ba%5D=b"),
        Seed::new("OPTIONS", "/files")
            .header("origin", "https://app.example")
            .header("access-control-request-method", "PATCH"),
    ]
    .map(with_key)
    .into()
}
