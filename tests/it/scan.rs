//! Scanning with a real clamd, whose one signature is EICAR's and whose limits are 8 MiB.

use std::io::Write as _;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use gantry::blob::{BlobError, ByteStream};
use gantry::worker::clamd::{ClamdClient, IncompleteScanReason, ScanError, ScanLimits, ScanOutcome};
use gantry::worker::{IncompleteScanAction, ScanStep, ScannerSettings};
use zip::write::SimpleFileOptions;

use crate::support::seed;
use crate::support::servers::{self, Own};

const MIB: usize = 1 << 20;

/// The test file that every scanner knows. In two halves, so that none finds it here.
fn eicar() -> Vec<u8> {
    let halves = [r"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD", "-ANTIVIRUS-TEST-FILE!$H+H*"];
    halves.concat().into_bytes()
}

fn noise(len: usize) -> Vec<u8> {
    seed::noise(len, len as u64)
}

fn zipped(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in files {
        archive.start_file(*name, SimpleFileOptions::default()).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

fn scanner(address: &str) -> ClamdClient {
    let seconds = Duration::from_secs;
    let limits = ScanLimits { connect: seconds(5), idle: seconds(10), total: seconds(60), max_file_bytes: 8 << 20 };
    ClamdClient { address: address.parse().unwrap(), limits }
}

/// The bytes in chunks of an odd length, some of them empty.
fn in_chunks(bytes: Vec<u8>) -> ByteStream {
    let bytes = Bytes::from(bytes);
    let chunks: Vec<_> =
        (0..bytes.len()).step_by(100_003).map(|at| bytes.slice(at..bytes.len().min(at + 100_003))).collect();
    stream::iter(chunks).flat_map(|chunk| stream::iter([Ok(Bytes::new()), Ok(chunk)])).boxed()
}

async fn scan_with(scanner: &ClamdClient, bytes: Vec<u8>) -> Result<ScanOutcome, ScanError> {
    scanner.scan(bytes.len() as u64, in_chunks(bytes)).await
}

async fn scan(bytes: Vec<u8>) -> ScanOutcome {
    scan_with(&scanner(&servers::clamd()), bytes).await.unwrap()
}

#[track_caller]
fn assert_infected(scan: &ScanOutcome) {
    let ScanOutcome::Infected { engine, signature } = scan else { panic!("{scan:?}") };
    assert!(engine.starts_with("ClamAV 1."), "{engine}");
    assert_eq!(signature, "Eicar-Test.UNOFFICIAL");
}

#[track_caller]
fn assert_clean(scan: &ScanOutcome) {
    assert!(matches!(scan, ScanOutcome::Clean { engine } if engine.starts_with("ClamAV 1.")), "{scan:?}");
}

#[tokio::test]
async fn a_known_file_is_found_plain_and_in_archives() {
    assert_infected(&scan(eicar()).await);
    let once = zipped(&[("readme.txt", b"nothing"), ("invoice.exe", &eicar())]);
    assert_infected(&scan(zipped(&[("inner.zip", &once)])).await);
    assert_infected(&scan(once).await);
}

#[tokio::test]
async fn other_files_are_clean() {
    assert_clean(&scan(noise(5 * MIB)).await);
    assert_clean(&scan(zipped(&[("a", &noise(MIB)), ("b", b"text")])).await);
    assert_clean(&scan(b"x".to_vec()).await);
    // clamd's own word for a file of no bytes, too.
    assert_clean(&scan(Vec::new()).await);
}

#[tokio::test]
async fn what_is_too_long_is_incomplete_whoever_notices() {
    let mut sent = scanner(&servers::clamd());
    // Not sent: the stream would be an error.
    let unread = stream::iter([Err(BlobError::NotFound)]).boxed();
    let scanned = sent.scan((8 << 20) + 1, unread).await.unwrap();
    assert_eq!(scanned, ScanOutcome::Incomplete { why: IncompleteScanReason::TooLong(8 << 20) });
    // clamd's own bound is smaller than we think: just reached, and passed by far.
    sent.limits.max_file_bytes = 1 << 40;
    for len in [8 * MIB + 1, 40 * MIB] {
        let scanned = scan_with(&sent, noise(len)).await.unwrap();
        assert_eq!(scanned, ScanOutcome::Incomplete { why: IncompleteScanReason::RefusedAsTooLong }, "{len}");
    }
    assert_clean(&scan_with(&sent, noise(8 * MIB)).await.unwrap());
    let scanned = sent.scan(1 << 31, stream::iter([Err(BlobError::NotFound)]).boxed()).await.unwrap();
    assert_eq!(scanned, ScanOutcome::Incomplete { why: IncompleteScanReason::TooLong((1 << 31) - 1) });
}

#[tokio::test]
async fn what_clamd_did_not_look_into_is_incomplete() {
    let dir = tempfile::TempDir::new().unwrap();
    std::fs::write(dir.path().join("zeros"), vec![0; 30 * MIB]).unwrap();
    std::fs::write(dir.path().join("invoice.exe"), eicar()).unwrap();
    let zip = |arguments: &[&str]| {
        let zip = Command::new("zip").current_dir(dir.path()).arg("-q").args(arguments).status();
        assert!(zip.expect("Debian package zip").success());
        std::fs::read(dir.path().join(arguments.iter().find(|word| word.ends_with(".zip")).unwrap())).unwrap()
    };
    let bomb = zip(&["bomb.zip", "zeros", "invoice.exe"]);
    assert!(bomb.len() < MIB);
    let scanned = scan(bomb).await;
    let ScanOutcome::Incomplete { why: IncompleteScanReason::Limits(name) } = &scanned else { panic!("{scanned:?}") };
    assert!(name.starts_with("Heuristics.Limits.Exceeded.Max"), "{name}");
    let scanned = scan(zip(&["-P", "secret", "encrypted.zip", "invoice.exe"])).await;
    assert_eq!(
        scanned,
        ScanOutcome::Incomplete { why: IncompleteScanReason::Encrypted("Heuristics.Encrypted.Zip".to_owned()) }
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_clamd_reports_is_found_out_by_asking_it() {
    let settings =
        ScanStep::new(scanner(&servers::clamd()), IncompleteScanAction::Fail).load_scanner_settings().await.unwrap();
    let expected = ScannerSettings { reports_encryption: true, reports_limits: true, max_scanned_bytes: 8 << 20 };
    assert_eq!(settings, expected);
    // As it is shipped; it looks into less than 4 MiB, and may be sent 8.
    let mut quiet = Own::quiet_clamd().await;
    let screening = ScanStep::new(scanner(&quiet.address), IncompleteScanAction::Fail);
    let expected =
        ScannerSettings { reports_encryption: false, reports_limits: false, max_scanned_bytes: (4 << 20) - (4 << 14) };
    assert_eq!(screening.load_scanner_settings().await.unwrap(), expected);
    quiet.kill();
    // It is remembered for a while; a step that knows nothing yet waits for the scanner.
    assert_eq!(screening.load_scanner_settings().await.unwrap(), expected);
    let anew = ScanStep::new(scanner(&quiet.address), IncompleteScanAction::Fail);
    assert!(matches!(anew.load_scanner_settings().await, Err(ScanError::Connection(_))));
    quiet.restart().await;
    assert_eq!(anew.load_scanner_settings().await.unwrap(), expected);
}

#[tokio::test]
async fn a_file_that_cannot_be_read_whole_has_no_verdict() {
    let scanner = scanner(&servers::clamd());
    let broken = || stream::iter([Ok(Bytes::from_static(b"half")), Err(BlobError::Unavailable("gone".into()))]);
    let verdict = scanner.scan(8, broken().boxed()).await;
    assert!(matches!(verdict, Err(ScanError::Store(BlobError::Unavailable(_)))), "{verdict:?}");
    // A short stream without an error cannot happen; if it does, it is not clean either.
    for (said, bytes) in [(5, "half"), (3, "half"), (1, ""), (0, "x")] {
        let verdict = scanner.scan(said, stream::iter([Ok(Bytes::from_static(bytes.as_bytes()))]).boxed()).await;
        let Err(ScanError::LengthMismatch { sent, size }) = verdict else { panic!("{verdict:?}") };
        assert_eq!((sent, size), (bytes.len() as u64, said));
    }
    let mut hasty = scanner;
    hasty.limits.idle = Duration::from_millis(300);
    let verdict = hasty.scan(8, stream::pending().boxed()).await;
    assert!(matches!(verdict, Err(ScanError::TimedOut("the store is silent"))), "{verdict:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clamd_that_goes_away_comes_back() {
    let mut clamd = Own::clamd().await;
    let scanner = scanner(&clamd.address);
    assert_infected(&scan_with(&scanner, eicar()).await.unwrap());
    let mut beside = scanner.clone();
    beside.address = format!("unix:{}/clamd/socket", clamd.dir().display()).parse().unwrap();
    assert_infected(&scan_with(&beside, eicar()).await.unwrap());
    beside.limits.max_file_bytes = 1 << 30;
    let refused = scan_with(&beside, noise(40 * MIB)).await.unwrap();
    assert_eq!(refused, ScanOutcome::Incomplete { why: IncompleteScanReason::RefusedAsTooLong });
    clamd.kill();
    for scanner in [&scanner, &beside] {
        let verdict = scan_with(scanner, eicar()).await;
        assert!(matches!(verdict, Err(ScanError::Connection(_))), "{verdict:?}");
    }
    clamd.restart().await;
    assert_infected(&scan_with(&scanner, eicar()).await.unwrap());
    // Killed in the middle of a file.
    let (first, rest) = (Bytes::from(noise(MIB)), Bytes::from(noise(MIB)));
    let address = scanner.clone();
    let bytes = stream::iter([Ok(first)]).chain(stream::once(async move {
        clamd.kill();
        Ok(rest)
    }));
    let verdict = address.scan(2 * MIB as u64, bytes.boxed()).await;
    assert!(matches!(verdict, Err(ScanError::Connection(_))), "{verdict:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_clamd_is_not_waited_for() {
    let clamd = Arc::new(Own::clamd().await);
    let mut scanner = scanner(&clamd.address);
    assert_clean(&scan_with(&scanner, noise(MIB)).await.unwrap());
    scanner.limits.idle = Duration::from_secs(1);
    clamd.freeze();
    let began = Instant::now();
    let verdict = scan_with(&scanner, noise(MIB)).await;
    assert!(matches!(verdict, Err(ScanError::TimedOut("clamd is silent"))), "{verdict:?}");
    assert!(began.elapsed() < Duration::from_secs(5));
    clamd.thaw();
    scanner.limits.idle = Duration::from_secs(10);
    assert_clean(&scan_with(&scanner, noise(MIB)).await.unwrap());

    // Frozen when it has everything but the end: it may think for minutes, but not for ever.
    scanner.limits.total = Duration::from_secs(2);
    let frozen = Arc::clone(&clamd);
    let bytes = stream::iter([Ok(Bytes::from_static(b"half"))]).chain(stream::once(async move {
        frozen.freeze();
        Ok(Bytes::from_static(b"more"))
    }));
    let verdict = scanner.scan(8, bytes.boxed()).await;
    assert!(matches!(verdict, Err(ScanError::TimedOut("the scan took too long"))), "{verdict:?}");
    clamd.thaw();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_signatures_are_loaded_while_files_are_scanned() {
    let clamd = Own::clamd().await;
    let scanner = scanner(&clamd.address);
    let place = clamd.address.strip_prefix("tcp://").unwrap();
    let scans = async {
        for round in 0..40 {
            let bytes = if round % 2 == 0 { eicar() } else { noise(MIB / 4) };
            let infected = matches!(scan_with(&scanner, bytes).await.unwrap(), ScanOutcome::Infected { .. });
            assert_eq!(infected, round % 2 == 0, "round {round}");
        }
    };
    let reloads = async {
        for _ in 0..5 {
            let said = clamav_client::tokio::reload(clamav_client::tokio::Tcp { host_address: place }).await.unwrap();
            assert_eq!(said, clamav_client::RELOADING);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::join!(scans, reloads);
}

#[tokio::test]
async fn somebody_else_on_the_port_is_no_scanner() {
    // Redis answers, and not like clamd.
    let redis = servers::variable("GANTRY_TEST_REDIS").replace("redis://", "tcp://");
    let mut scanner = scanner(&redis);
    scanner.limits.idle = Duration::from_secs(1);
    assert!(scan_with(&scanner, eicar()).await.is_err());
    // An address that swallows what is sent.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    scanner.address = format!("tcp://{}", listener.local_addr().unwrap()).parse().unwrap();
    let verdict = scanner.fetch_version().await;
    assert!(matches!(verdict, Err(ScanError::TimedOut(_))), "{verdict:?}");
}
