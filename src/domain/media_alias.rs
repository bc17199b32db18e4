//! Aliases of media types.
//!
//! The IANA registry has a name for a type, browsers declare another, and type tables by file extension know a third. A
//! rule that names any of them means all of them. Sources: the IANA media types registry with its deprecated aliases,
//! WHATWG MIME Sniffing §4.6, Chromium's and Firefox's tables of extensions, and the crates `file-format` (bytes) and
//! `mime_guess` (extensions). Names are `type/subtype` in lower case, without parameters.

/// Names of the same type. The first name of each row is the canonical name in this service.
const SYNONYMS: &[&[&str]] = &[
    &["image/jpeg", "image/jpg", "image/pjpeg", "image/x-jpeg", "image/jfif"],
    &["image/png", "image/x-png"],
    &["image/apng", "image/vnd.mozilla.apng"],
    &["image/bmp", "image/x-bmp", "image/x-ms-bmp", "image/x-windows-bmp"],
    &["image/vnd.microsoft.icon", "image/x-icon", "image/ico", "image/icon"],
    &["image/tiff", "image/tif", "image/x-tiff", "image/x-tif"],
    &["image/avif", "image/avif-sequence"],
    &["image/heic", "image/heic-sequence"],
    &["image/heif", "image/heif-sequence"],
    &["image/svg+xml", "image/svg"],
    &["image/jp2", "image/x-jp2", "image/jpeg2000"],
    &[
        "image/vnd.adobe.photoshop",
        "application/x-photoshop",
        "application/photoshop",
        "image/x-photoshop",
        "image/psd",
    ],
    &["image/x-eps", "application/postscript", "image/eps", "application/eps", "application/x-eps"],
    &["image/emf", "image/x-emf", "application/x-msmetafile"],
    &["image/wmf", "image/x-wmf", "application/x-msmetafile"],
    &["image/x-tga", "image/x-targa", "image/tga"],
    &["audio/vnd.wave", "audio/wav", "audio/wave", "audio/x-wav", "audio/x-pn-wav"],
    &["audio/mpeg", "audio/mp3", "audio/x-mp3", "audio/mpeg3", "audio/x-mpeg-3", "audio/x-mpeg", "audio/mpg"],
    &["audio/flac", "audio/x-flac"],
    &["audio/ogg", "audio/x-ogg", "application/ogg", "audio/vorbis", "audio/x-vorbis+ogg"],
    &["audio/opus", "audio/x-opus+ogg"],
    &["audio/aac", "audio/aacp", "audio/x-aac", "audio/x-hx-aac-adts", "audio/vnd.dlna.adts"],
    &["audio/mp4", "audio/m4a", "audio/x-m4a", "audio/m4b", "audio/x-m4b", "audio/m4p", "audio/x-m4p"],
    &["audio/matroska", "audio/x-matroska"],
    &["audio/midi", "audio/mid", "audio/x-midi", "application/x-midi"],
    &["audio/aiff", "audio/x-aiff", "audio/aifc", "audio/x-aifc"],
    &["audio/x-caf", "audio/caf"],
    &["audio/basic", "audio/au", "audio/x-au"],
    &["audio/amr", "audio/x-amr"],
    &["audio/x-wavpack", "audio/wavpack"],
    &["audio/x-ape", "audio/ape", "audio/x-monkeys-audio"],
    &["video/mp4", "video/x-m4v", "video/m4v", "video/x-mp4", "application/mp4", "video/x-f4v"],
    &["video/quicktime", "video/mov", "video/x-quicktime"],
    &["video/matroska", "video/x-matroska", "video/mkv"],
    &["video/x-msvideo", "video/avi", "video/vnd.avi", "video/msvideo"],
    &["video/mpeg", "video/mpg", "video/x-mpeg", "video/mpeg2"],
    &["video/mp2t", "video/vnd.dlna.mpeg-tts", "video/mpegts", "video/x-mpegts"],
    &["video/ogg", "video/x-ogg", "video/theora", "application/ogg"],
    &["video/x-flv", "video/flv", "flv-application/octet-stream"],
    &["video/3gpp", "video/3gp", "audio/3gpp"],
    &["video/3gpp2", "video/3g2", "audio/3gpp2"],
    &["application/vnd.ms-asf", "video/x-ms-asf", "video/x-ms-asx"],
    &["application/gzip", "application/x-gzip", "application/gzipped", "application/x-gunzip", "application/x-tgz"],
    &["application/zip", "application/x-zip-compressed", "application/x-zip", "application/zip-compressed"],
    &["application/x-7z-compressed", "application/x-7z", "application/7z"],
    &["application/vnd.rar", "application/x-rar-compressed", "application/x-rar", "application/rar"],
    &["application/x-tar", "application/tar"],
    &["application/x-bzip2", "application/bzip2", "application/x-bzip", "application/x-bz2"],
    &["application/x-xz", "application/xz"],
    &["application/zstd", "application/x-zstd"],
    &["application/java-archive", "application/x-java-archive", "application/x-jar"],
    &["application/vnd.debian.binary-package", "application/x-deb", "application/x-debian-package"],
    &["application/x-rpm", "application/x-redhat-package-manager"],
    &["application/pdf", "application/x-pdf"],
    &["text/rtf", "application/rtf", "application/x-rtf", "text/richtext"],
    &["application/msword", "application/x-msword", "application/vnd.msword"],
    &["application/vnd.ms-excel", "application/x-msexcel", "application/msexcel", "application/x-excel"],
    &["application/vnd.ms-powerpoint", "application/mspowerpoint", "application/x-mspowerpoint"],
    &["application/vnd.ms-publisher", "application/x-mspublisher"],
    &["application/x-msaccess", "application/msaccess", "application/vnd.ms-access"],
    &["application/vnd.sqlite3", "application/x-sqlite3"],
    &[
        "application/vnd.microsoft.portable-executable",
        "application/x-msdownload",
        "application/x-dosexec",
        "application/x-msdos-program",
        "application/x-exe",
    ],
    &["font/ttf", "application/font-sfnt", "font/sfnt", "application/x-font-ttf", "application/x-font-truetype"],
    &["font/otf", "application/font-sfnt", "font/sfnt", "application/x-font-otf", "application/x-font-opentype"],
    &["font/woff", "application/font-woff", "application/x-font-woff"],
    &["font/woff2", "application/font-woff2"],
    &["application/vnd.apple.mpegurl", "application/x-mpegurl", "audio/mpegurl", "audio/x-mpegurl"],
    &["text/csv", "application/csv", "text/x-csv", "application/x-csv", "text/comma-separated-values"],
    &["text/tab-separated-values", "text/tsv", "text/x-tsv"],
    &["text/markdown", "text/x-markdown"],
    &["application/json", "text/json", "text/x-json", "application/x-json"],
    &["application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines"],
    &["application/xml", "text/xml", "application/x-xml"],
    &["application/yaml", "text/yaml", "text/x-yaml", "application/x-yaml"],
    &["application/toml", "text/x-toml", "text/toml"],
    &["application/sql", "application/x-sql", "text/x-sql"],
    &[
        "text/javascript",
        "application/javascript",
        "application/x-javascript",
        "text/x-javascript",
        "text/ecmascript",
        "application/ecmascript",
    ],
    &["text/x-typescript", "application/typescript", "text/typescript", "application/x-typescript"],
    &["text/x-python", "application/x-python", "text/x-script.python", "application/x-python-code"],
    &["text/x-shellscript", "application/x-sh", "application/x-shellscript", "text/x-sh"],
    &["text/x-perl", "application/x-perl"],
    &["text/x-ruby", "application/x-ruby"],
    &["application/x-httpd-php", "text/x-php", "application/x-php", "application/php"],
    &["text/x-tcl", "application/x-tcl"],
    &["text/x-msdos-batch", "application/x-bat", "application/bat"],
    &["text/vcard", "text/x-vcard", "text/directory"],
    &["application/x-subrip", "text/srt", "application/srt", "text/x-subrip"],
    &["text/x-tex", "application/x-tex", "application/x-latex", "text/x-latex"],
];

