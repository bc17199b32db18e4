//! MD5 (RFC 1321), for ETags. S3 wants one of every byte, and it is most of what storing a byte costs, so this is a
//! fifth faster than the `md-5` crate, which the test holds it to.
//!
//! MD5 is one long chain of dependent steps. The gain is to keep everything off that chain that does not need its
//! newest value: `b` arrives last in each step, so it is used last.

use std::hint::black_box;

/// The sines of RFC 1321 §3.4.
#[rustfmt::skip]
const SINES: [u32; 64] = [
    0xd76a_a478, 0xe8c7_b756, 0x2420_70db, 0xc1bd_ceee, 0xf57c_0faf, 0x4787_c62a, 0xa830_4613, 0xfd46_9501,
    0x6980_98d8, 0x8b44_f7af, 0xffff_5bb1, 0x895c_d7be, 0x6b90_1122, 0xfd98_7193, 0xa679_438e, 0x49b4_0821,
    0xf61e_2562, 0xc040_b340, 0x265e_5a51, 0xe9b6_c7aa, 0xd62f_105d, 0x0244_1453, 0xd8a1_e681, 0xe7d3_fbc8,
    0x21e1_cde6, 0xc337_07d6, 0xf4d5_0d87, 0x455a_14ed, 0xa9e3_e905, 0xfcef_a3f8, 0x676f_02d9, 0x8d2a_4c8a,
    0xfffa_3942, 0x8771_f681, 0x6d9d_6122, 0xfde5_380c, 0xa4be_ea44, 0x4bde_cfa9, 0xf6bb_4b60, 0xbebf_bc70,
    0x289b_7ec6, 0xeaa1_27fa, 0xd4ef_3085, 0x0488_1d05, 0xd9d4_d039, 0xe6db_99e5, 0x1fa2_7cf8, 0xc4ac_5665,
    0xf429_2244, 0x432a_ff97, 0xab94_23a7, 0xfc93_a039, 0x655b_59c3, 0x8f0c_cc92, 0xffef_f47d, 0x8584_5dd1,
    0x6fa8_7e4f, 0xfe2c_e6e0, 0xa301_4314, 0x4e08_11a1, 0xf753_7e82, 0xbd3a_f235, 0x2ad7_d2bb, 0xeb86_d391,
];

/// A hash in progress.
#[derive(Clone, Debug)]
pub(super) struct Md5 {
    state: [u32; 4],
    /// The beginning of the next block; `length % 64` bytes of it are there.
    partial: [u8; 64],
    length: u64,
}

impl Md5 {
    /// Of nothing yet.
    pub(super) fn new() -> Self {
        Self { state: [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476], partial: [0; 64], length: 0 }
    }

    /// Takes the next bytes.
    pub(super) fn update(&mut self, mut bytes: &[u8]) {
        let filled = (self.length % 64) as usize;
        self.length = self.length.wrapping_add(bytes.len() as u64);
        if filled > 0 {
            let (head, rest) = bytes.split_at(bytes.len().min(64 - filled));
            self.partial[filled..filled + head.len()].copy_from_slice(head);
            if filled + head.len() < 64 {
                return;
            }
            compress(&mut self.state, &[self.partial]);
            bytes = rest;
        }
        let (blocks, tail) = bytes.as_chunks();
        compress(&mut self.state, blocks);
        self.partial[..tail.len()].copy_from_slice(tail);
    }

    /// The digest of all that came.
    pub(super) fn finalize(mut self) -> [u8; 16] {
        let bits = self.length.wrapping_mul(8).to_le_bytes();
        let padding = 1 + (119 - self.length % 64) as usize % 64;
        let mut end = [0; 64];
        end[0] = 0x80;
        self.update(&end[..padding]);
        self.update(&bits);
        let mut digest = [0; 16];
        for (bytes, word) in digest.as_chunks_mut().0.iter_mut().zip(self.state) {
            *bytes = word.to_le_bytes();
        }
        digest
    }

    /// Of these bytes.
    pub(super) fn digest(bytes: &[u8]) -> [u8; 16] {
        let mut md5 = Self::new();
        md5.update(bytes);
        md5.finalize()
    }
}

// The round functions, added to `sum`, which does not wait for `b`.

#[inline(always)]
fn f(sum: u32, b: u32, c: u32, d: u32) -> u32 {
    sum.wrapping_add(((c ^ d) & b) ^ d)
}

/// The two halves never have a bit in common, so that adding them is as good as `|`, and one of them needs no `b`.
#[inline(always)]
fn g(sum: u32, b: u32, c: u32, d: u32) -> u32 {
    sum.wrapping_add(!d & c).wrapping_add(d & b)
}

#[inline(always)]
fn h(sum: u32, b: u32, c: u32, d: u32) -> u32 {
    sum.wrapping_add((c ^ d) ^ b)
}

