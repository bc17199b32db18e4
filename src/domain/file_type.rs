//! The media type of a stored file, derived from its bytes, the declared type and the name.
//!
//! A signature in the bytes decides, whatever the client declared. The bytes of text cannot distinguish CSV from
//! Markdown, so a text has the type that is declared or that its name suggests. Scripts and pages are an exception: a
//! text that is declared or named as such must be allowed as such, even if it could pass for harmless text. This module
//! is pure: the worker has inspected the bytes.

use super::media_alias::usual_name;
use super::name::{FileName, MediaType, TypePattern};

/// Certainty of a type that was derived from bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TypeCertainty {
    /// The bytes have a signature or structure of their own.
    Decided,
    /// Text, or no bytes at all: every kind of text may look like this.
    AnyText,
    /// XML of an unknown vocabulary.
    AnyXml,
    /// The bytes begin with a tag, as pages do and as Markdown may.
    MarkupFragment,
}

/// Result of the inspection of the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ByteType {
    /// The type according to the bytes alone, without parameters.
    pub media_type: MediaType,
    /// The encoding of a text, as an IANA charset name in lower case; `None` if the file is not text.
    pub charset: Option<String>,
    /// The certainty of the type.
    pub certainty: TypeCertainty,
}

/// The type of a file, for policies and delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileType {
    /// The type that is shown and delivered, without parameters.
    pub media_type: MediaType,
    /// Types by which a rule may name it, under any of their aliases.
    names: Vec<String>,
    /// Types of programs and pages that were declared or suggested by the name. A rule must allow each of them.
    programs: Vec<String>,
}

/// Types, beside `text/*`, whose files are text without a signature.
const TEXTS: [&str; 26] = [
    "application/json",
    "application/x-ndjson",
    "application/json-seq",
    "application/yaml",
    "application/toml",
    "application/sql",
    "application/graphql",
    "application/xml",
    "application/xml-dtd",
    "application/csv",
    "application/x-subrip",
    "application/x-httpd-php",
    "application/x-csh",
    "application/hta",
    "application/mbox",
    "application/n-triples",
    "application/n-quads",
    "application/trig",
    "application/sparql-query",
    "application/edn",
    "application/x-bibtex",
    "application/x-troff",
    "application/x-pem-file",
    "application/x-x509-ca-cert",
    "application/x-www-form-urlencoded",
    "application/vnd.apple.mpegurl",
];
/// Types of text that a browser, a shell or a server executes.
const PROGRAMS: [&str; 22] = [
    "text/html",
    "application/xhtml+xml",
    "image/svg+xml",
    "application/xml",
    "text/javascript",
    "text/jscript",
    "text/livescript",
    "text/x-typescript",
    "text/vbscript",
    "text/x-python",
    "text/x-perl",
    "text/x-ruby",
    "text/x-tcl",
    "text/x-lua",
    "text/x-shellscript",
    "text/x-powershell",
    "text/x-msdos-batch",
    "application/x-httpd-php",
    "application/x-csh",
    "application/hta",
    "application/vnd.microsoft.portable-executable",
    "text/xsl",
];
/// File name extensions that type tables do not know, or map to a type that is not text.
const EXTENSIONS: [(&str, &str); 27] = [
    ("ts", "text/x-typescript"),
    ("mts", "text/x-typescript"),
    ("cts", "text/x-typescript"),
    ("tsx", "text/x-typescript"),
    ("cjs", "text/javascript"),
    ("py", "text/x-python"),
    ("rb", "text/x-ruby"),
    ("bat", "text/x-msdos-batch"),
    ("cmd", "text/x-msdos-batch"),
    ("ps1", "text/x-powershell"),
    ("psm1", "text/x-powershell"),
    ("bash", "text/x-shellscript"),
    ("zsh", "text/x-shellscript"),
    ("jse", "text/jscript"),
    ("wsf", "text/jscript"),
    ("vbe", "text/vbscript"),
    ("phtml", "application/x-httpd-php"),
    ("jsp", "application/x-httpd-php"),
    ("asp", "application/x-httpd-php"),
    ("aspx", "application/x-httpd-php"),
    ("cgi", "text/x-shellscript"),
    ("shtml", "text/html"),
    ("xht", "application/xhtml+xml"),
    ("md", "text/markdown"),
    ("ndjson", "application/x-ndjson"),
    ("jsonl", "application/x-ndjson"),
    ("java", "text/x-java"),
];

