//! Seeds of randomised tests: fresh each run, printed, and repeatable with `GANTRY_TEST_SEED`.

use rand::SeedableRng;
use rand::rngs::StdRng;

/// A seed for `test`, which shows up in the output when the test fails.
pub fn fresh(test: &str) -> u64 {
    let seed = match std::env::var("GANTRY_TEST_SEED") {
        Ok(seed) => seed.parse().expect("GANTRY_TEST_SEED is a number"),
        Err(_) => rand::random(),
    };
    println!("{test}: GANTRY_TEST_SEED={seed}");
    seed
}

/// A generator for `test`.
pub fn rng(test: &str) -> StdRng {
    StdRng::seed_from_u64(fresh(test))
}