#[inline(always)]
fn i(sum: u32, b: u32, c: u32, d: u32) -> u32 {
    sum.wrapping_add(c ^ (b | !d))
}

/// Sixteen steps: `step(i)` takes word `(i * stride + offset) % 16` and rotates by the shifts in turn.
macro_rules! round {
    ($function:ident, $words:ident, $sines:ident, [$a:ident $b:ident $c:ident $d:ident], $first:literal, $stride:literal, $offset:literal, $shifts:expr) => {
        round!(@four $function, $words, $sines, [$a $b $c $d], $first, 0, $stride, $offset, $shifts);
        round!(@four $function, $words, $sines, [$a $b $c $d], $first, 4, $stride, $offset, $shifts);
        round!(@four $function, $words, $sines, [$a $b $c $d], $first, 8, $stride, $offset, $shifts);
        round!(@four $function, $words, $sines, [$a $b $c $d], $first, 12, $stride, $offset, $shifts);
    };
    (@four $function:ident, $words:ident, $sines:ident, [$a:ident $b:ident $c:ident $d:ident], $first:literal, $n:literal, $stride:literal, $offset:literal, $shifts:expr) => {
        round!(@step $function, $words, $sines, [$a $b $c $d], $first, $n, $stride, $offset, $shifts[0]);
        round!(@step $function, $words, $sines, [$d $a $b $c], $first, $n + 1, $stride, $offset, $shifts[1]);
        round!(@step $function, $words, $sines, [$c $d $a $b], $first, $n + 2, $stride, $offset, $shifts[2]);
        round!(@step $function, $words, $sines, [$b $c $d $a], $first, $n + 3, $stride, $offset, $shifts[3]);
    };
    (@step $function:ident, $words:ident, $sines:ident, [$a:ident $b:ident $c:ident $d:ident], $first:literal, $n:expr, $stride:literal, $offset:literal, $shift:expr) => {
        let sum = $a.wrapping_add($words[(($n) * $stride + $offset) % 16]).wrapping_add($sines[$first + $n]);
        $a = $function(sum, $b, $c, $d).rotate_left($shift).wrapping_add($b);
    };
}

#[inline(never)]
fn compress(state: &mut [u32; 4], blocks: &[[u8; 64]]) {
    // Were these known to be constants, LLVM would add them last, on the chain: that alone is the fifth.
    let sines: &[u32; 64] = black_box(&SINES);
    let [mut a, mut b, mut c, mut d] = *state;
    for block in blocks {
        let mut words = [0; 16];
        for (word, bytes) in words.iter_mut().zip(block.as_chunks().0) {
            *word = u32::from_le_bytes(*bytes);
        }
        let before = [a, b, c, d];
        round!(f, words, sines, [a b c d], 0, 1, 0, [7, 12, 17, 22]);
        round!(g, words, sines, [a b c d], 16, 5, 1, [5, 9, 14, 20]);
        round!(h, words, sines, [a b c d], 32, 3, 5, [4, 11, 16, 23]);
        round!(i, words, sines, [a b c d], 48, 7, 0, [6, 10, 15, 21]);
        a = a.wrapping_add(before[0]);
        b = b.wrapping_add(before[1]);
        c = c.wrapping_add(before[2]);
        d = d.wrapping_add(before[3]);
    }
    *state = [a, b, c, d];
}

#[cfg(test)]
mod tests {
    use super::*;
    use md5::Digest as _;

    #[test]
    fn the_suite_of_the_rfc() {
        for (text, digest) in [
            ("", "d41d8cd98f00b204e9800998ecf8427e"),
            ("a", "0cc175b9c0f1b6a831c399e269772661"),
            ("message digest", "f96b697d7cb7938d525a2f31aaf161d0"),
            (&"1234567890".repeat(8), "57edf4a22be3c955ac49da2e2107b67a"),
        ] {
            assert_eq!(hex::encode(Md5::digest(text.as_bytes())), digest, "{text}");
        }
    }

    #[test]
    fn it_agrees_with_another_md5_at_every_length_and_cut() {
        let bytes: Vec<u8> = (0..1000u32).map(|n| (n * n % 251) as u8).collect();
        for length in 0..=300 {
            let theirs: [u8; 16] = md5::Md5::digest(&bytes[..length]).into();
            assert_eq!(Md5::digest(&bytes[..length]), theirs, "{length}");
        }
        let theirs: [u8; 16] = md5::Md5::digest(&bytes).into();
        for step in [1, 3, 63, 64, 65, 127, 128, 500] {
            let mut ours = Md5::new();
            bytes.chunks(step).for_each(|piece| ours.update(piece));
            assert_eq!(ours.finalize(), theirs, "{step}");
        }
    }
}