/// The type that the file name's extension suggests, in its canonical form; `None` if the extension is unknown.
#[must_use]
pub fn type_by_name(name: &FileName) -> Option<MediaType> {
    let (_, extension) = name.as_str().rsplit_once('.')?;
    let lower = extension.to_ascii_lowercase();
    let known = EXTENSIONS.iter().find(|(known, _)| *known == lower).map(|(_, said)| *said);
    let said = known.or_else(|| mime_guess::from_ext(&lower).first_raw())?;
    usual_name(said).parse().ok().filter(|said| *said != MediaType::octet_stream())
}

/// True if files of this type (in its canonical form) are text without a signature.
#[must_use]
pub fn is_text_type(usual: &str) -> bool {
    // The bytes of these have a signature.
    if matches!(usual, "image/svg+xml" | "application/xhtml+xml" | "text/rtf") {
        return false;
    }
    usual.starts_with("text/")
        || usual.starts_with("message/")
        || usual.ends_with("+json")
        || usual.ends_with("+xml")
        || usual.ends_with("+yaml")
        || TEXTS.contains(&usual)
}

/// True if a browser, a shell or a server executes files of this type (in its canonical form).
#[must_use]
pub fn is_program_type(usual: &str) -> bool {
    PROGRAMS.contains(&usual) || usual.ends_with("+xml")
}

fn is_xml(usual: &str) -> bool {
    usual == "application/xml" || (usual.ends_with("+xml") && is_text_type(usual))
}

/// True if a declared type is a known mistake of the client's system, derived from the extension: systems with Excel
/// declare CSV as an Excel file, and TypeScript shares its extension with MPEG transport streams.
fn is_mistaken(usual: &str, by_name: &str) -> bool {
    let tables = matches!(by_name, "text/csv" | "text/tab-separated-values");
    (usual == "application/vnd.ms-excel" && tables) || (usual == "video/mp2t" && by_name == "text/x-typescript")
}

fn usual_essence(media_type: &MediaType) -> String {
    usual_name(&media_type.essence()).to_owned()
}

/// True if a pattern covers the type, under any of its aliases. Without patterns, every type is covered.
fn covers(patterns: &[TypePattern], essence: &str) -> bool {
    patterns.is_empty() || patterns.iter().any(|pattern| pattern.covers_essence(essence))
}

/// True if a file with this declared type and name may be uploaded; its bytes are inspected later. A declared type that
/// is generic, or a known mistake of clients' systems, does not exclude a file.
#[must_use]
pub fn may_be_sent(patterns: &[TypePattern], declared: &MediaType, name: &FileName) -> bool {
    let usual = usual_essence(declared);
    if *declared == MediaType::octet_stream() || covers(patterns, &usual) {
        return true;
    }
    let by_name = type_by_name(name).map(|said| usual_essence(&said));
    by_name.is_some_and(|by_name| {
        let vague = usual == "text/plain" && is_text_type(&by_name);
        (vague || is_mistaken(&usual, &by_name)) && covers(patterns, &by_name)
    })
}

impl FileType {
    /// Derives the type of a file from its bytes, the declared type and the name.
    #[must_use]
    pub fn resolve(bytes: &ByteType, declared: Option<&MediaType>, name: &FileName) -> Self {
        let by_bytes = bytes.media_type.essence();
        let (declared, named) = (declared.map(usual_essence), type_by_name(name).map(|said| usual_essence(&said)));
        let claims: Vec<String> = declared.into_iter().chain(named).collect();
        let is_claimed_program = claims.iter().any(|claim| is_program_type(claim));
        let fits = |claim: &str| match bytes.certainty {
            TypeCertainty::Decided => false,
            TypeCertainty::AnyText => is_text_type(claim),
            TypeCertainty::AnyXml => is_xml(claim),
            TypeCertainty::MarkupFragment => claim == "text/markdown" && !is_claimed_program,
        };
        let needs_rule = |claim: &str| match bytes.certainty {
            TypeCertainty::Decided => false,
            TypeCertainty::AnyText | TypeCertainty::MarkupFragment => is_program_type(claim),
            TypeCertainty::AnyXml => is_program_type(claim) && !is_xml(claim),
        };
        let programs = claims.iter().filter(|claim| needs_rule(claim)).cloned().collect();
        let mut names: Vec<String> = claims.into_iter().filter(|claim| fits(claim)).collect();
        let is_general =
            matches!(by_bytes.as_str(), "text/plain" | "text/xml" | "text/html" | "application/octet-stream");
        // A page is recognised by its bytes: text may be allowed as a page because of the declared type, but is not
        // delivered as one.
        let shown = names.iter().find(|name| *name != "text/html").filter(|_| is_general).unwrap_or(&by_bytes);
        let media_type = shown.parse().unwrap_or_else(|_| bytes.media_type.clone());
        names.push(by_bytes);
        if bytes.certainty == TypeCertainty::AnyXml {
            names.push("application/xml".to_owned());
        }
        if bytes.certainty == TypeCertainty::AnyText {
            names.push("text/plain".to_owned());
        }
        Self { media_type, names, programs }
    }

