//! Seeds of randomised tests: fresh each run, printed, and repeatable with `GANTRY_TEST_SEED`.

use rand::SeedableRng;
use rand::rngs::StdRng;

/// A generator for `test`, whose seed shows up in the output when the test fails.
pub fn rng(test: &str) -> StdRng {
    let seed = match std::env::var("GANTRY_TEST_SEED") {
        Ok(seed) => seed.parse().expect("GANTRY_TEST_SEED is a number"),
        Err(_) => rand::random(),
    };
    println!("{test}: GANTRY_TEST_SEED={seed}");
    StdRng::seed_from_u64(seed)
}