/// Types whose files also belong to a wider type: a rule that names the wider type includes them.
const NARROWER: &[(&str, &str)] = &[
    // An animation whose first frame every decoder of the still format shows.
    ("image/apng", "image/png"),
    ("image/heic", "image/heif"),
    ("application/xhtml+xml", "text/html"),
    // Containers whose narrower name says what they contain: browsers declare them by the extension alone.
    ("audio/mp4", "video/mp4"),
    ("audio/matroska", "video/matroska"),
    ("audio/webm", "video/webm"),
    ("audio/opus", "audio/ogg"),
    ("audio/speex", "audio/ogg"),
    ("audio/x-ms-wma", "application/vnd.ms-asf"),
    ("video/x-ms-wmv", "application/vnd.ms-asf"),
];

/// The wider types of `essence`, itself first.
fn widened(essence: &str) -> impl Iterator<Item = &str> {
    let rows = SYNONYMS.iter().filter(move |row| row.contains(&essence));
    let wider = NARROWER.iter().filter(move |(narrow, _)| {
        *narrow == essence || SYNONYMS.iter().any(|row| row.contains(&essence) && row.contains(narrow))
    });
    let wider = wider.flat_map(|(_, wide)| {
        let rows = SYNONYMS.iter().filter(|row| row.contains(wide)).flat_map(|row| row.iter().copied());
        std::iter::once(*wide).chain(rows)
    });
    std::iter::once(essence).chain(rows.flat_map(|row| row.iter().copied())).chain(wider)
}