    /// True if the patterns allow the file. Without patterns, every file is allowed.
    #[must_use]
    pub fn is_allowed(&self, patterns: &[TypePattern]) -> bool {
        self.programs.iter().all(|program| covers(patterns, program))
            && self.names.iter().any(|name| covers(patterns, name))
    }

    /// The type to name in a refusal: the declared or suggested type that is not allowed, or else the type of the file.
    #[must_use]
    pub fn objectionable(&self, patterns: &[TypePattern]) -> String {
        let program = self.programs.iter().find(|program| !covers(patterns, program));
        program.cloned().unwrap_or_else(|| self.media_type.essence())
    }
}

/// `Content-Type` of a file: its type, and the charset where the type's registration has the parameter or where readers
/// would otherwise guess wrongly (RFC 6838 §4.2.1; JSON and YAML default to UTF-8).
#[must_use]
pub fn with_charset(media_type: &MediaType, charset: Option<&str>) -> MediaType {
    let essence = media_type.essence();
    let registered = essence.starts_with("text/") || essence == "application/xml" || essence.ends_with("+xml");
    match charset.filter(|charset| registered || *charset != "utf-8") {
        Some(charset) => format!("{essence}; charset={charset}").parse().unwrap_or_else(|_| media_type.clone()),
        None => media_type.clone(),
    }
}

