//! Files that were cut off or altered at random, through the whole pipeline: every one comes to an end, with a sentence
//! where it was refused. The seed is printed; `GANTRY_TEST_SEED` repeats a run.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use gantry::domain::asset::AssetVerdict;
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::{TestSteps, bring, idle, row, work};
use crate::media::Bench;
use crate::media::damage::{SAMPLES, damage, samples};
use crate::support::database::Database;
use crate::support::servers::clamd;
use crate::support::service::Service;

/// Variations of each sample.
const ROUNDS: usize = 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_damaged_file_comes_to_an_end() {
    let seed = std::env::var("GANTRY_TEST_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or_else(rand::random);
    println!("GANTRY_TEST_SEED={seed}");
    let (bench, mut chance) = (Bench::new(), StdRng::seed_from_u64(seed));
    samples(&bench);
    let service = Service::start(Database::sqlite().await, idle()).await;
    let mut assets = Vec::new();
    for (name, _) in SAMPLES {
        let sound = std::fs::read(bench.path(name)).unwrap();
        for _ in 0..ROUNDS {
            let mut bytes = sound.clone();
            damage(&mut bytes, &mut chance);
            assets.push(bring(&service, name, if bytes.is_empty() { b"x".to_vec() } else { bytes }).await);
        }
    }
    // One worker in this very process: had a file ended it, nothing would come after.
    let _working = work(&service, TestSteps { clamd: Some(clamd()), media: true, ..TestSteps::default() });
    let deadline = Instant::now() + Duration::from_secs(240);
    while service.database.store.count_jobs().await.unwrap().0 > 0 {
        assert!(Instant::now() < deadline, "{:?}", service.database.store.list_job_counts(None).await);
        service.advance(Duration::from_millis(500));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mut ends = BTreeMap::<&str, usize>::new();
    let mut failed = Vec::new();
    for asset in &assets {
        let row = row(&service, asset).await;
        assert!(row.state.is_settled(), "{row:?}");
        let verdict = row.state.verdict();
        assert!(
            verdict.is_none_or(|verdict| verdict.sentence.len() > 10 && verdict.sentence.ends_with('.')),
            "{row:?}"
        );
        let problems = row.state.content().map(|content| content.findings.problems.clone()).unwrap_or_default();
        assert!(problems.iter().all(|problem| problem.sentence.len() > 10), "{problems:?}");
        *ends.entry(row.state.name()).or_default() += 1;
        if row.state.name() == "failed" {
            failed.push((row.name.to_string(), row.state.verdict().cloned()));
        }
    }
    println!("{} damaged files: {ends:?}; the worker was never restarted", assets.len());
    // Damage may be what says that an archive is encrypted: then it is not called scanned.
    let unscanned = |verdict: &Option<AssetVerdict>| verdict.as_ref().is_some_and(|it| it.code == "scan_incomplete");
    assert!(failed.iter().all(|(_, verdict)| unscanned(verdict)), "{ends:?}: {failed:?}");
}
