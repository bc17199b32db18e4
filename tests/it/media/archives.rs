//! Archives, by their list.

use std::fs::File;
use std::os::unix::fs::FileExt;

use serde_json::json;

use super::{Bench, codes};

#[tokio::test]
async fn archives_are_listed_and_not_unpacked() {
    let bench = Bench::new();
    bench.make("printf hello > a.txt && mkdir d && printf 12345678 > 'd/b c.txt' && zip -q -r a.zip a.txt d && zip -q -P secret locked.zip a.txt && cp a.zip x.docx");
    let docx = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";
    for (name, media_type) in [("a.zip", "application/zip"), ("x.docx", docx)] {
        let report = bench.look(name, media_type).await;
        let listing =
            json!([{"name": "a.txt", "size": 5}, {"name": "d/", "size": 0}, {"name": "d/b c.txt", "size": 8}]);
        let expected = json!({"kind": "archive", "entries": 3, "uncompressed_size": 13, "encrypted": false,
            "truncated": false, "listing": listing});
        assert_eq!(serde_json::Value::Object(report.details.clone()), expected);
        assert!(report.problems.is_empty());
    }
    let report = bench.look("locked.zip", "application/zip").await;
    assert_eq!(report.details["encrypted"], json!(true));
}

#[tokio::test]
async fn long_lists_are_cut_and_counted() {
    let bench = Bench::new();
    bench.make("mkdir many && cd many && seq 1 1500 | xargs touch && zip -q -r ../many.zip .");
    let report = bench.look("many.zip", "application/zip").await;
    assert_eq!((&report.details["entries"], &report.details["truncated"]), (&json!(1500), &json!(true)));
    assert_eq!(report.details["listing"].as_array().unwrap().len(), 1000);
}

/// Ten gigabytes of zeros in one entry, by repeating a compressed block of them.
const BOMB: &str = r#"
import struct, zlib
packer = zlib.compressobj(9, zlib.DEFLATED, -15)
block = packer.compress(bytes(64 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
body = block * 160 + b"\x03\x00"
sizes = struct.pack("<HHQQ", 1, 16, 10 << 30, len(body))
common = struct.pack("<HHHHHIIIHH", 45, 0, 8, 0, 0, 0, 0xffffffff, 0xffffffff, 4, len(sizes))
local = b"PK\x03\x04" + common + b"zero" + sizes + body
central = b"PK\x01\x02" + struct.pack("<H", 45) + common + struct.pack("<HHHII", 0, 0, 0, 0, 0) + b"zero" + sizes
end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(central), len(local), 0)
open("bomb.zip", "wb").write(local + central + end)
"#;

#[tokio::test]
async fn contents_far_larger_than_the_archive_are_told_of() {
    let bench = Bench::new();
    std::fs::write(bench.path("bomb.py"), BOMB).unwrap();
    bench.make("python3 bomb.py && unzip -l bomb.zip | grep -q 10737418240");
    let report = bench.look("bomb.zip", "application/zip").await;
    assert_eq!((&report.details["uncompressed_size"], codes(&report)), (&json!(10_u64 << 30), vec!["archive_ratio"]));
    bench.make("truncate -s 200M zero && zip -q -1 mild.zip zero");
    let report = bench.look("mild.zip", "application/zip").await;
    assert_eq!((&report.details["uncompressed_size"], codes(&report)), (&json!(200_u64 << 20), vec![]));
}

#[tokio::test]
async fn of_large_archives_the_end_is_enough() {
    let bench = Bench::new();
    bench.make("head -c 70000000 /dev/urandom > r && zip -q -0 a.zip r && printf stub > sfx && cat a.zip >> sfx");
    for name in ["a.zip", "sfx"] {
        let bytes = std::fs::read(bench.path(name)).unwrap();
        let holed = File::create(bench.path("holed.zip")).unwrap();
        holed.set_len(bytes.len() as u64).unwrap();
        let at = bytes.len() - (32 << 20);
        holed.write_all_at(&bytes[at..], at as u64).unwrap();
        let report = bench.look("holed.zip", "application/zip").await;
        assert_eq!(report.details["listing"], json!([{"name": "r", "size": 70_000_000}]), "{name} {report:?}");
    }
}

#[tokio::test]
async fn a_directory_that_lies_about_its_length_is_damaged() {
    let bench = Bench::new();
    bench.make("printf hello > a.txt && zip -q a.zip a.txt");
    let mut bytes = std::fs::read(bench.path("a.zip")).unwrap();
    let end = bytes.len() - 22;
    bytes[end + 8..end + 12].fill(0xff);
    std::fs::write(bench.path("lie.zip"), &bytes).unwrap();
    let report = bench.look("lie.zip", "application/zip").await;
    assert_eq!((codes(&report), &report.details["entries"]), (vec!["archive_damaged"], &json!(1)));
}