/// True if a browser must not execute this type when it requests code; see `Sec-Fetch-Dest` (Fetch Metadata, W3C).
#[must_use]
pub fn is_code(media_type: &MediaType) -> bool {
    let usual = usual_essence(media_type);
    is_program_type(&usual) || matches!(usual.as_str(), "text/css" | "application/wasm")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(charset: &str) -> ByteType {
        let (media_type, charset) = ("text/plain".parse().unwrap(), Some(charset.to_owned()));
        ByteType { media_type, charset, certainty: TypeCertainty::AnyText }
    }

    fn decided(media_type: &str) -> ByteType {
        ByteType { media_type: media_type.parse().unwrap(), charset: None, certainty: TypeCertainty::Decided }
    }

    fn resolve(bytes: &ByteType, declared: &str, name: &str) -> FileType {
        FileType::resolve(bytes, declared.parse().ok().as_ref(), &name.parse().unwrap())
    }

    fn allowed(bytes: &ByteType, declared: &str, name: &str, rule: &str) -> bool {
        let rules: Vec<TypePattern> = rule.split(' ').map(|one| one.parse().unwrap()).collect();
        resolve(bytes, declared, name).is_allowed(&rules)
    }

    #[test]
    fn a_text_counts_as_what_it_is_declared_or_named() {
        for (declared, name, shown) in [
            ("text/csv", "a", "text/csv"),
            ("", "a.csv", "text/csv"),
            ("application/octet-stream", "a.csv", "text/csv"),
            ("application/vnd.ms-excel", "a.csv", "text/csv"),
            ("", "a.json", "application/json"),
            ("text/x-markdown", "a", "text/markdown"),
            ("application/javascript", "a", "text/javascript"),
            ("", "a.eml", "message/rfc822"),
            ("", "a.log", "text/plain"),
            ("text/plain", "a.csv", "text/plain"),
            ("image/png", "a.png", "text/plain"),
            ("", "a", "text/plain"),
            ("text/rtf", "a", "text/plain"),
            ("image/svg+xml", "a.svg", "text/plain"),
            ("text/html", "hello.txt", "text/plain"),
            ("text/html", "a.html", "text/plain"),
        ] {
            let found = resolve(&text("utf-8"), declared, name);
            assert_eq!(found.media_type.as_str(), shown, "{declared} {name}");
        }
        for rule in ["text/csv", "text/plain", "text/*", "application/csv", "*/*", "image/* text/x-csv"] {
            assert!(allowed(&text("euc-kr"), "", "a.csv", rule), "{rule}");
        }
        assert!(!allowed(&text("utf-8"), "image/png", "a.png", "image/*"));
        assert!(!allowed(&text("utf-8"), "text/markdown", "a.csv", "application/json"));
    }

    #[test]
    fn a_script_or_page_has_to_be_allowed_as_such() {
        for (declared, name) in [
            ("text/html", "a"),
            ("text/plain", "a.html"),
            ("text/csv", "a.js"),
            ("", "a.svg"),
            ("", "a.hta"),
            ("", "a.bat"),
            ("text/plain", "a.ps1"),
            ("text/x-shellscript", "a.txt"),
            ("", "a.xhtml"),
        ] {
            assert!(!allowed(&text("utf-8"), declared, name, "text/plain text/csv"), "{declared} {name}");
        }
        assert!(allowed(&text("utf-8"), "", "a.js", "application/javascript"));
        assert!(allowed(&text("utf-8"), "text/plain", "a.html", "text/*"));
        let media_type = "text/calendar".parse().unwrap();
        let calendar = ByteType { media_type, ..text("utf-8") };
        assert_eq!(resolve(&calendar, "text/plain", "a.ics").media_type.as_str(), "text/calendar");
        assert!(
            allowed(&calendar, "text/plain", "a.ics", "text/plain") && allowed(&calendar, "", "a", "text/calendar")
        );
        assert!(!allowed(&text("utf-8"), "text/plain", "a.html", "text/plain"));
        // Bytes with a signature are what they are, whatever they are called.
        assert!(allowed(&decided("image/png"), "text/html", "a.html", "image/png"));
        assert!(!allowed(&decided("text/html"), "text/csv", "a.csv", "text/csv text/plain"));
        assert!(!allowed(&text("utf-8"), "image/svg+xml", "a.svg", "image/*"));
    }

    #[test]
    fn markup_may_be_markdown_and_xml_may_be_any_xml() {
        let fragment = |charset: &str| ByteType { certainty: TypeCertainty::MarkupFragment, ..html(charset) };
        assert!(allowed(&fragment("utf-8"), "", "README.md", "text/markdown"));
        assert!(!allowed(&fragment("utf-8"), "", "README.md", "text/plain"));
        assert!(!allowed(&fragment("utf-8"), "text/html", "README.md", "text/markdown"));
        assert!(
            !allowed(&fragment("utf-8"), "", "a.csv", "text/csv") && allowed(&fragment("utf-8"), "", "a", "text/html")
        );
        let media_type = "text/xml".parse().unwrap();
        let xml = ByteType { media_type, charset: Some("utf-8".to_owned()), certainty: TypeCertainty::AnyXml };
        assert_eq!(resolve(&xml, "application/gpx+xml", "a.xml").media_type.as_str(), "application/gpx+xml");
        assert!(allowed(&xml, "", "a.gpx", "application/gpx+xml") && allowed(&xml, "", "a.gpx", "application/xml"));
        assert!(!allowed(&xml, "image/svg+xml", "a.svg", "application/xml") && !allowed(&xml, "", "a", "text/plain"));
        assert!(!allowed(&xml, "text/csv", "a.csv", "text/csv"));
    }

    fn html(charset: &str) -> ByteType {
        let media_type = "text/html".parse().unwrap();
        ByteType { media_type, charset: Some(charset.to_owned()), certainty: TypeCertainty::Decided }
    }

    #[test]
    fn what_says_nothing_is_not_held_against_a_file() {
        let sent = |rule: &str, declared: &str, name: &str| {
            may_be_sent(&[rule.parse().unwrap()], &declared.parse().unwrap(), &name.parse().unwrap())
        };
        assert!(
            sent("text/csv", "application/octet-stream", "a") && sent("text/csv", "application/vnd.ms-excel", "a.csv")
        );
        assert!(sent("text/csv", "text/plain", "a.csv") && sent("audio/wav", "audio/x-wav", "a"));
        assert!(!sent("text/csv", "application/vnd.ms-excel", "a.xls") && !sent("image/*", "text/html", "a.png"));
        assert!(!sent("application/pdf", "text/plain", "a.pdf"));
    }

    #[test]
    fn the_encoding_is_told_where_it_says_something() {
        let told = |media_type: &str, charset| with_charset(&media_type.parse().unwrap(), charset).to_string();
        assert_eq!(told("text/csv", Some("euc-kr")), "text/csv; charset=euc-kr");
        assert_eq!(told("application/json", Some("utf-8")), "application/json");
        assert_eq!(told("application/json", Some("utf-16le")), "application/json; charset=utf-16le");
        assert_eq!(told("image/svg+xml", Some("utf-8")), "image/svg+xml; charset=utf-8");
        assert_eq!(told("image/png", None), "image/png");
        assert_eq!(told("text/csv", Some("x\r\ny: z")), "text/csv");
    }
}