/// True if `rule` is a name of the type `essence`, or of a wider type. Both are essences in lower case.
#[must_use]
pub fn is_named(essence: &str, rule: &str) -> bool {
    widened(essence).any(|name| name == rule)
}

/// True if a name of the type `essence`, or of a wider type, begins with `kind/`.
#[must_use]
pub fn is_of_kind(essence: &str, kind: &str) -> bool {
    widened(essence).any(|name| name.split('/').next() == Some(kind))
}

/// The canonical name of a type: the first name of its row, or the name itself.
#[must_use]
pub fn usual_name(essence: &str) -> &str {
    SYNONYMS.iter().find(|row| row.contains(&essence)).map_or(essence, |row| row[0])
}

/// The name under which browsers play or show a type. With the canonical name of these three, Chromium saves the file
/// instead.
#[must_use]
pub fn browser_name(essence: &str) -> &str {
    match essence {
        "audio/vnd.wave" => "audio/wav",
        // An Ogg file, in which browsers detect Opus by themselves.
        "audio/opus" => "audio/ogg",
        "image/avif-sequence" => "image/avif",
        other => other,
    }
}

/// All names of the type `essence`, for the filter of a list; without wider types.
#[must_use]
pub fn synonyms(essence: &str) -> Vec<&str> {
    let mut names = vec![essence];
    for name in SYNONYMS.iter().filter(|row| row.contains(&essence)).flat_map(|row| row.iter().copied()) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_get_a_synonym_or_a_wider_type() {
        for (usual, known) in
            [("audio/vnd.wave", "audio/wav"), ("audio/opus", "audio/ogg"), ("image/avif-sequence", "image/avif")]
        {
            assert_eq!(browser_name(usual), known);
            assert!(is_named(usual, known), "{usual}");
        }
        assert_eq!(browser_name("video/mp4"), "video/mp4");
    }

    #[test]
    fn a_rule_means_every_name_of_its_type() {
        for (bytes, rule) in [
            ("audio/vnd.wave", "audio/wav"),
            ("video/matroska", "video/x-matroska"),
            ("image/apng", "image/png"),
            ("image/avif-sequence", "image/avif"),
            ("audio/opus", "audio/ogg"),
            ("audio/opus", "application/ogg"),
            ("application/gzip", "application/x-gzip"),
            ("application/zip", "application/x-zip-compressed"),
            ("audio/mpeg", "audio/mp3"),
            ("audio/flac", "audio/x-flac"),
            ("image/vnd.microsoft.icon", "image/x-icon"),
            ("application/rtf", "text/rtf"),
            ("audio/x-m4a", "video/mp4"),
            ("image/jpeg", "image/jpg"),
        ] {
            assert!(is_named(bytes, rule), "{bytes} {rule}");
            let kind = rule.split('/').next().unwrap();
            assert!(is_of_kind(bytes, kind), "{bytes} {kind}");
        }
    }

    #[test]
    fn different_types_stay_different() {
        for (bytes, rule) in [
            ("image/png", "image/apng"),
            ("video/mp4", "audio/mp4"),
            ("audio/ogg", "audio/opus"),
            ("text/html", "text/plain"),
            ("image/svg+xml", "application/xml"),
            ("application/zip", "application/gzip"),
            ("application/json", "text/plain"),
        ] {
            assert!(!is_named(bytes, rule), "{bytes} {rule}");
        }
        assert!(!is_of_kind("image/svg+xml", "text") && !is_of_kind("video/mp4", "audio"));
    }

    #[test]
    fn a_name_has_one_usual_form() {
        assert_eq!(usual_name("text/x-markdown"), "text/markdown");
        assert_eq!(usual_name("application/javascript"), "text/javascript");
        assert_eq!(usual_name("application/unheard-of"), "application/unheard-of");
        assert_eq!(synonyms("video/x-matroska"), ["video/x-matroska", "video/matroska", "video/mkv"]);
    }
}
