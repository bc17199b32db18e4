//! Seeds of randomised tests: fresh each run, printed, and repeatable with `GANTRY_TEST_SEED`.

use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
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

/// So many bytes that look random, always the same for a seed. The key stream of a cipher that is native code: a generator in
/// Rust takes longer in a debug build than what is tested with its bytes.
pub fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    let key = LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, &key).unwrap());
    let mut bytes = vec![0; len];
    let _tag = key.seal_in_place_separate_tag(Nonce::assume_unique_for_key([0; 12]), Aad::empty(), &mut bytes).unwrap();
    bytes
}
