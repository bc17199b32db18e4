//! The list of hosts in a database URL. The driver takes a single host.

/// A URL for each host, and true if `target_session_attrs` demands a server that takes writes.
pub(super) fn split_hosts(url: &str) -> Result<(Vec<String>, bool), String> {
    let (url, query) = url.split_once('?').map_or((url, ""), |(url, query)| (url, query));
    let mut demands_primary = false;
    let mut kept = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.strip_prefix("target_session_attrs=") {
            Some("any") => {}
            Some("read-write" | "primary") => demands_primary = true,
            Some(_) => return Err("target_session_attrs must be read-write, primary or any".to_owned()),
            None => kept.push(pair),
        }
    }
    let query = if kept.is_empty() { String::new() } else { format!("?{}", kept.join("&")) };
    let Some((scheme, rest)) = url.split_once("://") else { return Ok((vec![url.to_owned()], demands_primary)) };
    let (authority, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
    let (user, hosts) = authority.rsplit_once('@').map_or(("", authority), |(user, hosts)| (user, hosts));
    let at = if authority.contains('@') { "@" } else { "" };
    if hosts.contains(',') && hosts.split(',').any(str::is_empty) {
        return Err("a host between commas is empty".to_owned());
    }
    let one = |host: &str| format!("{scheme}://{user}{at}{host}{path}{query}");
    Ok((hosts.split(',').map(one).collect(), demands_primary))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_a_url() {
        let (hosts, must_write) = split_hosts("postgres://u:p%40@a:1,[::1]:2,c/db?sslmode=require").unwrap();
        let expected = ["u:p%40@a:1", "u:p%40@[::1]:2", "u:p%40@c"];
        assert_eq!(hosts, expected.map(|host| format!("postgres://{host}/db?sslmode=require")));
        assert!(!must_write);
        let (hosts, must_write) =
            split_hosts("postgres://a/db?target_session_attrs=read-write&sslmode=require").unwrap();
        assert_eq!((hosts, must_write), (vec!["postgres://a/db?sslmode=require".to_owned()], true));
    }
}
