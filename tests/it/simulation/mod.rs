//! The engine under a seed: three nodes, clients, workers and sweepers in one process, whose every call to the rows and
//! to the bucket is ordered, refused, lost or followed by a death as the seed says. Everything above the ports is the real
//! code, and so are both embedded stores below them; time is virtual.
//!
//! Chosen instead of a network simulator (turmoil, madsim): what can go wrong between this engine and its stores is the
//! order and the outcome of calls, and these are all at two ports. A run has two phases: faults, then none, so that what
//! is still owed can come to rest; then [`oracle`] judges.
//!
//! ```text
//! GANTRY_TEST_SEED=7 tests/run.sh --rust --test it simulation::one_seed          a seed again
//! GANTRY_TEST_SEEDS=200 tests/run.sh --rust --test it simulation::many_seeds     more seeds, from a fresh one
//! ```
//!
//! [`every_fault`] leaves nothing to chance: it tries each way to fail at each call of a small story.
//!
//! `GANTRY_TEST_SIMULATION_TRACE=1` prints each call. `tests/it/simulation/old_faults.sh` puts old faults back and shows
//! that a seed finds each.

mod clients;
mod every_fault;
mod oracle;
mod turns;
mod world;

use std::sync::Arc;
use std::time::Duration;

use gantry::domain::clock::SeededEntropy;
use tokio::task::JoinHandle;

use clients::{FileClient, Known, end_some};
use turns::{Choice, Odds, TurnCount, roll};
use world::{NODES, World};

const FILES: u64 = 18;
/// Faults end after so many calls, or when every client is done.
const FAULTY_CALLS: u64 = 4000;
/// Without faults everything comes to rest within so many calls.
const REST_CALLS: u64 = 60_000;
const ODDS: Odds = Odds { refused: 25, answer_lost: 25, died: 6, stalled: 12 };

/// What a run did.
#[derive(Debug, PartialEq, Eq)]
struct Run {
    turns: TurnCount,
    partitions: u64,
    jumps: u64,
}

fn in_virtual_time<T>(story: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(story)
}

/// The whole of a run under a seed.
fn run(seed: u64) -> Run {
    in_virtual_time(simulate(seed))
}

async fn simulate(seed: u64) -> Run {
    let world = World::new(seed).await;
    let (dice, known) = (SeededEntropy::new(seed), Arc::new(Known::default()));
    let fresh_dice = || SeededEntropy::new(roll(&dice, u64::MAX));
    let mut clients: Vec<_> = (0..FILES)
        .map(|number| {
            let (world, known) = (Arc::clone(&world), Arc::clone(&known));
            tokio::spawn(FileClient { world, known, dice: fresh_dice(), number }.run())
        })
        .collect();
    clients.push(tokio::spawn(end_some(Arc::clone(&world), Arc::clone(&known), fresh_dice(), 6)));
    let (mut partitions, mut jumps) = (0, 0);
    while world.turns.count().calls < FAULTY_CALLS && clients.iter().any(|client| !client.is_finished()) {
        if !world.step(&Choice::Dice(&dice, Some(ODDS))).await {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        }
        match roll(&dice, 100) {
            0 => {
                world.partition(usize::try_from(roll(&dice, NODES as u64)).unwrap());
                partitions += 1;
            }
            1 => {
                let hours = roll(&dice, 20);
                world.database.clock.advance(Duration::from_secs(1 + hours * hours * 600));
                jumps += 1;
            }
            _ => {}
        }
    }
    world.join_all();
    come_to_rest(&world, &Choice::Dice(&dice, None), &mut clients).await;
    oracle::judge(&world, &known).await;
    Run { turns: world.turns.count(), partitions, jumps }
}

/// Goes on without faults until every client has its answer and no job is left.
async fn come_to_rest(world: &Arc<World>, choice: &Choice<'_>, clients: &mut Vec<JoinHandle<()>>) {
    for call in 0..REST_CALLS {
        if !world.step(choice).await {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        for done in clients.extract_if(.., |client| client.is_finished()) {
            done.await.unwrap();
        }
        if call % 100 == 0 && clients.is_empty() {
            let held = turns::hold_clock();
            let (live, dead) = world.database.store.count_jobs().await.unwrap();
            drop(held);
            assert_eq!(dead, 0, "jobs have failed for good");
            if live == 0 {
                return;
            }
        }
    }
    panic!("it does not come to rest: {} clients wait", clients.len());
}

#[test]
fn a_seed_makes_the_same_run_again() {
    let seed = crate::support::seed::fresh("simulation");
    assert_eq!(run(seed), run(seed));
}

#[test]
fn one_seed() {
    println!("{:?}", run(crate::support::seed::fresh("simulation")));
}

#[test]
fn many_seeds() {
    let many = std::env::var("GANTRY_TEST_SEEDS").map_or(4, |text| text.parse().unwrap());
    let first = crate::support::seed::fresh("simulation");
    for seed in (0..many).map(|next| first.wrapping_add(next)) {
        println!("GANTRY_TEST_SEED={seed}: {:?}", run(seed));
    }
}
