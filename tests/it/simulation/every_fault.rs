//! Each way to fail at each call of one file's life, from its creation to `ready`: nothing is left to chance. Rows and bucket
//! are two truths, and a node may end between any two steps. With `GANTRY_TEST_FAULTS=2`, each pair of them.
//!
//! A state without an exit is one that does not come to rest; a lost byte, a doubled job or a leftover is found by
//! [`super::oracle`].

use std::sync::Arc;

use gantry::domain::clock::SeededEntropy;
use gantry::engine::TransferMethod;

use super::clients::{FileClient, Known, Way};
use super::turns::{BadEnd, Choice};
use super::world::World;
use super::{come_to_rest, in_virtual_time, oracle};

/// Calls that only look for work: to fail there is to look again.
const LOOKING: [&str; 2] = ["list_due_kinds", "list_uploads_to_check"];

/// A file's life under a plan; its operations in their order.
async fn life(way: Way, plan: &[(u64, BadEnd)]) -> Vec<&'static str> {
    let (world, known) = (World::new(1).await, Arc::new(Known::default()));
    let client =
        FileClient { world: Arc::clone(&world), known: Arc::clone(&known), dice: SeededEntropy::new(1), number: 1 };
    let mut clients = vec![tokio::spawn(client.bring(way, 70_000))];
    come_to_rest(&world, &Choice::Plan(plan), &mut clients).await;
    let operations = world.turns.operations();
    oracle::judge(&world, &known).await;
    operations
}

/// Tries each bad end at each call; the number of lives.
fn try_all(way: Way) -> usize {
    let calls_of = |plan: &[(u64, BadEnd)]| {
        let operations = in_virtual_time(life(way, plan));
        let numbered = (1..).zip(operations).filter(|(_, operation)| !LOOKING.contains(operation));
        numbered.collect::<Vec<(u64, &str)>>()
    };
    let pairs = std::env::var("GANTRY_TEST_FAULTS").is_ok_and(|text| text == "2");
    let mut lives = 1;
    for (first, operation) in calls_of(&[]) {
        for end in BadEnd::ALL {
            println!("{way:?}: {operation}, call {first}, {end:?}");
            let after = calls_of(&[(first, end)]);
            lives += 1;
            for (second, operation) in after.into_iter().filter(|(number, _)| pairs && *number > first) {
                for other in BadEnd::ALL {
                    println!("{way:?}: call {first} {end:?}, then {operation}, call {second}, {other:?}");
                    calls_of(&[(first, end), (second, other)]);
                    lives += 1;
                }
            }
        }
    }
    lives
}

#[test]
fn of_a_file_in_parts() {
    assert!(try_all(Way::Parts(TransferMethod::Multipart)) > 60);
}

#[test]
fn of_a_file_in_one_put() {
    assert!(try_all(Way::Parts(TransferMethod::Put)) > 40);
}

#[test]
fn of_a_file_that_is_appended() {
    assert!(try_all(Way::Appends) > 60);
}
