//! Content delivery networks: what is signed is what the network will check, by somebody else's cryptography.

use std::process::Command;

use reqwest::Method;
use serde_json::json;
use tempfile::TempDir;

use super::stage::Stage;
use crate::support::patience::in_time;

/// The private key in a file, made by OpenSSL.
fn key(dir: &TempDir, kind: &[&str]) -> String {
    let path = dir.path().join(format!("{}.pem", kind.join("-").replace(':', "_")));
    let made = Command::new("openssl").arg("genpkey").args(kind).arg("-out").arg(&path).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    path.display().to_string()
}

/// Checks a CloudFront URL as CloudFront would, with OpenSSL; the resource and the policy that were signed.
fn checked(url: &str, key: &str) -> (String, serde_json::Value) {
    let (resource, signed) = match (url.split_once("&Expires="), url.split_once("&Policy=")) {
        (Some((resource, rest)), None) => (resource, format!("Expires={rest}")),
        (None, Some((resource, rest))) => (resource, format!("Policy={rest}")),
        _ => panic!("{url}"),
    };
    let parameters: std::collections::HashMap<_, _> =
        signed.split('&').map(|pair| pair.split_once('=').unwrap()).collect();
    assert_eq!((parameters["Key-Pair-Id"], parameters["Hash-Algorithm"]), ("K2JCJMDEHXQW5F", "SHA256"));
    let decode = |text: &str| {
        use base64::Engine as _;
        let plain = text.replace('-', "+").replace('_', "=").replace('~', "/");
        base64::engine::general_purpose::STANDARD.decode(plain).unwrap()
    };
    let policy = match parameters.get("Policy") {
        Some(policy) => String::from_utf8(decode(policy)).unwrap(),
        None => format!(
            r#"{{"Statement":[{{"Resource":"{resource}","Condition":{{"DateLessThan":{{"AWS:EpochTime":{}}}}}}}]}}"#,
            parameters["Expires"]
        ),
    };
    let dir = TempDir::new().unwrap();
    let (message, signature, public) = (dir.path().join("m"), dir.path().join("s"), dir.path().join("p"));
    std::fs::write(&message, &policy).unwrap();
    std::fs::write(&signature, decode(parameters["Signature"])).unwrap();
    let made = Command::new("openssl").args(["pkey", "-pubout", "-in", key, "-out"]).arg(&public).output().unwrap();
    assert!(made.status.success());
    let verify = Command::new("openssl")
        .args(["dgst", "-sha256", "-verify"])
        .arg(&public)
        .arg("-signature")
        .args([&signature, &message])
        .output()
        .unwrap();
    assert!(verify.status.success(), "{}", String::from_utf8_lossy(&verify.stdout));
    (resource.to_owned(), serde_json::from_str(&policy).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cloudfront_accepts_what_is_signed() {
    let dir = TempDir::new().unwrap();
    let kinds: [&[&str]; 2] = [
        &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
        &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
    ];
    for kind in kinds {
        let key = key(&dir, kind);
        let stage = Stage::bare(&[
            ("GANTRY_DELIVERY", "cdn"),
            ("GANTRY_CDN__FORM", "cloudfront"),
            ("GANTRY_CDN__URL", "https://d111111abcdef8.cloudfront.net"),
            ("GANTRY_CDN__KEY_PAIR_ID", "K2JCJMDEHXQW5F"),
            ("GANTRY_CDN__PRIVATE_KEY_FILE", &key),
        ])
        .await;
        let asset = stage.asset("für dich.txt", b"hello", false).await;
        let url = stage.link(&asset, json!({})).await;
        let answer = stage.get(&url, &[]).await;
        assert_eq!((answer.status.as_u16(), answer.header("cache-control")), (302, "no-store"));
        assert_eq!(answer.header("referrer-policy"), "no-referrer");
        let (resource, policy) = checked(answer.header("location"), &key);
        assert!(resource.starts_with("https://d111111abcdef8.cloudfront.net/gantry/o/"), "{resource}");
        assert!(resource.contains("response-content-disposition=attachment%3B%20filename%3D"), "{resource}");
        assert!(policy["Statement"][0]["Condition"].get("IpAddress").is_none());
        // Bound to a network, it says so; a network that CloudFront cannot be told of is served from here.
        let bound = stage.link(&asset, json!({ "ip": "127.0.0.0/8" })).await;
        let (_, policy) = checked(stage.get(&bound, &[]).await.header("location"), &key);
        assert_eq!(policy["Statement"][0]["Condition"]["IpAddress"]["AWS:SourceIp"], "127.0.0.0/8");
        let head = stage.ask(Method::HEAD, &url, &[]).await;
        assert_eq!((head.status.as_u16(), head.header("content-length")), (200, "5"));
        let moved = stage.get(&url, &[("range", "bytes=1-2"), ("if-range", "\"other\"")]).await;
        assert_eq!((moved.status.as_u16(), moved.body.as_slice()), (200, &b"hello"[..]));
    }
}

/// HMAC-SHA256 by OpenSSL; the key is hexadecimal.
fn hmac(key: &str, message: &str) -> Vec<u8> {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("m");
    std::fs::write(&file, message).unwrap();
    let key = format!("hexkey:{key}");
    let made = Command::new("openssl")
        .args(["dgst", "-sha256", "-binary", "-mac", "HMAC", "-macopt", &key])
        .arg(&file)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    made.stdout
}

/// The URL that a network with this form of token redirects to, without the host.
async fn at_network(form: &str, scope: &str, secret: &str) -> String {
    let stage = Stage::bare(&[
        ("GANTRY_DELIVERY", "cdn"),
        ("GANTRY_CDN__FORM", form),
        ("GANTRY_CDN__URL", "https://cdn.example/files"),
        ("GANTRY_CDN__SECRET", secret),
        ("GANTRY_CDN__SCOPE", scope),
    ])
    .await;
    let asset = stage.asset("a b+c.txt", b"hello", false).await;
    // No token is bound to a network: such a link is streamed.
    let bound = stage.link(&asset, json!({ "ip": "127.0.0.0/8" })).await;
    assert_eq!(stage.get(&bound, &[]).await.body, b"hello");
    let answer = stage.get(&stage.link(&asset, json!({})).await, &[]).await;
    assert_eq!(answer.status, 302);
    let path = answer.header("location").strip_prefix("https://cdn.example").unwrap().to_owned();
    assert!(path.starts_with("/files/gantry/o/") && path.contains("response-content-type=text%2Fplain"), "{path}");
    path
}

const HEX_SECRET: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cloudflare_accepts_what_is_signed() {
    use base64::Engine as _;
    let url = at_network("cloudflare", "url", "a-secret-of-thirty-two-characters").await;
    // As the function reads http.request.uri: message, a separator of 8 bytes, time of issue, '-', URL-encoded Base64.
    let (message, token) = url.split_at(url.find("&verify=").unwrap());
    let (issued, mac) = token["&verify=".len()..].split_once('-').unwrap();
    let mac = percent_encoding::percent_decode_str(mac).decode_utf8().unwrap();
    let key = hex::encode("a-secret-of-thirty-two-characters");
    let made = base64::engine::general_purpose::STANDARD.encode(hmac(&key, &format!("{message}{issued}")));
    assert_eq!((issued.len(), mac.as_ref()), (10, made.as_str()));
    // The rule adds its lifetime to the time of issue, so that must be now.
    assert!(jiff::Timestamp::now().as_second().abs_diff(issued.parse().unwrap()) < 60, "{url}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fastly_accepts_what_is_signed() {
    use base64::Engine as _;
    let secret = base64::engine::general_purpose::STANDARD.encode(hex::decode(HEX_SECRET).unwrap());
    let url = at_network("fastly", "url", &secret).await;
    // As the guide's VCL: req.url without the parameter, then the expiry.
    let (message, token) = url.split_once("&token=").unwrap();
    let (expires, mac) = token.split_once('_').unwrap();
    assert_eq!(mac, hex::encode(hmac(HEX_SECRET, &format!("{message}{expires}"))));
    assert!(expires.parse::<i64>().unwrap() > jiff::Timestamp::now().as_second());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bunny_accepts_what_is_signed() {
    use base64::Engine as _;
    let secret = "c2f4e5a0-7f5b-4c58-9a9d-2b6f6f0f1a11";
    for scope in ["url", "directory"] {
        let url = at_network("bunny", scope, secret).await;
        let (path, query) = url.split_once('?').unwrap();
        let mut parameters: std::collections::BTreeMap<_, _> =
            url::form_urlencoded::parse(query.replace('+', "%2B").as_bytes()).into_owned().collect();
        let (token, expires) = (parameters.remove("token").unwrap(), parameters.remove("expires").unwrap());
        let signed = parameters.get("token_path").cloned().unwrap_or_else(|| path.to_owned());
        assert_eq!(signed, if scope == "url" { path } else { &path[..=path.rfind('/').unwrap()] });
        let rest: Vec<String> = parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mac = hmac(&hex::encode(secret), &format!("{signed}{expires}{}", rest.join("&")));
        assert_eq!(token, format!("HS256-{}", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(mac)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn akamai_accepts_what_is_signed() {
    for scope in ["url", "directory"] {
        let url = at_network("akamai", scope, HEX_SECRET).await;
        let (message, token) = url.split_once("&__token__=").unwrap();
        let (fields, mac) = token.rsplit_once("~hmac=").unwrap();
        let path = message.split('?').next().unwrap();
        let signed = match scope {
            "url" => format!("{fields}~url={message}"),
            _ => fields.to_owned(),
        };
        assert_eq!(mac, hex::encode(hmac(HEX_SECRET, &signed)));
        let folder = &path[..=path.rfind('/').unwrap()];
        assert_eq!(
            fields.split_once("~acl=").map(|(_, acl)| acl.trim_end_matches('*')),
            (scope != "url").then_some(folder)
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gallery_comes_in_one_answer() {
    let stage = Stage::bare(&[]).await;
    let picture = {
        let mut out = std::io::Cursor::new(Vec::new());
        image::RgbImage::from_fn(600, 400, |x, y| image::Rgb([(x % 256) as u8, (y % 256) as u8, 7]))
            .write_to(&mut out, image::ImageFormat::Png)
            .unwrap();
        out.into_inner()
    };
    let (a, b) = (stage.asset("a.png", &picture, false).await, stage.asset("b.txt", b"hello", false).await);
    let wish = json!({ "ids": [a, "nonsense", b], "variant": "thumb-256" });
    let (status, answer) = stage.call(Method::POST, "/v1/assets/thumbnails", wish.clone()).await;
    assert_eq!(status, 200, "{answer}");
    let results = answer["results"].as_array().unwrap();
    assert_eq!(
        (results[1]["error"]["code"].as_str(), results[2]["error"]["code"].as_str()),
        (Some("not_found"), Some("not_found"))
    );
    let url = results[0]["url"].as_str().unwrap();
    assert!(results[0]["expires_at"].is_string() && url.contains("X-Amz-Signature"), "{answer}");
    let shown = stage.get(url, &[]).await;
    assert_eq!(
        (shown.status.as_u16(), shown.header("content-type")),
        (200, results[0]["content_type"].as_str().unwrap())
    );
    assert!(shown.header("content-disposition").starts_with("inline;"));
    // A link to nothing but the thumbnail.
    let link = stage.link(&a, json!({ "variant": "thumb-256", "disposition": "inline" })).await;
    assert_eq!(stage.get(&format!("{link}?delivery=stream"), &[]).await.body, shown.body);
    assert_eq!(stage.get(&format!("{link}?variant=other"), &[]).await.status, 404);
    // Where clients cannot reach the store, links stand in.
    let stage = Stage::bare(&[("GANTRY_DELIVERY", "stream"), ("GANTRY_DOWNLOADS__ALSO", "")]).await;
    let a = stage.asset("a.png", &picture, false).await;
    let (_, answer) =
        stage.call(Method::POST, "/v1/assets/thumbnails", json!({ "ids": [a], "variant": "thumb-256" })).await;
    let url = answer["results"][0]["url"].as_str().unwrap();
    assert!(url.starts_with(&format!("{}/d/gd_", stage.url)), "{answer}");
    assert_eq!(stage.get(url, &[]).await.body, shown.body);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_network_is_told_what_is_gone() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let hook = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/purge", hook.local_addr().unwrap());
    let stage = Stage::bare(&[
        ("GANTRY_DELIVERY", "cdn"),
        ("GANTRY_CDN__FORM", "hmac"),
        ("GANTRY_CDN__URL", "https://cdn.example/files"),
        ("GANTRY_CDN__SECRET", "0123456789abcdef0123456789abcdef"),
        ("GANTRY_CDN__PURGE_URL", &address),
        ("GANTRY_CDN__PURGE_TOKEN", "let-me-in"),
        ("GANTRY_WEBHOOKS__ALLOW_HTTP", "true"),
        ("GANTRY_WEBHOOKS__ALLOW_NETWORKS", "127.0.0.0/8"),
    ])
    .await;
    let asset = stage.asset("a.txt", b"hello", false).await;
    let url = stage.link(&asset, json!({})).await;
    let location = stage.get(&url, &[]).await.header("location").to_owned();
    let path = location.strip_prefix("https://cdn.example").unwrap().split('?').next().unwrap().to_owned();
    let (status, _) = stage.call(Method::DELETE, &format!("/v1/assets/{asset}"), json!({})).await;
    assert_eq!(status, 204);
    // The first call fails, and is made again.
    for answer in ["503 Service Unavailable", "200 OK"] {
        let (mut socket, _) = in_time("waiting for the call", hook.accept()).await.unwrap();
        let mut said = Vec::new();
        while !String::from_utf8_lossy(&said).contains("prefixes") {
            let mut piece = [0; 4096];
            let read = socket.read(&mut piece).await.unwrap();
            assert!(read > 0);
            said.extend_from_slice(&piece[..read]);
        }
        let said = String::from_utf8(said).unwrap();
        let close = format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        socket.write_all(close.as_bytes()).await.unwrap();
        assert!(said.starts_with("POST /purge ") && said.contains("authorization: Bearer let-me-in"), "{said}");
        let told: serde_json::Value = serde_json::from_str(said.split("\r\n\r\n").nth(1).unwrap()).unwrap();
        assert_eq!((&told["asset_id"], &told["paths"]), (&json!(asset), &json!([path])));
    }
}
